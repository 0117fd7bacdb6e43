package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortedAgainstMap changes several maps that share nodes and compares each
// with an ordinary map, so that a change in one is seen to leave the others.
func TestSortedAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	type pair struct {
		s     sorted[int, int]
		o     *owner
		model map[int]int
	}
	pairs := []*pair{{o: new(owner), model: map[int]int{}}}
	for step := range 60_000 {
		p := pairs[rng.IntN(len(pairs))]
		k := rng.IntN(2000)
		switch r := rng.IntN(1000); {
		case r == 0 && len(pairs) < 20:
			p.o = new(owner)
			pairs = append(pairs, &pair{s: p.s, o: new(owner), model: maps.Clone(p.model)})
		case r < 550:
			p.s.set(p.o, k, step)
			p.model[k] = step
		case r < 900:
			p.s.delete(p.o, k)
			delete(p.model, k)
		case r == 900 || r == 901 && k > 1500:
			n := 0
			for key := range p.model {
				if key >= k {
					n++
					delete(p.model, key)
				}
			}
			p.s.cut(p.o, k, n)
		default:
			got, ok := p.s.get(k)
			if want, exists := p.model[k]; ok != exists || got != want {
				t.Fatalf("step %d: get(%d) = %d, %v; want %d, %v", step, k, got, ok, want, exists)
			}
		}
	}
	for i, p := range pairs {
		for _, from := range []int{-1, 0, 777, 1999, 5000} {
			var got, want []int
			p.s.ascend(from, func(k, v int) bool {
				if p.model[k] != v {
					t.Errorf("map %d: %d holds %d, want %d", i, k, v, p.model[k])
				}
				got = append(got, k)
				return true
			})
			for _, k := range slices.Sorted(maps.Keys(p.model)) {
				if k >= from {
					want = append(want, k)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("map %d from %d: %d keys, want %d", i, from, len(got), len(want))
			}
		}
		if p.s.len() != len(p.model) {
			t.Errorf("map %d: len %d, want %d", i, p.s.len(), len(p.model))
		}
	}
}
