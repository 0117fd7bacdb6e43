package builder

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWheels shows RUN a folder of packages, and looks for what is left of it.
func TestWheels(t *testing.T) {
	folder := t.TempDir()
	wheel := filepath.Join(folder, "a-1-py3-none-any.whl")
	if err := os.WriteFile(wheel, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	build := func(wheels *os.Root) (seen string, env []string, random [8]byte, res *Result) {
		t.Helper()
		run := func(_ context.Context, r RunRequest) (int, error) {
			data, _ := r.FS.ReadFile(WheelsDir + "/a-1-py3-none-any.whl")
			seen, env = string(data), r.Env
			if wheels != nil && r.FS.WriteFile(WheelsDir+"/b", nil, 0o644) == nil {
				t.Error("RUN can write to the folder")
			}
			io.ReadFull(r.Random, random[:])
			return 0, r.FS.WriteFile("/made", nil, 0o644)
		}
		boxfile := mustParse(t, "FROM scratch\nENV PIP_FIND_LINKS=/mine\nRUN pip install a\n")
		res, err := Build(t.Context(), Options{Boxfile: boxfile, Run: run, Wheels: wheels, TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return seen, env, random, res
	}

	seen, env, first, res := build(root)
	if seen != "one" {
		t.Errorf("RUN reads %q", seen)
	}
	for _, want := range []string{"PIP_FIND_LINKS=/mine " + WheelsDir, "PIP_NO_INDEX=1"} {
		if !slices.Contains(env, want) {
			t.Errorf("RUN sees %q, want %s", env, want)
		}
	}
	config, err := res.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"PIP_FIND_LINKS=/mine"}, config.Config.Env); diff != "" {
		t.Errorf("variables of the image (-want +got)\n%s", diff)
	}
	if files := describeResult(t, res)["files"]; strings.Contains(files, "run") || !strings.Contains(files, "made") {
		t.Errorf("files of the image:\n%s", files)
	}

	if _, _, again, _ := build(root); again != first {
		t.Error("equal folders make a difference")
	}
	if seen, env, without, _ := build(nil); seen != "" || without == first || slices.Contains(env, "PIP_NO_INDEX=1") {
		t.Errorf("without a folder: RUN reads %q and sees %q", seen, env)
	}
	if err := os.WriteFile(wheel, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, changed, _ := build(root); changed == first {
		t.Error("a changed package makes no difference to what RUN is keyed by")
	}
}
