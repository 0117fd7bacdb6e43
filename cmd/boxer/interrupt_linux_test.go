package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// An interrupt is the program's, also where there is no terminal.
func TestPythonIsInterrupted(t *testing.T) {
	got, err := signalled(t, "", "try:\n  print('go', flush=True)\n  while True: pass\nexcept KeyboardInterrupt: print('seen')")
	if err != nil || got != "seen\n" {
		t.Errorf("%v\n%s", err, got)
	}
}

// Whoever starts boxer to ignore interrupts, as a shell does in the background of a script, has it ignore them.
func TestPythonIsNotInterruptedInTheBackground(t *testing.T) {
	got, err := signalled(t, `trap "" INT; `, "print('go', flush=True)\nprint(input())")
	if err != nil || got != "on it goes\n" {
		t.Errorf("%v\n%s", err, got)
	}
}

// signalled runs Python code from a shell that does something before, and sends it SIGINT, and then a line, when it has said "go". It
// gives what comes after that.
func signalled(t *testing.T, before, code string) (string, error) {
	command := exec.Command("sh", "-c", before+`exec "$0" run -i python:3.13 -c "$1"`, boxerProgram(t), code)
	command.Env = append(os.Environ(), "BOXER_HOME="+t.TempDir())
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, stdout, "go\n")
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(stdin, "on it goes\n"); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Error(err)
	}
	err = command.Wait()
	return string(rest) + stderr.String(), err
}
