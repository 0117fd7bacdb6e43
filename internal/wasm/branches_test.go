package wasm

import (
	"strings"
	"testing"
)

// A branch forward gets a block, one back an if; those to where nothing else leads, or that hand on values, stay.
func TestExplicitEdges(t *testing.T) {
	const get, eqz, block, loop, ifOp, end, br, brIf, nop, empty = 0x41, 0x45, 0x02, 0x03, 0x04, 0x0b, 0x0c, 0x0d, 0x01, 0x40
	for name, c := range map[string]struct{ before, after []byte }{
		"two ways": {
			[]byte{block, empty, get, 1, eqz, brIf, 0, nop, end},
			[]byte{block, empty, block, empty, get, 1, eqz, brIf, 0, nop, br, 1, end, end},
		},
		"one way": {
			[]byte{block, empty, get, 1, eqz, brIf, 0, 0x00, end},
			[]byte{block, empty, get, 1, eqz, brIf, 0, 0x00, end},
		},
		"not compared": {
			[]byte{block, empty, get, 1, brIf, 0, nop, end},
			[]byte{block, empty, get, 1, brIf, 0, nop, end},
		},
		"labels around": {
			[]byte{block, empty, block, empty, get, 1, eqz, brIf, 0, get, 1, brIf, 1, br, 1, end, end},
			[]byte{block, empty, block, empty, get, 1, eqz, brIf, 0, get, 1, brIf, 1, br, 1, end, end},
		},
		"two branches": {
			[]byte{block, empty, get, 1, eqz, brIf, 0, get, 1, eqz, brIf, 0, br, 1, end},
			[]byte{block, empty, block, empty, block, empty, get, 1, eqz, brIf, 1, get, 1, eqz, brIf, 0, br, 3, br, 2, end, br, 1, end, end},
		},
		"loop": {
			[]byte{loop, empty, get, 1, eqz, brIf, 0, end},
			[]byte{loop, empty, get, 1, eqz, ifOp, empty, br, 1, end, end},
		},
		"out of the function": {
			[]byte{get, 1, eqz, brIf, 0, nop},
			[]byte{block, empty, get, 1, eqz, brIf, 0, nop, br, 1, end},
		},
		"values": {
			[]byte{block, 0x7f, get, 1, get, 1, eqz, brIf, 0, end, 0x1a},
			[]byte{block, 0x7f, get, 1, get, 1, eqz, brIf, 0, end, 0x1a},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, want := oneFunction(c.before...), oneFunction(c.after...)
			for _, module := range [][]byte{before, want} {
				if err := compiles(newEngine(t), module); err != nil {
					t.Fatal(err)
				}
			}
			got, err := ExplicitEdges(before)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("% x\nbecomes % x\nwant    % x", before, got, want)
			}
		})
	}
}

// FuzzExplicitEdges runs what a module exports as it is and with explicit edges.
func FuzzExplicitEdges(f *testing.F) {
	f.Add(countdown)
	f.Add(everySection)
	eachSpecModule(f, func(_ string, module []byte) {
		if len(module) < 600 {
			f.Add(module)
		}
	})
	f.Fuzz(func(t *testing.T, module []byte) {
		if !tame(module) {
			return
		}
		edges, err := ExplicitEdges(module)
		if err != nil {
			return // FuzzParse knows what may be refused
		}
		engine := newEngine(t)
		if err := compiles(engine, module); err != nil {
			if compiles(engine, edges) == nil && !strings.Contains(err.Error(), "custom section") {
				t.Fatalf("an invalid module has become a valid one: %v", err)
			}
			return
		}
		metered, err := Metered(module, Ticks)
		if err != nil {
			return
		}
		if edges, err = ExplicitEdges(metered); err != nil {
			t.Fatal(err)
		}
		want, got := &observed{slice: 100, calls: 2}, &observed{slice: 100, calls: 2}
		want.run(t, metered)
		got.run(t, edges)
		if want.enough != got.enough {
			t.Fatalf("with explicit edges the module counts otherwise")
		}
		if !want.enough {
			compareObserved(t, "explicit edges", want, got)
		}
	})
}

func BenchmarkExplicitEdges(b *testing.B) { benchmarkPass(b, ExplicitEdges) }
