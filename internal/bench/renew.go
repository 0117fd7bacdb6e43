package bench

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Renew puts what the report measured into a page in Markdown, between lines like
//
//	<!-- bench start -->
//	<!-- bench end -->
//
// where start is the name of a section, or summary or machine or contenders. What stands around them stays, and so do parts that were not measured.
func (r *Report) Renew(page string) (string, error) {
	var out strings.Builder
	rest := page
	for {
		before, after, found := strings.Cut(rest, opening)
		if !found {
			return out.String() + rest, nil
		}
		name, after, ok := strings.Cut(after, " -->\n")
		old, next, closed := strings.Cut(after, closing)
		if !ok || !closed || strings.Contains(old, opening) {
			return "", fmt.Errorf("%s%s … is not closed by %s", opening, name, closing)
		}
		text, err := r.part(name)
		if err != nil {
			return "", err
		}
		if text == "" {
			text = old
		}
		fmt.Fprintf(&out, "%s%s%s -->\n%s%s", before, opening, name, text, closing)
		rest = next
	}
}

const (
	opening = "<!-- bench "
	closing = "<!-- bench end -->"
)

// part is the generated text of a name, "" if that was not measured.
func (r *Report) part(name string) (string, error) {
	var text bytes.Buffer
	switch name {
	case "summary":
		return r.summary()
	case "machine":
		r.writeMachine(&text)
	case "contenders":
		err := r.contenders().markdown(&text)
		return text.String(), err
	}
	for _, s := range r.Sections {
		if s.Name == name {
			err := r.writeSection(&text, s)
			return text.String(), err
		}
	}
	return text.String(), nil
}

func (r *Report) writeMachine(w io.Writer) {
	fmt.Fprintf(w, "Measured on %s by boxer %s: %s.", r.Date.Format("2006-01-02"), r.Version, r.Machine)
	fmt.Fprintf(w, " The load average was %.1f before the first measurement.", r.Machine.Load)
	if r.Noise != nil {
		f := r.Noise.times(1e-3)
		fmt.Fprintf(w, " A process that does nothing takes %s ms here (quartiles %s).", short(f.Median), f.quartiles())
	}
	if r.Quick {
		fmt.Fprint(w, " Few measurements were taken (`--quick`).")
	}
	fmt.Fprintln(w)
}

// summaryOf are the comparisons that a summary has a column for.
var summaryOf = []string{"compressed", "first_output", "fresh", "memory_per_idle_instance", "programs_over_boxer"}

// summary is a row for each contender; "" where not all of it was measured.
func (r *Report) summary() (string, error) {
	var columns []Comparison
	for _, key := range summaryOf {
		for _, s := range r.Sections {
			for _, c := range s.Comparisons {
				if c.Key == key {
					columns = append(columns, c)
				}
			}
		}
	}
	if len(columns) < len(summaryOf) {
		return "", nil
	}
	t := table{header: []string{"", "app, compressed", "process, first output", "fresh sandbox, warm", "idle instance", "programs, boxer = 1"}}
	for _, contender := range r.Contenders {
		if contender.Missing != "" {
			continue
		}
		row := []string{contender.Name}
		for _, c := range columns {
			row = append(row, c.cell(contender.Key))
		}
		t.rows = append(t.rows, row)
	}
	var text bytes.Buffer
	r.writeMachine(&text)
	fmt.Fprintln(&text)
	err := t.markdown(&text)
	return text.String(), err
}

// cell is what a contender reached, "" if it has nothing of the kind. All that runs containers has the same images.
func (c Comparison) cell(key string) string {
	for _, e := range c.Entries {
		same := e.Who == key || e.Who == "container" && (key == "docker" || key == "podman" || key == "runc")
		if same && e.Figure != nil {
			return short(e.Figure.times(c.Scale).Median) + " " + c.Unit
		}
	}
	return ""
}

// Plot draws the first of the report's comparisons that has the key, as SVG; nil if it was not measured.
func (r *Report) Plot(key string) ([]byte, error) {
	for _, s := range r.Sections {
		for _, c := range s.Comparisons {
			if c.Key == key {
				return r.drawing(c)
			}
		}
	}
	return nil, nil
}
