package shell

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"boxer.dev/vfs"
)

var update = flag.Bool("update", false, "record the output of the machine's own sh and utilities")

// TestOracle runs every NAME.sh of testdata/oracle/*.txtar in a box and compares its standard output, exit status
// and the files it leaves with NAME.out. Where dash and the GNU utilities are installed they must give the same:
// the expectations are theirs, recorded with -update.
func TestOracle(t *testing.T) {
	archives, err := filepath.Glob("testdata/oracle/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in testdata/oracle: %v", err)
	}
	real := hasGNU()
	if *update && !real {
		t.Fatal("-update needs dash as /bin/sh and the GNU utilities")
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runArchive(t, file, real) })
	}
}

func runArchive(t *testing.T, file string, real bool) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range a.Files {
		want[f.Name] = string(f.Data)
	}
	var recorded []txtar.File
	for _, f := range a.Files {
		name, ok := strings.CutSuffix(f.Name, ".sh")
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			expect := want[name+".out"]
			if real {
				got := runReal(t, string(f.Data))
				if *update {
					expect = got
				}
				if diff := cmp.Diff(expect, got); diff != "" {
					t.Fatalf("the record is not what this machine's tools do (-recorded +real):\n%s", diff)
				}
			}
			recorded = append(recorded, f, txtar.File{Name: name + ".out", Data: []byte(expect)})
			if diff := cmp.Diff(expect, runBox(t, string(f.Data))); diff != "" {
				t.Errorf("(-expected +box):\n%s\nscript:\n%s", diff, f.Data)
			}
		})
	}
	if *update {
		a.Files = recorded
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// hasGNU reports whether the machine's sh and utilities are those that the expectations come from.
func hasGNU() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	out, verr := exec.Command("sort", "--version").Output()
	return err == nil && strings.HasSuffix(sh, "dash") && verr == nil && bytes.Contains(out, []byte("GNU coreutils"))
}

func runReal(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "umask 022\n"+script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C.UTF-8", "TZ=UTC"}
	out, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return report(out, cmd.ProcessState.ExitCode(), describe(t, os.DirFS(dir), func(name string) (string, error) {
		return os.Readlink(filepath.Join(dir, name))
	}))
}

func runBox(t *testing.T, script string) string {
	t.Helper()
	tree := newBox(t)
	var out, errs bytes.Buffer
	status, err := Run(t.Context(), Options{FS: tree, Args: []string{"sh", "-c", script}, Dir: "/work",
		Env:    []string{"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C.UTF-8", "TZ=UTC"},
		Stdout: &out, Stderr: &errs})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if errs.Len() > 0 {
		t.Logf("stderr: %s", errs.String())
	}
	sub, err := fs.Sub(tree.IOFS(), "work")
	if err != nil {
		t.Fatal(err)
	}
	return report(out.Bytes(), status, describe(t, sub, func(name string) (string, error) {
		return tree.Readlink("/work/" + name)
	}))
}

// newBox returns a small root with an empty /work.
func newBox(t testing.TB) *vfs.FS {
	t.Helper()
	tree := vfs.New()
	for _, dir := range []string{"/work", "/tmp", "/etc", "/root"} {
		if err := tree.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
		"/etc/group":  "root:x:0:\nnogroup:x:65534:\n",
	} {
		if err := tree.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Mount("/dev", vfs.Devices(vfs.DeviceSet{}), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	return tree
}

func report(out []byte, status int, tree string) string {
	text := string(out)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n(no newline at the end)\n"
	}
	text = strings.ReplaceAll(text, "\x00", "^@")
	return fmt.Sprintf("%s[status %d]\n%s", strings.ReplaceAll(text, "\n-- ", "\n.-- "), status, tree)
}

// describe lists files with modes, links and contents.
func describe(t *testing.T, fsys fs.FS, readlink func(string) (string, error)) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			fmt.Fprintf(&b, "%s %s/\n", info.Mode(), name)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := readlink(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s -> %s\n", name, target)
		default:
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			if len(data) > 200 {
				data = append(data[:200:200], "..."...)
			}
			fmt.Fprintf(&b, "%s %s %q\n", info.Mode(), name, data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
