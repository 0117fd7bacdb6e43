package plot

import (
	"encoding/xml"
	"errors"
	"io"
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

func BenchmarkBars(b *testing.B) {
	for b.Loop() {
		if _, err := Bars([]Bar{{Name: "boxer", Median: 1, Label: "1"}, {Name: "other", Median: 2, Label: "2"}}, "ms"); err != nil {
			b.Fatal(err)
		}
	}
}
