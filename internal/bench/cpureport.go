package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// What boxer promises of the multiples.
const (
	stoppableGoal = "≤ 1.05"
	fuelGoal      = "≤ 1.10"
)

// MarshalJSON gives the median over all workloads of each multiple under its name, the spreads under "spread", each workload
// under "workloads", and under "missing" why a figure is null.
func (r *CPUReport) MarshalJSON() ([]byte, error) {
	type spread map[string]*Figure
	medians := func(s spread) map[string]any {
		out := map[string]any{"spread": s}
		for name, figure := range s {
			out[name] = nil
			if figure != nil {
				out[name] = figure.Median
			} else {
				delete(s, name)
			}
		}
		return out
	}
	out := medians(spread{"stoppable_over_plain": r.Stoppable, "fuel_over_plain": r.Fuel, "plain_over_python3": r.Native})
	each := map[string]any{}
	for _, w := range r.Workloads {
		each[w.Name] = medians(spread{
			"plain_us": w.Plain, "stoppable_over_plain": w.Stoppable, "fuel_over_plain": w.Fuel, "plain_over_python3": w.Native,
		})
	}
	out["workloads"], out["missing"] = each, r.Missing
	return json.Marshal(out)
}

// Write prints the report as a table.
func (r *CPUReport) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROGRAM\tMS\tSTOPPABLE\tQUARTILES\tFUEL\tQUARTILES\tOVER PYTHON3\tN")
	for _, l := range r.Workloads {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\n", l.Name, short(l.Plain.Median*1e-3), multiples(l.Stoppable, l.Fuel), median(l.Native), l.Plain.Count)
	}
	fmt.Fprintf(table, "geometric mean\t\t%s\t%s\t%d\n", multiples(r.Stoppable, r.Fuel), median(r.Native), r.Stoppable.Count)
	fmt.Fprintf(table, "promise\t\t%s\t\t%s\t\t\t\n", stoppableGoal, fuelGoal)
	return table.Flush()
}

func multiples(figures ...*Figure) (cells string) {
	for i, f := range figures {
		if i > 0 {
			cells += "\t"
		}
		cells += fmt.Sprintf("%.3f\t%.3f … %.3f", f.Median, f.Lower, f.Upper)
	}
	return cells
}

func median(f *Figure) string {
	if f == nil {
		return "-"
	}
	return short(f.Median)
}
