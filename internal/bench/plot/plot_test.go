package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestBars(t *testing.T) {
	for name, bars := range map[string][]Bar{
		"one":       {{Name: "boxer", Median: 1, Lower: 1, Upper: 1, Label: "1 ms", Ours: true}},
		"linear":    {{Name: "boxer", Median: 20, Lower: 19, Upper: 21, Label: "20 ms", Ours: true}, {Name: "other", Median: 200, Lower: 190, Upper: 250, Label: "200 ms"}},
		"factors":   {{Name: "boxer", Median: 0.1, Lower: 0.1, Upper: 0.2, Label: "0.1 ms", Ours: true}, {Name: "a <slow> & other", Median: 1700, Lower: 1600, Upper: 1800, Label: "1700 ms"}},
		"nothing":   {{Name: "boxer", Label: "0"}},
		"with zero": {{Name: "boxer", Label: "0"}, {Name: "other", Median: 100, Lower: 100, Upper: 100, Label: "100"}},
	} {
		t.Run(name, func(t *testing.T) {
			drawing, err := Bars(bars, "ms")
			if err != nil {
				t.Fatal(err)
			}
			texts := elements(t, string(drawing))
			for _, b := range bars {
				for _, want := range []string{b.Name, b.Label} {
					if !strings.Contains(texts, want) {
						t.Errorf("the plot lacks %q: %s", want, texts)
					}
				}
			}
			if strings.Contains(string(drawing), "NaN") || strings.Contains(string(drawing), "Inf") {
				t.Errorf("a place is no number:\n%s", drawing)
			}
		})
	}
	if _, err := Bars(nil, "ms"); err == nil {
		t.Error("nothing was plotted")
	}
}

// elements checks that a drawing is well-formed, and gives its text.
func elements(t *testing.T, drawing string) (text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(drawing))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return text
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, drawing)
		}
		if data, ok := token.(xml.CharData); ok {
			text += string(data)
		}
	}
}

// TestInside draws what is hard to place, and looks whether marks, bars and texts lie within the drawing, in its order.
func TestInside(t *testing.T) {
	for name, bars := range map[string][]Bar{
		"factors":    {{Name: "a", Median: 0.013, Lower: 0.012, Upper: 0.014, Label: "0.013 ms"}, {Name: "b", Median: 2940, Lower: 2900, Upper: 3000, Label: "2940 ms"}},
		"long names": {{Name: strings.Repeat("long ", 100), Median: 5, Lower: 5, Upper: 5, Label: "5 ms"}},
		"long label": {{Name: "a", Median: 5, Lower: 1, Upper: 9, Label: "5 ms, a mean of very few measurements"}},
	} {
		t.Run(name, func(t *testing.T) {
			drawing, err := Bars(bars, "ms")
			if err != nil {
				t.Fatal(err)
			}
			places := regexp.MustCompile(`(?: x="|[ML]|width=")(-?[\d.]+)`).FindAllStringSubmatch(string(drawing), -1)
			if len(places) < 3*len(bars) {
				t.Fatalf("%d places in\n%s", len(places), drawing)
			}
			for _, p := range places {
				if x, err := strconv.ParseFloat(p[1], 64); err != nil || x < 0 || x > width {
					t.Errorf("%s lies outside", p[0])
				}
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		scale
		want string
	}{
		{scale{max: 1}, "0 0.5 1"},
		{scale{max: 1.7}, "0 0.5 1 1.5"},
		{scale{max: 0.3}, "0 0.1 0.2 0.3"},
		{scale{max: 420}, "0 100 200 300 400"},
		{scale{max: 9.99e6}, "0 2000000 4000000 6000000 8000000"},
		{scale{log: true, min: 0.01, max: 1000}, "0.01 0.1 1 10 100 1000"},
		{scale{log: true, min: 1, max: 2940}, "1 10 100 1000"},
	} {
		var got []string
		for _, n := range c.numbers() {
			got = append(got, number(n))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v is marked with %v, not %s", c.scale, got, c.want)
		}
	}
}

// TestShare: equal steps are equal factors where the scale is logarithmic, equal differences otherwise.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		scale
		value, want float64
	}{
		{scale{max: 4}, 0, 0}, {scale{max: 4}, 1, 0.25}, {scale{max: 4}, 4, 1},
		{scale{log: true, min: 0.1, max: 1000}, 0.1, 0}, {scale{log: true, min: 0.1, max: 1000}, 10, 0.5}, {scale{log: true, min: 0.1, max: 1000}, 1000, 1},
	} {
		if got := c.share(c.value); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%g lies at %g of %+v, not %g", c.value, got, c.scale, c.want)
		}
	}
}

func BenchmarkBars(b *testing.B) {
	for b.Loop() {
		if _, err := Bars([]Bar{{Name: "boxer", Median: 1, Label: "1"}, {Name: "other", Median: 2, Label: "2"}}, "ms"); err != nil {
			b.Fatal(err)
		}
	}
}
