package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"mvdan.cc/sh/v3/syntax"

	"boxer.dev/builder"
	"boxer.dev/oci"
	"boxer.dev/runtime/capability"
)

// failedRun is a build that a command of RUN ended, with what is typed to see it again.
type failedRun struct {
	error
	command string
}

func (e *failedRun) Unwrap() error     { return e.error }
func (e *failedRun) Reproduce() string { return e.command }

// failedName is the name of the box that a command of RUN failed in last. There is one: each takes the name from the one before,
// which is gone then.
const failedName = "localhost/failed-build:latest"

// reproducible keeps the box that a command of RUN failed in, so that the command can be tried in it.
// Whatever is wrong with that, the failure itself is told.
func reproducible(store *oci.Store, err error, secrets buildSecrets) error {
	var failed *builder.RunError
	if !errors.As(err, &failed) || failed.Attempt == nil {
		return err
	}
	id, keepErr := keepAttempt(store, failed.Attempt)
	if keepErr != nil {
		return err
	}
	return &failedRun{err, runLine(id, failed, secrets)}
}

// keepAttempt stores the box that a command failed in. It asks for nothing: the command is to run.
func keepAttempt(store *oci.Store, attempt *builder.Attempt) (id string, err error) {
	img := attempt.Box
	file, err := img.ConfigFile()
	if err != nil {
		return "", err
	}
	file = file.DeepCopy()
	capability.Requests{}.SetLabels(file.Config.Labels)
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return "", err
	}
	root, err := store.Rootfs(img)
	if err != nil {
		return "", err
	}
	defer root.Close()
	digest, err := store.Put(img, failedName)
	return imageID(digest, false), err
}

// longest is how many bytes of a command are worth typing: longer ones are replaced by a shell to type in.
const longest = 2000

// runLine is a command line that runs a failed command in a box, with the mounts and secrets that it had. Where the command is
// too long, or has line ends, it starts a shell. A comment names the mounts that a run cannot have.
func runLine(id string, failed *builder.RunError, secrets buildSecrets) string {
	words := []string{"boxer", "run"}
	var without []string
	for _, variable := range failed.Attempt.Env {
		words = append(words, "-e", shellQuote(variable))
	}
	for _, m := range failed.Attempt.Mounts {
		flags := mountFlags(m, secrets[m.Secret])
		if flags == nil {
			without = append(without, m.Type+" at "+printable(m.Target))
		}
		words = append(words, flags...)
	}
	command := []string{"--entrypoint", shellQuote(failed.Args[0]), id}
	for _, arg := range failed.Args[1:] {
		command = append(command, shellQuote(arg))
	}
	line := strings.Join(append(words, command...), " ")
	if len(line) > longest || strings.ContainsAny(line, "\n\r") {
		line = strings.Join(append(words, "-it --entrypoint sh", id), " ")
	}
	if len(without) > 0 {
		line += " # without " + strings.Join(without, ", ")
	}
	return line
}

// mountFlags grant what a mount did; nil if there is no way. No secret is in them, only where it comes from.
func mountFlags(m builder.AttemptMount, from secret) (flags []string) {
	switch {
	case m.Type == "secret" && m.Variable != "" && from.variable != "":
		flags = append(flags, "-e", shellQuote(m.Variable)+`="$`+from.variable+`"`)
	case m.Type == "secret" && m.Variable != "":
		flags = append(flags, "-e", shellQuote(m.Variable)+`="$(cat `+shellQuote(from.file)+`)"`)
	}
	host := m.Host
	if m.Type == "secret" {
		host = from.file
	}
	if m.Target == "" || host == "" {
		return flags
	}
	if m.Type == "bind" && !m.ReadOnly {
		return nil // what the build drops would be written to the host's files
	}
	if path, err := filepath.Abs(host); err == nil {
		host = path
	}
	spec := host + ":" + m.Target
	if m.ReadOnly {
		spec += ":ro"
	}
	return append(flags, "-v", shellQuote(spec))
}

// shellQuote makes a text one word of a POSIX shell. What cannot be one, a zero byte, is in no command and no variable.
func shellQuote(text string) string {
	quoted, err := syntax.Quote(text, syntax.LangPOSIX)
	if err != nil {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" // control characters and line ends
	}
	return quoted
}
