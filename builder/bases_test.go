package builder

import (
	"strings"
	"testing"
)

func TestSubstitute(t *testing.T) {
	const python = "3.13.5"
	tests := []struct {
		ref, base string // base empty: not substituted
		err       string
	}{
		{ref: "python", base: PythonBase},
		{ref: "python:latest", base: PythonBase},
		{ref: "python:3", base: PythonBase},
		{ref: "python:3.13", base: PythonBase},
		{ref: "python:3.13.5", base: PythonBase},
		{ref: "python:slim", base: PythonBase},
		{ref: "python:alpine", base: PythonBase},
		{ref: "python:bookworm", base: PythonBase},
		{ref: "python:3-slim", base: PythonBase},
		{ref: "python:3.13-slim", base: PythonBase},
		{ref: "python:3.13-alpine", base: PythonBase},
		{ref: "python:3.13-alpine3.20", base: PythonBase},
		{ref: "python:3.13.5-slim-bookworm", base: PythonBase},
		{ref: "python:3.13-trixie", base: PythonBase},
		{ref: "python:latest-slim", base: PythonBase},

		{ref: "python:2", err: "no Python of that version"},
		{ref: "python:3.1", err: "no Python of that version"},
		{ref: "python:3.12", err: "no Python of that version"},
		{ref: "python:3.12-slim", err: "no Python of that version"},
		{ref: "python:3.13.4", err: "no Python of that version"},
		{ref: "python:3.13.5.1", err: "no Python of that version"},
		{ref: "python:3.14.0b1", err: "no Python of that version"},
		{ref: "python:3.13-windowsservercore", err: "no such variant"},
		{ref: "python:3.13-", err: "no such variant"},
		{ref: "python:nonsense", err: "no such variant"},

		{ref: "ubuntu", base: RootBase},
		{ref: "ubuntu:latest", base: RootBase},
		{ref: "ubuntu:24.04", base: RootBase},
		{ref: "debian:bookworm-slim", base: RootBase},
		{ref: "alpine:3.20", base: RootBase},
		{ref: "busybox", base: RootBase},

		{ref: "docker.io/library/ubuntu"},
		{ref: "docker.io/library/python:3.13"},
		{ref: "library/python"},
		{ref: "localhost:5000/python"},
		{ref: "python@sha256:" + strings.Repeat("0", 64)},
		{ref: "pythonista"},
		{ref: "myapp:python"},
		{ref: "scratch"},
		{ref: ""},
	}
	for _, test := range tests {
		t.Run(test.ref, func(t *testing.T) {
			sub, ok, err := Substitute(test.ref, python)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || !ok {
					t.Fatalf("got %+v, %v, %v; want error %q", sub, ok, err, test.err)
				}
				if hint := hintOf(err); !strings.Contains(hint, "python:3.13.5") || !strings.Contains(hint, "python:3.13,") {
					t.Errorf("hint %q does not name the supported tags", hint)
				}
				return
			}
			if err != nil || ok != (test.base != "") || sub.Base != test.base {
				t.Fatalf("got %+v, %v, %v; want base %q", sub, ok, err, test.base)
			}
			if ok && (!strings.Contains(sub.Note, test.ref) || strings.Contains(sub.Note, "\n")) {
				t.Errorf("note %q: want one line that names the base", sub.Note)
			}
		})
	}
}

func TestSubstituteTakesTheVersionFromTheBase(t *testing.T) {
	if _, _, err := Substitute("python:3.14", "3.14.2"); err != nil {
		t.Errorf("python:3.14 with a base of 3.14.2: %v", err)
	}
	if _, _, err := Substitute("python:3.13", "3.14.2"); err == nil {
		t.Error("python:3.13 with a base of 3.14.2: no error")
	}
}
