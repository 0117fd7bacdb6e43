package plot

import (
	"math"
	"strconv"
)

// scale is the axis, from min to max.
type scale struct {
	log      bool
	min, max float64
}

// scaleOf chooses the axis.
func scaleOf(bars []Bar) scale {
	least, most := math.Inf(1), 0.0
	for _, b := range bars {
		least, most = min(least, b.Lower, b.Median), max(most, b.Upper, b.Median)
	}
	if least > 0 && most/least > 50 {
		return scale{log: true, min: math.Pow(10, math.Floor(math.Log10(least)-0.3)), max: most}
	}
	return linear(bars)
}

// linear is an axis from zero.
func linear(bars []Bar) scale {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Upper, b.Median)
	}
	if most == 0 {
		most = 1
	}
	return scale{max: most}
}

// share is where a value lies between min, which is 0, and max, which is 1.
func (s scale) share(value float64) float64 {
	if s.log {
		return math.Log(value/s.min) / math.Log(s.max/s.min)
	}
	return (value - s.min) / (s.max - s.min)
}

// numbers are those that the axis is marked with: powers of ten, or three to five round ones from zero.
func (s scale) numbers() (marks []float64) {
	if s.log {
		for power := math.Round(math.Log10(s.min)); power <= math.Log10(s.max)+1e-9; power++ {
			marks = append(marks, math.Pow(10, power))
		}
		return marks
	}
	step := math.Pow(10, math.Floor(math.Log10(s.max)))
	switch most := s.max / step; {
	case most < 2:
		step /= 2
	case most >= 5:
		step *= 2
	}
	for i := 0.0; i*step <= s.max*(1+1e-9); i++ {
		marks = append(marks, i*step)
	}
	return marks
}

// number writes a mark: six digits, whose sums have no tail, without an exponent.
func number(n float64) string {
	digits, _ := strconv.ParseFloat(strconv.FormatFloat(n, 'g', 6, 64), 64)
	return strconv.FormatFloat(digits, 'f', -1, 64)
}
