package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// madeUp are times of two programs: the first takes half as long when it cannot be stopped, the second twice as long, and
// everything is slower by and by. The host has python3, and something that runs the second program only.
func madeUp() []*side {
	some := func(key string, first, second []float64) *side {
		return &side{key: key, took: [][]float64{first, second}, missing: make([]string, 2)}
	}
	partial := some("partial", nil, []float64{50, 100, 200})
	partial.missing[0] = "no classes"
	return []*side{
		some("boxer", []float64{10, 20, 40}, []float64{100, 200, 400}),
		some("plain", []float64{5, 10, 20}, []float64{200, 400, 800}),
		some("counting", []float64{20, 40, 80}, []float64{100, 200, 400}),
		some("fuel", []float64{20, 40, 80}, []float64{200, 400, 1600}),
		some("python3", []float64{5, 5, 5}, []float64{10, 40, 160}),
		partial,
		{key: "absent", took: make([][]float64, 2), missing: make([]string, 2), gone: "there is no absent"},
	}
}

func madeUpCPU(t *testing.T, sides []*side) *Section {
	t.Helper()
	all := programs
	t.Cleanup(func() { programs = all })
	programs = []program{{name: "short"}, {name: "long"}}
	s, err := cpuSection(sides[:forms], sides[boxer], sides[forms:])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCPUSection(t *testing.T) {
	s := madeUpCPU(t, madeUp())
	var figures []*Figure
	for _, l := range s.Lines {
		figures = append(figures, l.Figure)
	}
	want := []*Figure{
		{1, 1, 1, 3},
		{2, 2, (2 + math.Sqrt(8)) / 2, 3},
		{math.Sqrt2, math.Sqrt2, math.Sqrt2, 3},
		{math.Sqrt(20), math.Sqrt(20), math.Sqrt(20), 3},
	}
	if diff := cmp.Diff(want, figures, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Error(diff)
	}
	mean := 1 / math.Sqrt(20)
	entries := []Entry{
		{Who: "boxer", Figure: &Figure{1, 1, 1, 3}},
		{Who: "python3", Figure: &Figure{mean, mean, mean, 3}},
		{Who: "partial", Figure: &Figure{0.5, 0.5, 0.5, 3}, Note: "1 of 2 programs"},
		{Who: "absent", Missing: "there is no absent"},
	}
	if diff := cmp.Diff(entries, s.Comparisons[0].Entries, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Error(diff)
	}
	rows := []Row{
		{"short", []*Figure{{20, 15, 30, 3}, {0.5, 0.5, 0.5, 3}, {2, 2, 2, 3}, {2, 2, 2, 3}, {0.25, 0.1875, 0.375, 3}, nil}},
		{"long", []*Figure{{200, 150, 300, 3}, {2, 2, 2, 3}, {1, 1, 1, 3}, {2, 2, 3, 3}, {0.2, 0.15, 0.3, 3}, {0.5, 0.5, 0.5, 3}}},
	}
	if diff := cmp.Diff(rows, s.Grids[0].Rows, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestCPUSectionWithoutPython3(t *testing.T) {
	s := madeUpCPU(t, madeUp()[:forms])
	var table bytes.Buffer
	if err := (&Report{Sections: []*Section{s}}).WriteText(&table); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(table.String()), " ")
	if line := "programs charged for instructions 2.00 × 2.00 … 2.41 3 ≤ 1.10"; !strings.Contains(words, line) {
		t.Errorf("the table has no line %q:\n%s", line, &table)
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	long := got["workloads"].(map[string]any)["long"].(map[string]any)
	if got["stoppable_over_plain"] != 1.0 || got["fuel_over_plain"] != 2.0 || long["plain_over_boxer"] != 2.0 {
		t.Errorf("%s", encoded)
	}
	if is, there := got["boxer_over_python3"]; is != nil || !there || got["missing"].(map[string]any)["boxer_over_python3"] == nil {
		t.Errorf("a figure that was not taken is %v: %s", is, encoded)
	}
}

func TestCPUSectionOfUnevenSamples(t *testing.T) {
	sides := madeUp()
	sides[fuelled].took[1] = []float64{1}
	if _, err := cpuSection(sides[:forms], sides[boxer], sides[forms:]); err == nil {
		t.Error("measurements without a neighbour were paired")
	}
}

func TestProgramsAreFunctions(t *testing.T) {
	if len(programs) < 10 {
		t.Errorf("there are %d programs", len(programs))
	}
	for _, p := range programs {
		if strings.Count(p.text, "def program():") != 1 || !strings.Contains(renamed(p), "def "+p.name+"_program():") {
			t.Errorf("%s defines no program", p.name)
		}
	}
}
