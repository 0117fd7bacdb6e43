package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"boxer.dev/builder"
)

// check prints what could be better about a Boxfile, as `docker build --check` does, and fails if there is anything.
func (a *app) check(ctx context.Context, options builder.Options) error {
	warnings, asErrors, err := builder.Check(ctx, options)
	if err != nil {
		return err
	}
	switch len(warnings) {
	case 0:
		fmt.Fprintln(a.stdout, "Check complete, no warnings found.")
		return nil
	case 1:
		fmt.Fprintln(a.stdout, "Check complete, 1 warning has been found!")
	default:
		fmt.Fprintf(a.stdout, "Check complete, %d warnings have been found!\n", len(warnings))
	}
	for _, w := range warnings {
		printWarning(a.stdout, options.Boxfile, w)
	}
	if asErrors {
		return withHint(fmt.Errorf("%s: warnings are errors (check=error=true)", options.Boxfile.Name), "# check=skip=RULE in its first line switches a rule off")
	}
	return &reportedError{err: fmt.Errorf("%d warnings", len(warnings)), status: 1}
}

func printWarning(w io.Writer, boxfile *builder.Boxfile, warning builder.Warning) {
	title := warning.Rule
	if warning.URL != "" {
		title += " - " + warning.URL
	}
	if title != "" {
		fmt.Fprintf(w, "\nWARNING: %s\n", title)
	} else {
		fmt.Fprintf(w, "\nWARNING:\n")
	}
	if warning.Description != "" && warning.Description != warning.Text {
		fmt.Fprintf(w, "%s.\n", strings.TrimSuffix(warning.Description, "."))
	}
	fmt.Fprintln(w, printable(warning.Text))
	if warning.Line == 0 {
		return
	}
	fmt.Fprintf(w, "%s:%d\n--------------------\n", printable(boxfile.Name), warning.Line)
	first, last := max(warning.Line-2, 1), warning.Line+2
	for n := first; n <= last; n++ {
		text, ok := boxfile.Line(n)
		if !ok {
			break
		}
		mark := "   "
		if n == warning.Line {
			mark = ">>>"
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%4d | %s %s", n, mark, text), " "))
	}
	fmt.Fprintln(w, "--------------------")
}
