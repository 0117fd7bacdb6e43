package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// line is a figure by its name in JSON, and as people read it.
type line struct {
	name, what, unit string
	figure           *Figure
	scale            float64 // of the table, against the figure
	goal             string  // what boxer promises; "" for what has no promise
}

func (r *StartReport) lines() []line {
	return []line{
		{"pooled_hello_us", "hello, instance at hand", "µs", r.PooledHello, 1, "≤ 120"},
		{"isolated_hello_us", "hello, in a worker", "µs", r.IsolatedHello, 1, ""},
		{"isolate_added_us", "  more than in this process", "µs", r.IsolateAdded, 1, "≤ 100"},
		{"init_us", "hello, full initialisation", "ms", r.Fresh, 1e-3, ""},
		{"init_over_pooled", "  as a multiple", "×", r.InitOverPooled, 1, "≥ 400"},
		{"process_us", "hello as a process", "ms", r.Process, 1e-3, ""},
		{"python3_us", "the host's python3 -I", "ms", r.Python3, 1e-3, ""},
		{"process_over_python3", "  boxer as a multiple", "×", r.ProcessOverPython3, 1, "≤ 2.5"},
		{"runs_per_second_per_core", "isolated hellos, one core", "/s", r.RunsPerSecond, 1, "≥ 5000"},
		{"private_bytes_per_instance", "private memory, live instance", "KB", r.PrivateBytes, 1e-3, "≤ 700"},
		{"restore_growth", "restoring 200 MB against 20 MB", "×", r.RestoreGrowth, 1, "≤ 1.5"},
		{"live_instances", "live instances, all answering", "", r.LiveInstances, 1, "≥ 1000"},
	}
}

// MarshalJSON gives each figure's median under its name, all spreads under "spread", and under "missing" why a figure is
// null.
func (r *StartReport) MarshalJSON() ([]byte, error) { return marshalLines(r.lines(), r.Missing) }

// Write prints the report as a table.
func (r *StartReport) Write(w io.Writer) error { return writeLines(w, r.lines(), r.Missing) }

func marshalLines(lines []line, missing map[string]string) ([]byte, error) {
	out := map[string]any{"missing": missing}
	spread := map[string]*Figure{}
	for _, l := range lines {
		out[l.name] = nil
		if l.figure != nil {
			out[l.name], spread[l.name] = l.figure.Median, l.figure
		}
	}
	out["spread"] = spread
	return json.Marshal(out)
}

func writeLines(w io.Writer, lines []line, missing map[string]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tMEDIAN\t\tQUARTILES\tN\tPROMISE")
	for _, l := range lines {
		if l.figure == nil {
			fmt.Fprintf(table, "%s\t-\t\t%s\t\t%s\n", l.what, missing[l.name], l.goal)
			continue
		}
		f := l.figure
		fmt.Fprintf(table, "%s\t%s\t%s\t%s … %s\t%d\t%s\n", l.what, short(f.Median*l.scale), l.unit,
			short(f.Lower*l.scale), short(f.Upper*l.scale), f.Count, l.goal)
	}
	return table.Flush()
}

// short gives a number three significant digits.
func short(n float64) string {
	switch {
	case math.Abs(n) >= 100:
		return fmt.Sprintf("%.0f", n)
	case math.Abs(n) >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}
