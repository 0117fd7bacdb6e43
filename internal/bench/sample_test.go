package bench

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFigure(t *testing.T) {
	for _, test := range []struct {
		sample Sample
		want   Figure
	}{
		{Sample{3}, Figure{3, 3, 3, 1}},
		{Sample{4, 2}, Figure{3, 2.5, 3.5, 2}},
		{Sample{5, 1, 4, 2, 3}, Figure{3, 2, 4, 5}},
		{Sample{1, 1, 1, 1000}, Figure{1, 1, 250.75, 4}},
	} {
		if diff := cmp.Diff(test.want, test.sample.Figure()); diff != "" {
			t.Errorf("%v: %s", test.sample, diff)
		}
	}
	if f := (Sample{}).Figure(); !math.IsNaN(f.Median) || f.Count != 0 {
		t.Errorf("nothing was measured, and that is %v", f)
	}
	if s := (Sample{2, 1}); s.Figure().Median != 1.5 || s[0] != 2 {
		t.Error("a sample was sorted in place")
	}
}

// A machine that is twice as slow for a while is so for both sides of a pair: medians of sides would tell 2, pairs tell 3.
func TestOver(t *testing.T) {
	ours, theirs := Sample{3, 6, 30}, Sample{1, 2, 10}
	ratios, err := ours.Over(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Sample{3, 3, 3}, ratios); diff != "" {
		t.Error(diff)
	}
	if _, err := ours.Over(theirs[1:]); err == nil {
		t.Error("samples of different lengths were paired")
	}
}
