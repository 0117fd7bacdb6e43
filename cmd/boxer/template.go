package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
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

// printEach prints each value on a line of its own, by a template of docker's --format, or as JSON.
func printEach[T any](w io.Writer, format string, values []T) error {
	if format == "json" {
		format = "{{json .}}"
	}
	parsed, err := template.New("format").Funcs(functions).Parse(format)
	if err != nil {
		return &usageError{err: fmt.Errorf("invalid --format: %w", err)}
	}
	for _, value := range values {
		var line bytes.Buffer
		if err := parsed.Execute(&line, value); err != nil {
			return &usageError{err: fmt.Errorf("invalid --format: %w", err)}
		}
		fmt.Fprintln(w, line.String())
	}
	return nil
}
