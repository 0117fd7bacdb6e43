// Package bench measures boxer: what is compared is taken in turns within one run, every figure is a median with its
// quartiles, and ratios are medians over pairs of neighbours, so that a machine that is busy for a while is busy for both
// sides.
package bench

import (
	"fmt"
	"math"
	"slices"
)

// Sample is a series of measurements of one thing.
type Sample []float64

// Figure sums a sample up: median, lower and upper quartile, and how many measurements there were.
type Figure struct {
	Median float64 `json:"median"`
	Lower  float64 `json:"q1"`
	Upper  float64 `json:"q3"`
	Count  int     `json:"n"`
}

// Figure sums the sample up.
func (s Sample) Figure() Figure {
	return Figure{Median: s.quantile(0.5), Lower: s.quantile(0.25), Upper: s.quantile(0.75), Count: len(s)}
}

// quantile is by linear interpolation between neighbours (type 7 of Hyndman and Fan, Sample Quantiles in Statistical
// Packages, 1996). It is NaN for an empty sample.
func (s Sample) quantile(p float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := p * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Over divides each measurement by that of the other sample which was taken next to it. Samples of different lengths are
// no pairs.
func (s Sample) Over(other Sample) (Sample, error) {
	if len(s) != len(other) {
		return nil, fmt.Errorf("%d measurements cannot be paired with %d", len(s), len(other))
	}
	ratios := make(Sample, len(s))
	for i := range s {
		ratios[i] = s[i] / other[i]
	}
	return ratios, nil
}
