package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What all packages of boxer together may allocate before main. Each process pays for it, whatever it was started for.
const (
	maxInitBytes  = 700_000
	maxInitAllocs = 5_000
)

// dear are packages that do much before main, for what boxer can do without (docs/rationale.md).
var dear = []string{
	"connectrpc.com/grpcreflect", "google.golang.org/protobuf/types/descriptorpb", "github.com/prometheus/", "gonum.org/", "github.com/elastic/",
	"github.com/CycloneDX/",
}

// TestStart: packages leave what they need until it is needed. The sums are the same on every machine, however busy.
func TestStart(t *testing.T) {
	output, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	linked := map[string]bool{}
	for path := range strings.Lines(string(output)) {
		linked[strings.TrimSpace(path)] = true
		if slices.ContainsFunc(dear, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			t.Errorf("%s is linked", strings.TrimSpace(path))
		}
	}
	self := exec.Command(os.Args[0], "-test.list=^$")
	self.Env = append(self.Environ(), "GODEBUG=inittrace=1")
	trace, err := self.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, trace)
	}
	var bytes, allocs, packages int
	for line := range strings.Lines(string(trace)) {
		var path string
		var at, took float64
		var b, a int
		_, err := fmt.Sscanf(line, "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &path, &at, &took, &b, &a)
		if err != nil || !linked[path] { // a package of tests
			continue
		}
		bytes, allocs, packages = bytes+b, allocs+a, packages+1
	}
	t.Logf("%d packages allocate %d bytes in %d pieces", packages, bytes, allocs)
	if packages < 50 {
		t.Fatalf("%d packages in the trace:\n%s", packages, trace)
	}
	if bytes > maxInitBytes || allocs > maxInitAllocs {
		t.Errorf("packages allocate %d bytes in %d pieces before main, more than %d in %d:\n%s", bytes, allocs, maxInitBytes, maxInitAllocs, trace)
	}
}
