// Package othertest runs modules under other people's runtimes, for tests.
package othertest

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Runtimes are those that [Command] knows.
var Runtimes = []string{"node", "wasmtime"}

// wasmtime is where install.sh puts it, relative to the user's cache.
const wasmtime = "boxer/tools/wasmtime-50.0.1"

var (
	//go:embed node.mjs
	nodeDriver []byte
	//go:embed run_wasmtime.py
	wasmtimeDriver []byte
)

// Command gives the words of a command that runs a module; "--env NAME=VALUE", "--dir HOST::GUEST", the module's file and its
// arguments are to follow. A runtime that is not there is a failure.
func Command(t testing.TB, runtime string) []string {
	t.Helper()
	if runtime == "node" {
		node := lookup(t, "node")
		// V8's fast calls from WebAssembly into node's WASI corrupt the heap of JavaScript: nodejs/node#53087, seen in one of twenty
		// runs of Python with node 20.20.2, and in none of 400 without such calls.
		return []string{node, "--no-warnings", "--no-turbo-fast-api-calls", driver(t, "node.mjs", nodeDriver)}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(cache, wasmtime)
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("wasmtime is missing: %v\nhint: make tools", err)
	}
	return []string{lookup(t, "env"), "PYTHONPATH=" + library, lookup(t, "python3"), driver(t, "run_wasmtime.py", wasmtimeDriver)}
}

func lookup(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v\nhint: make tools", err)
	}
	return path
}

func driver(t testing.TB, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
