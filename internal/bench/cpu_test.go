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

// madeUp are times of two programs: the second takes twice as long when it is stoppable, the first half as long, and
// everything is slower by and by.
func madeUp() [][forms]Sample {
	return [][forms]Sample{
		{plain: {10, 20, 40}, stoppable: {5, 10, 20}, fuelled: {20, 40, 80}, native: {5, 5, 5}},
		{plain: {100, 200, 400}, stoppable: {200, 400, 800}, fuelled: {200, 400, 1600}, native: {10, 40, 160}},
	}
}

func TestCPUReport(t *testing.T) {
	r, err := cpuReport([]string{"short", "long"}, madeUp())
	if err != nil {
		t.Fatal(err)
	}
	want := &CPUReport{
		Workloads: []Workload{
			{"short", &Figure{20, 15, 30, 3}, &Figure{0.5, 0.5, 0.5, 3}, &Figure{2, 2, 2, 3}, &Figure{4, 3, 6, 3}},
			{"long", &Figure{200, 150, 300, 3}, &Figure{2, 2, 2, 3}, &Figure{2, 2, 3, 3}, &Figure{5, 3.75, 7.5, 3}},
		},
		Stoppable: &Figure{1, 1, 1, 3},
		Fuel:      &Figure{2, 2, (2 + math.Sqrt(8)) / 2, 3},
		Native:    &Figure{math.Sqrt(20), math.Sqrt(20), math.Sqrt(20), 3},
		Missing:   map[string]string{},
	}
	if diff := cmp.Diff(want, r, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestCPUReportWithoutPython3(t *testing.T) {
	times := madeUp()
	for i := range times {
		times[i][native] = nil
	}
	r, err := cpuReport([]string{"short", "long"}, times)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := r.Write(&table); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(table.String()), " ")
	if line := "geometric mean 1.000 1.000 … 1.000 2.000 2.000 … 2.414 - 3"; !strings.Contains(words, line) {
		t.Errorf("the table has no line %q:\n%s", line, &table)
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	long := got["workloads"].(map[string]any)["long"].(map[string]any)
	if got["stoppable_over_plain"] != 1.0 || got["fuel_over_plain"] != 2.0 || long["stoppable_over_plain"] != 2.0 {
		t.Errorf("%s", encoded)
	}
	if is, there := got["plain_over_python3"]; is != nil || !there || got["missing"].(map[string]any)["plain_over_python3"] == nil {
		t.Errorf("a figure that was not taken is %v: %s", is, encoded)
	}
}

func TestCPUReportOfUnevenSamples(t *testing.T) {
	times := madeUp()
	times[1][fuelled] = Sample{1}
	if _, err := cpuReport([]string{"short", "long"}, times); err == nil {
		t.Error("measurements without a neighbour were paired")
	}
}

func TestCPUProgramsExist(t *testing.T) {
	for _, name := range workloads {
		if !strings.Contains(cpuPrograms, "\ndef "+name+"(") {
			t.Errorf("there is no program %s", name)
		}
	}
}
