package onefile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/runtime/wasi"
	"boxer.dev/vfs"
)

// built compiles programs, by their folder, once for all tests.
var built sync.Map

func program(t testing.TB, dir string) []byte {
	t.Helper()
	build, _ := built.LoadOrStore(dir, sync.OnceValues(func() ([]byte, error) {
		out := filepath.Join(os.TempDir(), "boxer-onefile-test-"+filepath.Base(dir)+".wasm")
		defer os.Remove(out)
		command := exec.Command("go", "build", "-o", out, "./"+dir)
		command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := command.CombinedOutput(); err != nil {
			return nil, errors.New(string(text))
		}
		return os.ReadFile(out)
	}))
	binary, err := build.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// sample is a tree with one of each kind of file, and large ones.
func sample(t testing.TB) *vfs.FS {
	t.Helper()
	f := vfs.New()
	big := bytes.Repeat([]byte("all work and no play "), 9000)
	for i := range big {
		if i%7 == 0 {
			big[i] = byte(i / 7)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.MkdirAll("/packed/deep/er", 0o755))
	check(f.MkdirAll("/d/e", 0o755))
	check(f.Mkdir("/tmp", 0o777|fs.ModeSticky))
	check(f.Mkdir("/dev", 0o755))
	check(f.WriteFile("/packed/big", big, 0o640))
	check(f.WriteFile("/packed/text", []byte("a text\n"), 0o755))
	check(f.WriteFile("/packed/none", nil, 0o600))
	check(f.WriteFile("/packed/deep/er/file", []byte("deep"), 0o644))
	check(f.Link("/packed/text", "/packed/again"))
	check(f.Chown("/packed/text", 12, 34))
	for name, target := range map[string]string{
		"/link": "packed/text", "/abs": "/packed", "/loop": "loop", "/dangling": "nothing", "/d/up": "../packed", "/deeplink": "d/up/deep/er/",
	} {
		check(f.Symlink(target, name))
	}
	return f
}

// module makes one of a program with the sample.
func module(t testing.TB, b Box) []byte {
	t.Helper()
	if b.Tree == nil {
		b.Tree = sample(t)
	}
	if b.Dir == "" {
		b.Dir = "/"
	}
	made, err := Module(&b)
	if errors.Is(err, ErrNotBuilt) {
		t.Fatalf("%v\nhint: %s", err, NotBuiltHint)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// engine is a runtime of preview 1 that knows nothing of boxer.
var engine = sync.OnceValue(func() wazero.Runtime {
	r := wazero.NewRuntime(context.Background())
	wasi_snapshot_preview1.MustInstantiate(context.Background(), r)
	return r
})

// plain runs a module in it.
func plain(t testing.TB, compiled wazero.CompiledModule, config wazero.ModuleConfig) (stdout string, status uint32) {
	t.Helper()
	var out, errs bytes.Buffer
	m, err := engine().InstantiateModule(context.Background(), compiled, config.WithName("").WithStdout(&out).WithStderr(&errs))
	if m != nil {
		defer m.Close(context.Background())
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		status, err = exit.ExitCode(), nil
	}
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v\n%s", err, &errs)
	}
	return out.String(), status
}

func compile(t testing.TB, module []byte) wazero.CompiledModule {
	t.Helper()
	c, err := engine().CompileModule(context.Background(), module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// ours runs programs over vfs, as boxer does.
type ours struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

func newOurs(t testing.TB, binary []byte) *ours {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(ctx) })
	if err := wasi.Instantiate(ctx, r); err != nil {
		t.Fatal(err)
	}
	c, err := r.CompileModule(ctx, binary)
	if err != nil {
		t.Fatal(err)
	}
	return &ours{r, c}
}

func (o *ours) run(t testing.TB, tree *vfs.FS, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	ctx, err := wasi.NewContext(context.Background(), &wasi.Process{FS: tree, Args: args, Stdout: &out, Stderr: &out, Umask: 0o022})
	if err != nil {
		t.Fatal(err)
	}
	m, err := o.runtime.InstantiateModule(ctx, o.compiled, wazero.NewModuleConfig().WithName(""))
	if m != nil {
		m.Close(ctx)
	}
	var exit *sys.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 0) {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String()
}

// TestCalls: whatever system calls a program makes, the library answers what boxer does.
func TestCalls(t *testing.T) {
	binary := program(t, "testdata/calls")
	reference := newOurs(t, binary)
	compiled := compile(t, module(t, Box{Program: binary, Fixed: []string{"calls"}}))
	seeds := []string{"1", "2", "3", "4", "5", "30"}
	if more := os.Getenv("BOXER_TEST_SEEDS"); more != "" {
		seeds = strings.Fields(more)
	}
	for _, seed := range seeds {
		t.Run(seed, func(t *testing.T) {
			tree := sample(t)
			if err := tree.Mount("/dev", vfs.Devices(vfs.DeviceSet{}), vfs.MountOptions{}); err != nil {
				t.Fatal(err)
			}
			want := reference.run(t, tree, "calls", seed)
			got, _ := plain(t, compiled, wazero.NewModuleConfig().WithArgs("module", seed).WithSysWalltime())
			compareLines(t, want, got)
		})
	}
}

// compareLines shows the first difference with the calls before it.
func compareLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(w) < 1000 {
		t.Fatalf("only %d calls were made", len(w))
	}
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			t.Fatalf("call %d: after\n%s\n-boxer +library\n%s", i, strings.Join(w[max(0, i-12):i], "\n"), cmp.Diff(w[i], g[min(i, len(g)-1)]))
		}
	}
}
