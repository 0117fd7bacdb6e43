package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A context's digest follows from what a build can see of it, and from nothing else.
func TestContextDigest(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	digest := func() string {
		t.Helper()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		d, err := ContextDigest(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	write("a/b", "text", 0o644)
	write(".boxignore", "ignored\n", 0o644)
	first := digest()
	write("ignored", "anything", 0o644)
	if err := os.Chtimes(filepath.Join(dir, "a/b"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if digest() != first {
		t.Error("times and ignored files count")
	}
	for name, change := range map[string]func(){
		"contents": func() { write("a/b", "text!", 0o644) },
		"a name":   func() { write("a/c", "", 0o644) },
		"the mode": func() { _ = os.Chmod(filepath.Join(dir, "a/b"), 0o755) },
		"a link":   func() { _ = os.Symlink("b", filepath.Join(dir, "a/l")) },
		"a folder": func() { _ = os.Mkdir(filepath.Join(dir, "d"), 0o755) },
	} {
		before := digest()
		if change(); digest() == before {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestBoxfileDigest(t *testing.T) {
	parse := func(text string) string {
		t.Helper()
		b, err := Parse("Boxfile", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return b.Digest().String()
	}
	// printf 'FROM root\n' | sha256sum
	if got := parse("FROM root\n"); got != "sha256:220cbb9061ae1039c4a0cbc62c47319b88517896515687261e9746b02c47b210" {
		t.Error(got)
	}
	if parse("FROM root\n") == parse("FROM root") {
		t.Error("a line end makes no difference")
	}
}
