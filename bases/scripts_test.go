//go:build unix

package bases_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestAptEntries holds that a machine's mirrors are found in both formats of sources.list(5).
func TestAptEntries(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/apt.txtar")
	if err != nil {
		t.Fatal(err)
	}
	etc := t.TempDir()
	var want string
	for _, file := range archive.Files {
		if file.Name == "want" {
			want = string(file.Data)
			continue
		}
		name := filepath.Join(etc, file.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shell := exec.Command("sh", "-euc", ". ./apt.sh; apt_entries")
	shell.Env = append(os.Environ(), "APT_HOME="+etc, "APT_ETC="+etc)
	shell.Stderr = os.Stderr
	got, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestOtherSource holds that what is no source tree of Python is refused before anything is fetched or built.
func TestOtherSource(t *testing.T) {
	for _, source := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		build := exec.Command("./build.sh")
		build.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "PYTHON_SRC="+source)
		out, err := build.CombinedOutput()
		if want := "PYTHON_SRC=" + source + " is no source tree of Python\n"; err == nil || !strings.HasSuffix(string(out), want) {
			t.Errorf("%v, %q", err, out)
		}
	}
}
