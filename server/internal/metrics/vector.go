package metrics

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"
)

// values are those of a family's labels, in their order.
type values [2]string

var none values

// vector has a series for each set of values that has occurred.
type vector[S any] struct {
	labels []string
	fresh  func() *S
	mutex  *sync.RWMutex
	series map[values]*S
}

func newVector[S any](labels []string, fresh func() *S) vector[S] {
	if len(labels) > len(none) {
		panic("too many labels")
	}
	return vector[S]{labels, fresh, new(sync.RWMutex), map[values]*S{}}
}

// With is the series of the labels' values, as many as there are labels. They are from a closed set: a series stays.
func (v vector[S]) With(of ...string) *S {
	if len(of) != len(v.labels) {
		panic("a label lacks its value")
	}
	var key values
	copy(key[:], of)
	v.mutex.RLock()
	s := v.series[key]
	v.mutex.RUnlock()
	if s != nil {
		return s
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.series[key] == nil {
		v.series[key] = v.fresh()
	}
	return v.series[key]
}

// sorted are the series of this moment, by their values.
func (v vector[S]) sorted() iter.Seq2[values, *S] {
	v.mutex.RLock()
	series := maps.Clone(v.series)
	v.mutex.RUnlock()
	keys := slices.SortedFunc(maps.Keys(series), func(a, b values) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return func(yield func(values, *S) bool) {
		for _, k := range keys {
			if !yield(k, series[k]) {
				return
			}
		}
	}
}
