package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// environment makes the variables of a run from -e and --env-file as docker does: files first, flags over
// them; a bare NAME takes the host's value and is left out where the host has none.
func environment(flags, files []string, lookup func(string) (string, bool)) ([]string, error) {
	var env []string
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading --env-file: %w", err)
		}
		lines, err := envFile(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("reading --env-file %s: %w", name, err)
		}
		env = append(env, lines...)
	}
	env = append(env, flags...)
	granted := env[:0]
	for _, variable := range env {
		name, _, assigned := strings.Cut(variable, "=")
		if name == "" {
			return nil, &usageError{err: fmt.Errorf("invalid environment variable %q: its name is empty", variable)}
		}
		if !assigned {
			value, ok := lookup(name)
			if !ok {
				continue
			}
			variable = name + "=" + value
		}
		granted = append(granted, variable)
	}
	return granted, nil
}

const maxLine = 1 << 20 // bytes; certificates and keys are kept in variables

// envFile reads docker's format: NAME=value or NAME a line, comments begin with #, nothing is unquoted.
func envFile(r io.Reader) ([]string, error) {
	var lines []string
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	for number := 1; scanner.Scan(); number++ {
		line := scanner.Text()
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // some editors begin a file with a byte order mark
		}
		line = strings.TrimLeft(line, " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(line, "=")
		if name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d: %q is no variable name", number, name)
		}
		lines = append(lines, line)
	}
	return lines, scanner.Err()
}
