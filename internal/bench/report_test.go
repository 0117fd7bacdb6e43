package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// madeUpReport has a section of each kind of table.
func madeUpReport() *Report {
	start := &Section{Name: "start", Title: "Starting", How: []string{"Warm."}}
	start.add(Line{Key: "pooled_hello_us", What: "hello, instance at hand", Unit: "µs", Figure: figure(Sample{100, 110, 120}), Goal: "≤ 120"})
	start.lacks(Line{Key: "process_over_python3", What: "a process", Unit: "×"}, "the host has no python3")
	start.Comparisons = []Comparison{{Key: "process", What: "Hello as a process", Unit: "ms", Scale: 1e-3, Entries: []Entry{
		{Who: "boxer", Figure: &Figure{20000, 19000, 21000, 10}},
		{Who: "slow", Figure: &Figure{400000, 390000, 410000, 10}, Ratio: &Ratio{Figure: Figure{20, 19, 21, 10}}},
		{Who: "docker", Missing: "no docker daemon answers"},
	}}}
	cpu := &Section{Name: "cpu", Title: "Computing", Grids: []Grid{{
		Key: "workloads", What: "Programs", Columns: []Column{{"boxer_us", "boxer, ms", 1e-3}, {"slow", "slow", 0}},
		Rows: []Row{{"fib", []*Figure{{3000, 2900, 3100, 5}, nil}}},
	}}}
	return &Report{
		Date: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Version: "1.0", Noise: figure(Sample{900, 1000, 1100}),
		Machine: Machine{Processor: "Sixteen <bit>", Cores: 2, System: "linux/amd64"},
		Contenders: []Contender{
			{Key: "slow", Name: "A slow & safe one", Version: "2", Settings: "as it comes", Can: map[string]string{"classes": "yes"}},
			{Key: "docker", Name: "docker", Missing: "no docker daemon answers"},
		},
		Sections: []*Section{start, cpu},
	}
}

func TestReportAsText(t *testing.T) {
	var text bytes.Buffer
	if err := madeUpReport().WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 cores of Sixteen <bit>", "hello, instance at hand", "105 … 115", "the host has no python3", "A slow & safe one", "20.0 ×",
		"no docker daemon answers", "STARTING", "FIB",
	} {
		if !strings.Contains(strings.ToUpper(text.String()), strings.ToUpper(want)) {
			t.Errorf("the text lacks %q:\n%s", want, &text)
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	r := madeUpReport()
	type section struct {
		Pooled  *float64 `json:"pooled_hello_us"`
		Over    *float64 `json:"process_over_python3"`
		Process map[string]any
		Spread  map[string]Figure
		Missing map[string]string
	}
	type rivals map[string]struct {
		Present bool
		Reason  string
	}
	var whole struct {
		Start  section
		Rivals rivals
	}
	decode(t, r, &whole)
	r.Sections = r.Sections[:1]
	var single struct {
		section
		Rivals rivals
	}
	decode(t, r, &single)
	for where, got := range map[string]section{"in a whole report": whole.Start, "in a report of one section": single.section} {
		if got.Pooled == nil || *got.Pooled != 110 || got.Spread["pooled_hello_us"].Count != 3 {
			t.Errorf("%s a figure is not told: %v", where, got)
		}
		if got.Over != nil || got.Missing["process_over_python3"] == "" || got.Process["docker"].(map[string]any)["missing"] == nil {
			t.Errorf("%s what is missing is not told: %v", where, got)
		}
	}
	for _, got := range []rivals{whole.Rivals, single.Rivals} {
		if !got["slow"].Present || got["docker"].Present || got["docker"].Reason == "" {
			t.Errorf("rivals are %v", got)
		}
	}
}

func decode(t *testing.T, r *Report, into any) {
	t.Helper()
	var encoded bytes.Buffer
	if err := r.WriteJSON(&encoded); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded.Bytes(), into); err != nil {
		t.Fatalf("%v\n%s", err, &encoded)
	}
}
