package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecurityDocument holds docs/security.md against the tests that it names: each is there, and no fuzz target is forgotten.
func TestSecurityDocument(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, match := range regexp.MustCompile("`([a-z/]+\\.(?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1) {
		named = append(named, match[1])
	}
	if len(named) < 100 {
		t.Errorf("it names %d tests only", len(named))
	}
	there := testFunctions(t, root)
	for _, name := range named {
		if !slices.Contains(there, name) {
			t.Errorf("there is no %s", name)
		}
	}
	for _, name := range there {
		if strings.Contains(name, ".Fuzz") && !slices.Contains(named, name) {
			t.Errorf("the document does not name %s", name)
		}
	}
}

// testFunctions are the tests and fuzz targets of all packages, as PACKAGE.NAME.
func testFunctions(t *testing.T, root string) (names []string) {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		for _, match := range function.FindAllStringSubmatch(string(text), -1) {
			names = append(names, filepath.ToSlash(dir)+"."+match[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
