package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"boxer.dev/internal/bench/plot"
)

//go:embed page.html
var page string

// WriteHTML prints the report as one page with plots that loads nothing: styles and drawings are in it, and there are no scripts.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"comparison":   func(c Comparison) shown { return show(r.comparison(c)) },
		"lines":        func(s *Section) shown { return show(s.lines()) },
		"grid":         func(g Grid) shown { return show(g.table()) },
		"contenders":   func() shown { return show(r.contenders()) },
		"plot":         r.plot,
		"milliseconds": func(us float64) string { return short(us/1e3) + " ms" },
		"long":         func(cell string) bool { return len(cell) > 30 },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

// shown is a table as templates see it.
type shown struct {
	Header []string
	Rows   [][]string
}

func show(t table) shown { return shown{t.header, t.rows} }

// plot draws those of a comparison that have a figure.
func (r *Report) plot(c Comparison) (template.HTML, error) {
	drawing, err := r.drawing(c)
	return template.HTML(drawing), err // the drawing escapes what it was given
}

// drawing is a comparison as SVG; nil if there is nothing to draw.
func (r *Report) drawing(c Comparison) ([]byte, error) {
	var bars []plot.Bar
	for i, e := range c.Entries {
		if e.Figure == nil {
			continue
		}
		f := e.Figure.times(c.Scale)
		name := r.name(e.Who)
		if e.Note != "" && !c.Phases { // the table below has those of phases, which are long
			name += " (" + e.Note + ")"
		}
		bars = append(bars, plot.Bar{
			Name: name, Median: f.Median, Lower: f.Lower, Upper: f.Upper, Label: fmt.Sprintf("%s %s", short(f.Median), c.Unit), Ours: i == 0 || c.Phases || e.Who == "boxer_process",
		})
	}
	if bars == nil {
		return nil, nil
	}
	if c.Phases {
		return plot.Shares(bars, c.Unit)
	}
	return plot.Bars(bars, c.Unit)
}
