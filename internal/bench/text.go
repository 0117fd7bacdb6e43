package bench

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteText prints the report as tables for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "boxer %s, %s: %s\n", r.Version, r.Date.Format("2006-01-02"), r.Machine)
	if r.Noise != nil {
		fmt.Fprintf(w, "a process that does nothing takes %s ms (%s … %s)\n", short(r.Noise.Median/1e3), short(r.Noise.Lower/1e3), short(r.Noise.Upper/1e3))
	}
	if len(r.Contenders) > 0 {
		fmt.Fprintln(w)
		if err := r.contenders().text(w); err != nil {
			return err
		}
	}
	for _, s := range r.Sections {
		if len(r.Sections) > 1 {
			fmt.Fprintf(w, "\n%s\n", strings.ToUpper(s.Title))
		}
		for _, table := range r.tables(s) {
			fmt.Fprintln(w)
			if err := table.text(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// table is a table of a report: a title, which may be empty, names of columns, and rows.
type table struct {
	title  string
	header []string
	rows   [][]string
}

func (t table) text(w io.Writer) error {
	if t.title != "" {
		fmt.Fprintln(w, t.title)
	}
	var aligned bytes.Buffer
	columns := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for i, row := range append([][]string{t.header}, t.rows...) {
		line := strings.Join(row, "\t")
		if i == 0 {
			line = strings.ToUpper(line)
		}
		fmt.Fprintln(columns, line)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// contenders says who is compared, and what each can do.
func (r *Report) contenders() table {
	questions := abilities("")
	t := table{title: "Who is compared", header: []string{"who", "version"}}
	for _, q := range questions {
		t.header = append(t.header, q.what)
	}
	t.header = append(t.header, "first start", "installed")
	for _, c := range r.Contenders {
		row := []string{c.Name, c.Version}
		if c.Missing != "" {
			row[1] = "absent: " + c.Missing
		}
		for _, q := range questions {
			row = append(row, c.Can[q.key])
		}
		first, installed := "", ""
		if c.FirstStart != 0 {
			first = short(c.FirstStart.Seconds()) + " s"
		}
		if c.Installed != 0 {
			installed = short(float64(c.Installed)/1e6) + " MB"
		}
		t.rows = append(t.rows, append(row, first, installed))
	}
	return t
}

// tables are all tables of a section.
func (r *Report) tables(s *Section) (tables []table) {
	if len(s.Lines) > 0 {
		tables = append(tables, s.lines())
	}
	for _, c := range s.Comparisons {
		tables = append(tables, r.comparison(c))
	}
	for _, g := range s.Grids {
		tables = append(tables, g.table())
	}
	return tables
}

func (s *Section) lines() table {
	t := table{header: []string{"what", "median", "", "quartiles", "n", "promise"}}
	for _, l := range s.Lines {
		if l.Figure == nil {
			t.rows = append(t.rows, []string{l.What, "-", "", s.Missing[l.Key], "", l.Goal})
			continue
		}
		f := l.Figure.times(l.Scale)
		t.rows = append(t.rows, []string{l.What, short(f.Median), l.Unit, f.quartiles(), fmt.Sprint(f.Count), l.Goal})
	}
	return t
}

func (r *Report) comparison(c Comparison) table {
	t := table{title: c.What, header: []string{"who", "median", "", "quartiles", "n", "over boxer"}}
	if c.Phases {
		t.header = []string{"phase", "median", "", "quartiles", "n", ""}
	}
	for _, e := range c.Entries {
		name := r.name(e.Who)
		if e.Note != "" {
			name += " (" + e.Note + ")"
		}
		row := []string{name, "-", "", e.Missing, "", ""}
		if e.Figure != nil {
			f := e.Figure.times(c.Scale)
			row = []string{row[0], short(f.Median), c.Unit, f.quartiles(), fmt.Sprint(f.Count), ""}
		}
		if e.Ratio != nil {
			row[5] = e.Ratio.String()
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func (g Grid) table() table {
	t := table{title: g.What, header: []string{""}}
	for _, c := range g.Columns {
		t.header = append(t.header, c.What)
	}
	for _, row := range g.Rows {
		cells := []string{row.Name}
		for i, f := range row.Figures {
			cell := "-"
			if f != nil {
				cell = short(f.times(g.Columns[i].Scale).Median)
			}
			cells = append(cells, cell)
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// times is the figure in another unit; a scale of 0 leaves it as it is.
func (f Figure) times(scale float64) Figure {
	if scale != 0 {
		f.Median, f.Lower, f.Upper = f.Median*scale, f.Lower*scale, f.Upper*scale
	}
	return f
}

func (f Figure) quartiles() string {
	if f.Count < 2 {
		return ""
	}
	return short(f.Lower) + " … " + short(f.Upper)
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
