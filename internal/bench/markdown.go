package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown prints the report as tables for a page.
func (r *Report) WriteMarkdown(w io.Writer) error {
	for _, s := range r.Sections {
		fmt.Fprintf(w, "## %s\n\n%s\n", s.Title, strings.Join(s.How, " "))
		for _, t := range r.tables(s) {
			fmt.Fprintln(w)
			if err := t.markdown(w); err != nil {
				return err
			}
		}
		fmt.Fprintln(w)
	}
	return nil
}

func (t table) markdown(w io.Writer) error {
	if t.title != "" {
		fmt.Fprintf(w, "**%s**\n\n", t.title)
	}
	rows := [][]string{t.header, make([]string, len(t.header))}
	for i := range rows[1] {
		rows[1][i] = "---"
	}
	for _, row := range append(rows, t.rows...) {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | ")); err != nil {
			return err
		}
	}
	return nil
}
