package bench

import (
	"context"
	"encoding/json"
)

// Part measures one side of boxer.
type Part interface {
	// Run takes all figures. One that cannot be taken here is no error: the section names it and says why it is missing.
	Run(ctx context.Context) (*Section, error)
}

// Section is what one part found out.
type Section struct {
	Name        string   // the word after `boxer bench`
	Title       string   // of the section in reports
	How         []string // how it was measured, in sentences: warm-up, caches, what stands beside what
	Lines       []Line   // boxer's own figures
	Comparisons []Comparison
	Grids       []Grid
	Missing     map[string]string // by the key of a line: why it has no figure
}

// Line is one of boxer's own figures.
type Line struct {
	Key    string // in JSON, with its unit: "process_us"
	What   string // as people read it; indented by two spaces if it belongs to the line above
	Unit   string // of the table
	Figure *Figure
	Scale  float64 // what figures are multiplied by for the table; 0: 1
	Goal   string  // what boxer promises; "" for what has no promise
}

// Comparison is one figure of several contenders.
type Comparison struct {
	Key, What, Unit string
	Scale           float64 // as of a line
	Entries         []Entry
	Phases          bool // entries are no contenders but what boxer does in turn
}

// Entry is what one contender reached.
type Entry struct {
	Who     string // a contender's key
	Figure  *Figure
	Ratio   *Ratio // how many times boxer's; nil for boxer itself, and where there are no pairs
	Note    string // what else is to be said
	Missing string // why there is no figure
}

// Grid is a table of many things, each measured in several ways.
type Grid struct {
	Key, What string
	Columns   []Column
	Rows      []Row
}

// Column is what figures of a grid are of.
type Column struct {
	Key, What string
	Scale     float64 // as of a line
}

// Row has a figure, or nil, for each column.
type Row struct {
	Name    string
	Figures []*Figure
}

// add appends a line.
func (s *Section) add(l Line) { s.Lines = append(s.Lines, l) }

// lacks appends a line without a figure.
func (s *Section) lacks(l Line, why string) {
	if s.Missing == nil {
		s.Missing = map[string]string{}
	}
	s.Missing[l.Key] = why
	s.add(l)
}

// MarshalJSON gives each line's median under its key, all spreads under "spread", and under "missing" why a figure is null.
// Comparisons are objects by contender, grids objects of objects.
func (s *Section) MarshalJSON() ([]byte, error) { return json.Marshal(s.fields()) }

func (s *Section) fields() map[string]any {
	missing := s.Missing
	if missing == nil {
		missing = map[string]string{}
	}
	spread := map[string]*Figure{}
	out := map[string]any{"missing": missing, "spread": spread, "how": s.How}
	for _, l := range s.Lines {
		setMedian(out, spread, l.Key, l.Figure)
	}
	for _, c := range s.Comparisons {
		entries := map[string]any{"unit": c.Unit}
		for _, e := range c.Entries {
			entries[e.Who] = e.fields()
		}
		out[c.Key] = entries
	}
	for _, g := range s.Grids {
		rows := map[string]any{}
		for _, r := range g.Rows {
			rows[r.Name] = g.fields(r)
		}
		out[g.Key] = rows
	}
	return out
}

func setMedian(out map[string]any, spread map[string]*Figure, key string, f *Figure) {
	out[key] = nil
	if f != nil {
		out[key], spread[key] = f.Median, f
	}
}

func (e Entry) fields() map[string]any {
	if e.Figure == nil {
		return map[string]any{"median": nil, "missing": e.Missing}
	}
	out := map[string]any{"median": e.Figure.Median, "q1": e.Figure.Lower, "q3": e.Figure.Upper, "n": e.Figure.Count}
	if e.Ratio != nil {
		out["over_boxer"] = e.Ratio
	}
	if e.Note != "" {
		out["note"] = e.Note
	}
	return out
}

func (g Grid) fields(r Row) map[string]any {
	spread := map[string]*Figure{}
	out := map[string]any{"spread": spread}
	for i, c := range g.Columns {
		setMedian(out, spread, c.Key, r.Figures[i])
	}
	return out
}
