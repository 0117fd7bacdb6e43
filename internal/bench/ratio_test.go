package bench

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRatioIsWithheld(t *testing.T) {
	for _, test := range []struct {
		name     string
		of, over Sample
		median   float64
		withheld string
	}{
		{"far apart", Sample{10, 20, 30}, Sample{5, 10, 15}, 2, ""},
		{"much spread, one direction", Sample{10, 200, 3000}, Sample{5, 10, 15}, 20, ""},
		{"both directions", Sample{9, 10, 11, 12}, Sample{10, 10, 10, 10}, 1.05, "within the spread"},
		{"the same", Sample{7, 7, 7}, Sample{7, 7, 7}, 1, ""},
		{"two pairs", Sample{10, 20}, Sample{5, 10}, 2, "too few pairs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := ratio(test.of, test.over)
			if err != nil {
				t.Fatal(err)
			}
			if r.Median != test.median || r.Withheld != test.withheld {
				t.Errorf("%v, withheld %q", r.Median, r.Withheld)
			}
			encoded, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Median   *float64
				Withheld string
			}
			if err := json.Unmarshal(encoded, &got); err != nil {
				t.Fatal(err)
			}
			if (got.Median == nil) != (test.withheld != "") || got.Withheld != test.withheld {
				t.Errorf("as JSON: %s", encoded)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	c, err := compare(Comparison{Key: "made_up"}, []taken{
		{"boxer", Sample{1, 2, 3}, ""}, {"slow", Sample{10, 20, 30}, ""}, {"absent", nil, "there is none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Who: "boxer", Figure: &Figure{2, 1.5, 2.5, 3}},
		{Who: "slow", Figure: &Figure{20, 15, 25, 3}, Ratio: &Ratio{Figure: Figure{10, 10, 10, 3}}},
		{Who: "absent", Missing: "there is none"},
	}
	if diff := cmp.Diff(want, c.Entries); diff != "" {
		t.Error(diff)
	}
	if _, err := compare(c, []taken{{"boxer", Sample{1, 2}, ""}, {"other", Sample{1}, ""}}); err == nil {
		t.Error("samples of different lengths were paired")
	}
}
