package main

import (
	"errors"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"boxer.dev/builder"
	"boxer.dev/oci"
)

// failedRun is a build that a command of RUN ended, with what is typed to see it again.
type failedRun struct {
	error
	command string
}

func (e *failedRun) Unwrap() error     { return e.error }
func (e *failedRun) Reproduce() string { return e.command }

// reproducible keeps the box that a command of RUN failed in, without a name, so that the command can be tried in it.
// Whatever is wrong with that, the failure itself is told.
func reproducible(store *oci.Store, err error) error {
	var failed *builder.RunError
	if !errors.As(err, &failed) || failed.Box == nil {
		return err
	}
	root, openErr := store.Rootfs(failed.Box)
	if openErr != nil {
		return err
	}
	defer root.Close()
	id, putErr := store.Put(failed.Box)
	if putErr != nil {
		return err
	}
	return &failedRun{err, runLine(imageID(id, false), failed)}
}

// longest is how many bytes of a command are worth typing: longer ones are replaced by a shell to type in.
const longest = 400

// runLine is a command line that runs a failed command in a box. Where that is too long, or has line ends, it starts a shell.
func runLine(id string, failed *builder.RunError) string {
	words := []string{"boxer", "run"}
	for _, variable := range failed.Env {
		words = append(words, "-e", variable)
	}
	line, ok := quoteWords(append(append(words, "--entrypoint", failed.Args[0], id), failed.Args[1:]...))
	if !ok || len(line) > longest || strings.ContainsAny(line, "\n\r") {
		line, _ = quoteWords([]string{"boxer", "run", "-it", "--entrypoint", "sh", id})
	}
	return line
}

func quoteWords(words []string) (line string, ok bool) {
	quoted := make([]string, len(words))
	for i, word := range words {
		var err error
		if quoted[i], err = syntax.Quote(word, syntax.LangPOSIX); err != nil {
			return "", false
		}
	}
	return strings.Join(quoted, " "), true
}
