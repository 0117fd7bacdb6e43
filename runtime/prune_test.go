package runtime

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrune(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	add := func(name string, size int64, unused time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		file, err := os.Create(path)
		if err == nil {
			err = file.Truncate(size)
			file.Close()
		}
		if err == nil {
			err = os.Chtimes(path, now.Add(-unused), now.Add(-unused))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("new.code", 10, 0)
	add("huge.image", keepBytes-20, day)
	add("too-much.code", 1<<20, 2*day)
	add("small.digest", 5, 29*day)
	add("old.digest", 5, 31*day)
	add("old.entry", 5, 31*day)
	add("old.lock", 0, 100*day)
	add("stranger", 5, 100*day)
	add("busy.tmp", 1, time.Hour)
	add("left.tmp", 1, 2*day)
	if err := os.Mkdir(filepath.Join(dir, "folder.code"), 0o700); err != nil {
		t.Fatal(err)
	}
	left := func(want ...string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if err := prune(dir, now); err != nil {
		t.Fatal(err)
	}
	left("busy.tmp", "folder.code", "huge.image", "new.code", "old.lock", "prune.lock", "small.digest", "stranger")

	add("later.code", 5, 40*day)
	if err := prune(dir, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	left("busy.tmp", "folder.code", "huge.image", "later.code", "new.code", "old.lock", "prune.lock", "small.digest", "stranger")
}

func TestMarkUsed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.code")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		unused time.Duration
		marked bool
	}{{time.Hour, false}, {3 * day, true}} {
		then := time.Now().Add(-test.unused)
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
		markUsed(name)
		info, err := os.Stat(name)
		if err != nil || time.Since(info.ModTime()) < test.unused/2 != test.marked {
			t.Errorf("unused for %v: time %v, %v", test.unused, info.ModTime(), err)
		}
	}
}

// TestCompilingPrunes: who adds to the cache tidies it, and what is fetched counts as used.
func TestCompilingPrunes(t *testing.T) {
	dir := t.TempDir()
	needCompiler(t)
	run := func() { loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 1) }
	run()
	if _, err := os.Stat(filepath.Join(dir, pruneLock)); err != nil {
		t.Error(err)
	}
	then := time.Now().Add(-5 * day)
	codes, err := filepath.Glob(filepath.Join(dir, "*.code"))
	if err != nil || len(codes) == 0 {
		t.Fatalf("%q, %v", codes, err)
	}
	for _, name := range codes {
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
	}
	run()
	for _, name := range codes {
		if info, err := os.Stat(name); err != nil || time.Since(info.ModTime()) > day {
			t.Errorf("%s: %v", name, err)
		}
	}
}
