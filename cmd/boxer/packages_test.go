package main

import (
	"os/exec"
	"testing"

	"boxer.dev/bases"
)

// TestPackagesScript runs the command lines that need packages of other people, in $WHEELS. This machine's pip fetches them, held
// to their checksums.
func TestPackagesScript(t *testing.T) {
	if _, err := bases.Layout(bases.Python); err != nil {
		t.Fatalf("%v\nhint: make base", err)
	}
	wheels := t.TempDir()
	download := exec.Command("python3", "-m", "pip", "download", "--quiet", "--dest", wheels, "--no-deps", "--require-hashes",
		"--only-binary=:all:", "--platform=any", "--python-version=3.13", "--requirement=testdata/packages/requirements.lock")
	if out, err := download.CombinedOutput(); err != nil {
		t.Fatalf("fetching packages: %v\n%s\nhint: this test needs python3 with pip, and a package index that it can reach", err, out)
	}
	runScripts(t, "testdata/packages", "WHEELS="+wheels)
}
