//go:build unix

package bases_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPrune holds that the builds used last stay, and everything that is no build.
func TestPrune(t *testing.T) {
	cache := t.TempDir()
	var want []string
	for age := range 5 {
		build := fmt.Sprintf("%064x", 0xb0+age)
		for _, name := range []string{build + "/python/index.json", build + ".revisions", "build.log", "work/python.wasm"} {
			name = filepath.Join(cache, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		used := time.Now().Add(-time.Duration(age) * time.Hour)
		for _, name := range []string{build, build + ".revisions"} {
			if err := os.Chtimes(filepath.Join(cache, name), used, used); err != nil {
				t.Fatal(err)
			}
		}
		if age < 2 {
			want = append(want, build, build+".revisions")
		}
	}
	want = append(want, "build.log", "work")
	for range 2 { // the second time there is nothing to remove
		if output, err := exec.Command("./prune.sh", cache, "2").CombinedOutput(); err != nil || len(output) > 0 {
			t.Fatalf("%v: %s", err, output)
		}
		entries, err := os.ReadDir(cache)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, entry := range entries {
			got = append(got, entry.Name())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
