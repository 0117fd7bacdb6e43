package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed says which packages of this module each of them may import, tests included. What is not listed may import none.
// One direction only: cmd → builder, runtime → oci → vfs.
var allowed = map[string][]string{
	"cmd/boxer":           {"bases", "builder", "internal/bench", "internal/bench/rival", "internal/compare", "internal/compiled", "internal/convert", "internal/diskspace", "internal/export", "internal/hint", "internal/intoto", "internal/onefile", "internal/onefile/othertest", "internal/otlp", "internal/progress", "internal/project", "internal/provenance", "internal/registry", "internal/registry/registrytest", "internal/sbom", "internal/signature", "internal/volume", "oci", "runtime", "runtime/capability", "runtime/isolate", "server", "server/servertest", "vfs"},
	"bases":               {"oci"},
	"bases/pack":          {"oci", "runtime", "vfs"},
	"builder":             {"internal/hint", "internal/repeatable", "oci", "runtime/capability", "vfs"},
	"runtime":             {"internal/coreutils", "internal/diskspace", "internal/lockfile", "internal/repeatable", "internal/shell", "internal/wasm", "oci", "runtime/capability", "runtime/memory", "runtime/wasi", "vfs"},
	"runtime/wasi":        {"vfs"},
	"oci":                 {"internal/diskspace", "internal/lockfile", "vfs"},
	"internal/shell":      {"internal/coreutils", "vfs"},
	"internal/progress":   {"builder"},
	"internal/project":    {"builder"},
	"internal/compare":    {"internal/coreutils", "oci", "runtime/capability", "vfs"},
	"internal/convert":    {"builder", "internal/coreutils", "internal/shell"},
	"internal/export":     {"internal/hint", "internal/macho", "oci", "vfs"},
	"internal/bench":      {"internal/bench/plot", "internal/bench/rival", "oci", "runtime", "runtime/isolate", "vfs"},
	"internal/coreutils":  {"vfs"},
	"internal/onefile":    {"internal/wasm", "runtime/memory", "runtime/wasi", "vfs"},
	"internal/registry":   {"internal/hint", "internal/registry/registrytest", "oci", "vfs"},
	"internal/volume":     {"internal/lockfile"},
	"internal/compiled":   {"internal/intoto", "internal/signature", "oci", "runtime", "vfs"},
	"internal/provenance": {"internal/intoto"},
	"internal/signature":  {"internal/intoto", "oci"},
	"server":              {"bases", "internal/otlp", "oci", "runtime", "runtime/isolate", "server/internal/admission", "server/internal/metrics", "server/internal/modules", "server/internal/once", "server/internal/polyagent", "server/internal/reflection", "server/mcp", "server/servertest", "vfs"},
	"server/mcp":          {"runtime"},
	"runtime/isolate":     {"bases", "internal/hint", "oci", "runtime", "runtime/capability", "vfs"},

	"server/internal/modules": {"oci", "vfs"},
}

// external says which packages of others vfs may import; the other packages are free to.
var external = map[string]string{"vfs": "golang.org/x/sys"}

func TestImportRules(t *testing.T) {
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "boxer.dev/")
		for _, path := range p.Imports {
			if inner, ok := strings.CutPrefix(path, "boxer.dev/"); ok && !slices.Contains(allowed[name], inner) {
				t.Errorf("%s imports %s", name, inner)
			}
			root, restricted := external[name]
			if restricted && strings.Contains(path, ".") && !strings.HasPrefix(path, root) && !strings.HasPrefix(path, "boxer.dev/") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	output, err := exec.Command("go", "list", "-json=ImportPath,Imports", "boxer.dev/...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var packages []listedPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listedPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < len(allowed) {
		t.Fatalf("only %d packages listed", len(packages))
	}
	return packages
}
