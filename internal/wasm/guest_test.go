package wasm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// guest is testdata/guest, compiled by the Go that runs the tests: some megabytes of code.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "wasm-guest-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-o", out, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, errors.New("compiling testdata/guest: " + string(text))
	}
	return os.ReadFile(out)
})

func guestModule(t testing.TB) []byte {
	t.Helper()
	module, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// outcome is what a program shows of itself.
type outcome struct {
	Stdout, Stderr string
	Exit           uint32
}

// runPlain runs a program under the engine's own preview 1, with the host functions of boxer if offer is set.
func runPlain(t *testing.T, module []byte, offer bool) outcome {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled()))
	defer r.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	meterHost(t, r, func() int32 { return 1000 }, func(int64) int64 { return 10_000 })
	if offer {
		b := r.NewHostModuleBuilder("boxer")
		b.NewFunctionBuilder().WithFunc(func(uint32) uint32 { return errnoNosys }).Export("ids_get")
		b.NewFunctionBuilder().WithFunc(func(uint32) uint32 { return 0 }).Export("umask")
		b.NewFunctionBuilder().WithFunc(func(uint32) {}).Export("create_mode")
		b.NewFunctionBuilder().WithFunc(func(uint64, float64) uint64 { return errnoNosys }).Export("wide")
		b.NewFunctionBuilder().WithFunc(func(float32) float64 { return errnoNosys }).Export("ratio")
		if _, err := b.Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	config := wazero.NewModuleConfig().WithArgs("guest", "a", "b").WithEnv("HOME", "/root").
		WithStdout(&stdout).WithStderr(&stderr)
	_, err := r.InstantiateWithConfig(ctx, module, config)
	var exit *sys.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the program did not exit: %v\n%s", err, &stderr)
	}
	return outcome{stdout.String(), stderr.String(), exit.ExitCode()}
}

// compiled keeps machine code between runs of the same module.
var compiled = sync.OnceValue(wazero.NewCompilationCache)

// A program that imports boxer's functions runs where nobody offers them, and does the same as where they are offered
// but answer ENOSYS.
func TestPortableRunsUnderPlainWASI(t *testing.T) {
	module := guestModule(t)
	portable, err := Portable(module)
	if err != nil {
		t.Fatal(err)
	}
	want := runPlain(t, module, true)
	got := runPlain(t, portable, false)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("output differs (-offered +stubbed):\n%s", diff)
	}
	if want.Exit != 3 || len(want.Stdout) < 100 {
		t.Errorf("the program did not get far: %+v", want)
	}
	m, err := Parse(portable)
	if err != nil {
		t.Fatal(err)
	}
	for _, imp := range m.Imports {
		if imp.Module == "boxer" {
			t.Errorf("%s is still imported", imp.Name)
		}
	}
	if again, err := Portable(portable); err != nil || &again[0] != &portable[0] {
		t.Errorf("a module without such imports is not given back as it is: %v", err)
	}
}

// After all function indices have changed, exceptions, goroutines and indirect calls of a large program still work.
func TestRenumberedGuestBehavesTheSame(t *testing.T) {
	module := guestModule(t)
	rewritten, err := renumbered(module)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(runPlain(t, module, true), runPlain(t, rewritten, false)); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkParse(b *testing.B) {
	module := guestModule(b)
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(module); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckCode(b *testing.B) {
	module := guestModule(b)
	m, err := Parse(module)
	if err != nil {
		b.Fatal(err)
	}
	instructions := 0
	for _, body := range m.Bodies {
		for x := body.Expr(); x.Next(); {
			instructions++
		}
	}
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.CheckCode(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(instructions), "ns/instruction")
}

func benchmarkPass(b *testing.B, pass func([]byte) ([]byte, error)) {
	module := guestModule(b)
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pass(module); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPortable(b *testing.B) { benchmarkPass(b, Portable) }
func BenchmarkSkeleton(b *testing.B) { benchmarkPass(b, Skeleton) }
