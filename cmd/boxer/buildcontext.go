package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"boxer.dev/builder"
)

// openContext opens what a build was pointed at. What is fetched for it is told on standard error.
func (a *app) openContext(ctx context.Context, source string, quiet bool) (*builder.Context, error) {
	tell := func(line string) { fmt.Fprintln(a.stderr, printable(line)) }
	if quiet {
		tell = nil
	}
	return builder.OpenContext(ctx, source, a.stdin, "", tell)
}

// namedContexts are those of --build-context. close lets go of them.
func namedContexts(ctx context.Context, specs []string) (named map[string]builder.NamedContext, close func() error, err error) {
	named = map[string]builder.NamedContext{}
	var closers []func() error
	close = func() error {
		var errs []error
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	for _, spec := range specs {
		name, value, ok := strings.Cut(spec, "=")
		if !ok || name == "" || value == "" {
			return nil, nil, errors.Join(&usageError{err: fmt.Errorf("bad --build-context %q: write NAME=DIRECTORY, NAME=IMAGE or NAME=oci-layout:PATH", spec)}, close())
		}
		if image, ok := imageContext(value); ok {
			named[name] = builder.NamedContext{Image: image}
			continue
		}
		opened, err := builder.OpenContext(ctx, value, nil, "", nil)
		if err == nil && opened.Root == nil {
			err = errors.Join(errors.New("it is a Boxfile, not a context"), opened.Close())
		}
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("--build-context %s: %w", name, err), close())
		}
		closers = append(closers, opened.Close)
		named[name] = builder.NamedContext{Dir: opened.Root}
	}
	return named, close, nil
}

// imageContext tells whether a named context is an image: one written as such, or a name that is no directory.
func imageContext(value string) (string, bool) {
	if image, ok := strings.CutPrefix(value, "docker-image://"); ok {
		return image, true
	}
	if layout, ok := strings.CutPrefix(value, "oci-layout:"); ok {
		return "oci-layout:" + strings.TrimPrefix(layout, "//"), true
	}
	if _, err := os.Stat(value); err == nil || strings.Contains(value, "://") || strings.Contains(value, "@") || strings.HasPrefix(value, ".") || strings.HasPrefix(value, "/") {
		return "", false
	}
	return value, true
}
