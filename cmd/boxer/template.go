package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"
)

// functions are those of docker's templates.
var functions = template.FuncMap{
	"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	},
	"join":  strings.Join,
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"split": strings.Split,
}

// escapes are what docker's --format understands outside of {{ }}: shells pass them on as they are.
var escapes = strings.NewReplacer(`\t`, "\t", `\n`, "\n")

// printRows is printEach with docker's "table TEMPLATE", which puts columns between tabs under their heading.
func printRows[T any](w io.Writer, format string, heading T, rows []T) error {
	columns, ok := strings.CutPrefix(format, "table ")
	if !ok {
		return printEach(w, format, rows)
	}
	table := newTable(w)
	if err := printEach(table, columns, append([]T{heading}, rows...)); err != nil {
		return err
	}
	return table.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 3, ' ', 0) }

// printEach prints each value on a line of its own, by a template of docker's --format, or as JSON.
func printEach[T any](w io.Writer, format string, values []T) error {
	if format = escapes.Replace(format); format == "json" {
		format = "{{json .}}"
	}
	parsed, err := template.New("format").Funcs(functions).Parse(format)
	if err != nil {
		return &usageError{err: fmt.Errorf("invalid --format: %w", err)}
	}
	for _, value := range values {
		line, err := execute(parsed, value)
		if err != nil {
			return &usageError{err: fmt.Errorf("invalid --format: %w", err)}
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// execute gives a template a value or, as docker does where that fails, the value as it is shown in JSON: its fields may
// be named as they are printed.
func execute(parsed *template.Template, value any) (string, error) {
	var line bytes.Buffer
	err := parsed.Execute(&line, value)
	if err == nil {
		return line.String(), nil
	}
	var shown map[string]any
	text, encodeErr := json.Marshal(value)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if encodeErr != nil || decoder.Decode(&shown) != nil {
		return "", err
	}
	line.Reset()
	if parsed.Option("missingkey=error").Execute(&line, shown) != nil {
		return "", err
	}
	return line.String(), nil
}
