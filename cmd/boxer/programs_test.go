package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// buildPrograms compiles each program of testdata/programs to a WASI module, DIR/NAME.wasm, and answers DIR.
func buildPrograms(t *testing.T) string {
	t.Helper()
	sources, err := filepath.Glob("testdata/programs/*/main.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("finding testdata/programs: %v, %d found", err, len(sources))
	}
	dir := t.TempDir()
	for _, source := range sources {
		name := filepath.Base(filepath.Dir(source))
		build := exec.Command("go", "build", "-trimpath", "-buildmode", buildMode(t, source), "-o", filepath.Join(dir, name+".wasm"), source)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("compiling %s: %v\n%s", source, err, output)
		}
	}
	return dir
}

// buildMode is that of a reactor where functions are exported, and else that of a command.
func buildMode(t *testing.T, source string) string {
	t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("//go:wasmexport")) {
		return "c-shared"
	}
	return "default"
}
