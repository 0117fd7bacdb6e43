package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown prints the report as tables for a page.
func (r *Report) WriteMarkdown(w io.Writer) error {
	r.writeMachine(w)
	if len(r.Contenders) > 0 {
		fmt.Fprintln(w)
		if err := r.contenders().markdown(w); err != nil {
			return err
		}
	}
	for _, s := range r.Sections {
		fmt.Fprintf(w, "\n## %s\n\n", s.Title)
		if err := r.writeSection(w, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) writeSection(w io.Writer, s *Section) error {
	fmt.Fprintf(w, "%s\n", strings.Join(s.How, " "))
	for _, t := range r.tables(s) {
		fmt.Fprintln(w)
		if err := t.markdown(w); err != nil {
			return err
		}
	}
	return nil
}

// markdown prints a table as GitHub reads it.
func (t table) markdown(w io.Writer) error {
	if t.title != "" {
		fmt.Fprintf(w, "**%s**\n\n", t.title)
	}
	rows := [][]string{t.header, make([]string, len(t.header))}
	for i := range rows[1] {
		rows[1][i] = "---"
	}
	for _, row := range append(rows, t.rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")); err != nil {
			return err
		}
	}
	return nil
}
