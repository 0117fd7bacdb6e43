// Package metrics counts what a server does, and shows it as Prometheus reads it.
//
// Prometheus' own library for Go does far more, and does some of it before main: 0.25 MB in 1,500 pieces in every process of boxer,
// most of which serve nothing. It is the reference of this package's tests.
package metrics

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Registry is a set of families of figures. Its methods add to it, and are called before it is shown; names are unique
// and of the form that Prometheus demands: https://prometheus.io/docs/concepts/data_model/
type Registry struct{ families []family }

// family is what has one name and differs by labels.
type family struct {
	name, help, kind string
	write            func(*page)
}

func (r *Registry) add(name, help, kind string, write func(*page)) {
	r.families = append(r.families, family{name, help, kind, write})
}

// Counter counts up. It is used by any number of goroutines, as is all that a Registry gives.
type Counter struct{ count atomic.Uint64 }

// Inc counts one more.
func (c *Counter) Inc() { c.count.Add(1) }

// Counter adds a counter.
func (r *Registry) Counter(name, help string) *Counter {
	c := new(Counter)
	r.add(name, help, "counter", func(p *page) { p.line("", nil, none, float64(c.count.Load())) })
	return c
}

// Counters are counters by labels.
type Counters struct{ vector[Counter] }

// Counters adds counters that differ by labels, two at most.
func (r *Registry) Counters(name, help string, labels ...string) *Counters {
	c := &Counters{newVector(labels, func() *Counter { return new(Counter) })}
	r.add(name, help, "counter", func(p *page) {
		for values, c := range c.sorted() {
			p.line("", labels, values, float64(c.count.Load()))
		}
	})
	return c
}

// Gauge adds a figure that goes up and down.
func (r *Registry) Gauge(name, help string, value func() float64) {
	r.add(name, help, "gauge", func(p *page) { p.line("", nil, none, value()) })
}

// Histogram counts observations by their size.
type Histogram struct {
	bounds []float64
	mutex  sync.Mutex
	counts []uint64 // of observations up to a bound and above the one before; the last has no bound
	sum    float64
}

// Observe counts a value.
func (h *Histogram) Observe(value float64) {
	i, _ := slices.BinarySearch(h.bounds, value)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.counts[i]++
	h.sum += value
}

// Histograms are histograms by labels.
type Histograms struct{ vector[Histogram] }

// Histograms adds histograms that differ by labels, two at most. Bounds ascend; a value that is one belongs below it.
func (r *Registry) Histograms(name, help string, bounds []float64, labels ...string) *Histograms {
	h := &Histograms{newVector(labels, func() *Histogram { return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)} })}
	r.add(name, help, "histogram", func(p *page) {
		for values, h := range h.sorted() {
			p.histogram(labels, values, h)
		}
	})
	return h
}
