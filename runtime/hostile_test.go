package runtime

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
)

// Instructions of programs that are made to keep their host busy.
var (
	tells   = []byte{0x41, 1, 0x41, 0, 0x41, 1, 0x41, 8, 0x10, 0, 0x1a} // fd_write(1, 0, 1, 8); drop
	forever = []byte{0x03, 0x40, 0x0c, 0, 0x0b}                         // loop br 0 end
)

// bodyOf is a function that declares locals, each group a count and a type.
func bodyOf(locals [][]byte, code ...[]byte) []byte {
	all := slices.Concat(vector(locals...), slices.Concat(code...), []byte{0x0b})
	return append(binary.AppendUvarint(nil, uint64(len(all))), all...)
}

// telling is a program that can write "x" to its standard output: function 0 is fd_write, 1 is _start; the first types are
// theirs.
func telling(types [][]byte, typeOf []byte, bodies ...[]byte) sections {
	functions := [][]byte{{0}}
	for _, t := range typeOf {
		functions = append(functions, []byte{t})
	}
	return sections{
		wasm.SectionType:     vector(append([][]byte{typeVoid, {0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f}}, types...)...),
		wasm.SectionImport:   vector(slices.Concat(text("wasi_snapshot_preview1"), text("fd_write"), []byte{0, 1})),
		wasm.SectionFunction: vector(functions...),
		wasm.SectionMemory:   vector([]byte{0, 1}),
		wasm.SectionExport:   vector(exportFunc("_start", 1)),
		wasm.SectionCode:     vector(bodies...),
		wasm.SectionData:     vector(append([]byte{0, 0x41, 0, 0x0b}, text("\x10\x00\x00\x00\x01\x00\x00\x00........x")...)),
	}
}

// descending calls itself that often, each time with this many values to be kept meanwhile, and then does something.
func descending(times, values int, then ...byte) []byte {
	var keep, use []byte
	for i := range values {
		local := binary.AppendUvarint(nil, uint64(i+1))
		keep = slices.Concat(keep, []byte{0x20, 0, 0x41}, constant(i), []byte{0x6a, 0x21}, local) // local i+1 = local 0 + i
		use = slices.Concat(use, []byte{0x20}, local, []byte{0x6a})
	}
	return telling([][]byte{typeTake}, []byte{2},
		bodyOf(nil, []byte{0x41}, constant(times), []byte{0x10, 2}),
		bodyOf([][]byte{append(binary.AppendUvarint(nil, uint64(values)), 0x7f)},
			[]byte{0x20, 0, 0x45, 0x04, 0x40}, then, []byte{0x0b}, keep,
			[]byte{0x20, 0, 0x41, 1, 0x6b, 0x10, 2, 0x41, 4, 0x41, 0}, use, []byte{0x36, 2, 0}), // i32.store at 4: the sum
	).module()
}

// constant encodes the operand of i32.const.
func constant(n int) []byte {
	var encoded []byte
	for ; n >= 0x40; n >>= 7 {
		encoded = append(encoded, byte(n)|0x80)
	}
	return append(encoded, byte(n))
}

// returning calls itself that often, tells it where that ends, and does something each time that a call returns, on its argument.
func returning(times int, then ...byte) sections {
	return telling([][]byte{typeTake}, []byte{2},
		bodyOf(nil, []byte{0x41}, constant(times), []byte{0x10, 2}),
		bodyOf(nil, []byte{0x20, 0, 0x45, 0x04, 0x40}, tells, []byte{0x05, 0x20, 0, 0x41, 1, 0x6b, 0x10, 2, 0x0b}, then))
}

// misses waits for memory, without a loop or a call: its argument becomes a + b * that + what is at that, modulo 256 MiB.
var misses = slices.Concat([]byte{0x20, 0, 0x41}, constant(1664525), []byte{0x6c, 0x41}, constant(1013904223),
	[]byte{0x6a, 0x22, 0, 0x41}, constant(256<<20-4), []byte{0x71, 0x28, 2, 0, 0x20, 0, 0x6a, 0x21, 0})

// busy are programs that do not end, or not for long, once they have told that they are where they want to be.
func busy() map[string][]byte {
	stay := slices.Concat(tells, forever)
	return map[string][]byte{
		"flat":                descending(0, 0, stay...),
		"a million calls":     descending(1_000_000, 0, stay...),
		"calls that keep 500": descending(15_000, 500, stay...),
	}
}

// obstinate is a program that takes very long to come by where it could be stopped, in its function 1: ten seconds and more.
func obstinate() sections {
	s := returning(300_000, bytes.Repeat(misses, 1200)...)
	s[wasm.SectionMemory] = vector(append([]byte{0}, constant(4096)...))
	s[wasm.SectionExport] = vector(exportFunc("_start", 1), exportFunc(exportInitialize, 1), exportFunc(exportOpen, 1))
	return s
}

// obstinateStart is one that does so before it has begun.
func obstinateStart() sections {
	s := obstinate()
	s[wasm.SectionStart] = []byte{1}
	return s
}

// obstinateFork is one that does so in forks of its sessions only.
func obstinateFork() sections {
	s := obstinate()
	s[wasm.SectionFunction] = vector([]byte{0}, []byte{2}, []byte{0})
	s[wasm.SectionCode][0]++
	s[wasm.SectionCode] = append(s[wasm.SectionCode], bodyOf(nil)...)
	s[wasm.SectionExport] = vector(exportFunc("_start", 3), exportFunc(exportOpen, 3), exportFunc(exportForked, 1))
	return s
}

// forked begins a session and a fork of it.
func forked(b *Box, ctx context.Context, c *Cmd) error {
	s, err := b.Session(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	f, err := s.Fork(ctx)
	if err == nil {
		err = f.Close()
	}
	return err
}

// Where programs are deep in their calls they are stopped like others, and a garbage collection does not wait for them.
func TestDeepProgramsAreStopped(t *testing.T) {
	for name, module := range busy() {
		t.Run(name, func(t *testing.T) { testIsStopped(t, module, (*Box).Run) })
	}
}

// Programs that do not come by a place where they would be stopped are stopped where they are.
func TestObstinateProgramsAreStopped(t *testing.T) {
	if engineVersion() == upstream(engineVersion()) {
		t.Skip("boxer is built without the patches of internal/wazero")
	}
	if goruntime.GOOS != "linux" {
		t.Skip("machine code can be interrupted on Linux only")
	}
	for name, c := range map[string]struct {
		module sections
		run    func(*Box, context.Context, *Cmd) error
	}{
		"in a run":              {obstinate(), (*Box).Run},
		"when they begin":       {obstinateStart(), (*Box).Run},
		"when captured":         {obstinate(), func(b *Box, ctx context.Context, c *Cmd) error { _, err := b.Capture(ctx, c, io.Discard); return err }},
		"when a session begins": {obstinate(), func(b *Box, ctx context.Context, c *Cmd) error { _, err := b.Session(ctx, c); return err }},
		"when a session forks":  {obstinateFork(), forked},
	} {
		t.Run(name, func(t *testing.T) { testIsStopped(t, c.module.module(), c.run) })
	}
}

func testIsStopped(t *testing.T, module []byte, run func(*Box, context.Context, *Cmd) error) {
	files := map[string]string{"/p": string(module)}
	b, counts := newBox(t, files, v1.Config{}), newBoxOf(t, counting, files, v1.Config{})
	for _, c := range []struct {
		*Box
		Cmd
	}{{b, Cmd{}}, {counts, Cmd{}}, {b, Cmd{CountFuel: true}}} {
		told := newTrigger("x")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		c.Args, c.Stdout = []string{"/p"}, told
		go func() { done <- run(c.Box, ctx, &c.Cmd) }()
		select {
		case <-told.pulled:
		case err := <-done:
			t.Fatalf("it did not get there: %v", err)
		}
		goruntime.GC()
		cancel()
		if err := <-done; ResultOf(err).Outcome != OutcomeKilled {
			t.Error(err)
		}
	}
}

// What is on the call stack is there after the stack has been moved, whatever size it had and arguments with it.
func TestDeepCallsKeepTheirValues(t *testing.T) {
	const params = 24 // some of which are on the stack
	var rotated []byte
	for i := range params {
		rotated = append(rotated, 0x20, byte(1+(i+1)%params))
	}
	// f(n, a…) = n == 0 ? a₀ : f(n-1, a₁…, a₀) + n, in 64 bits
	f := bodyOf(nil, []byte{0x20, 0, 0x50, 0x04, 0x7e, 0x20, 1, 0x05, 0x20, 0, 0x42, 1, 0x7d}, rotated, []byte{0x10, 2, 0x20, 0, 0x7c, 0x0b})
	arguments := func(n int) (code []byte) {
		code = append([]byte{0x42}, constant(n)...)
		for i := range params {
			code = append(code, 0x42, byte(i))
		}
		return code
	}
	typ := append([]byte{0x60, params + 1}, bytes.Repeat([]byte{0x7e}, params+1)...)
	for _, n := range []int{1, 20, 100, 1000, 3000, 10_000, 100_000, 200_000} {
		want := constant(n*(n+1)/2 + n%params)
		start := bodyOf(nil, arguments(n), []byte{0x10, 2, 0x42}, want, []byte{0x52, 0x04, 0x40, 0x00, 0x0b}) // unreachable if it is not
		b := newBox(t, map[string]string{"/p": string(telling([][]byte{append(typ, 1, 0x7e)}, []byte{2}, start, f).module())}, v1.Config{})
		for _, c := range []Cmd{{}, {CountFuel: true}} {
			c.Args = []string{"/p"}
			if _, err := run(t, b, c); err != nil {
				t.Errorf("%d calls: %v", n, err)
			}
		}
	}
}

// A program may have as many functions and exports as its file has room for, and names as long: to tell where it trapped takes
// no account of them.
func TestTrapAmongManyFunctions(t *testing.T) {
	if engineVersion() == upstream(engineVersion()) {
		t.Skip("boxer is built without the patches of internal/wazero")
	}
	const many = 150_000
	m := telling(nil, make([]byte, many), append([][]byte{body(0x00)}, slices.Repeat([][]byte{body()}, many)...)...)
	exports := [][]byte{exportFunc("_start", 1)}
	for i := range many {
		exports = append(exports, slices.Concat(text(fmt.Sprint(i)), []byte{0}, binary.AppendUvarint(nil, uint64(i+2))))
	}
	m[wasm.SectionExport] = vector(exports...)
	b := newBox(t, map[string]string{"/p": string(m.module(names("import", strings.Repeat("n", 10<<20))))}, v1.Config{})
	if err := b.Prepare(t.Context(), &Cmd{Args: []string{"/p"}}, true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // of minutes
	defer cancel()
	err := b.Run(ctx, &Cmd{Args: []string{"/p"}})
	if ExitStatus(err) != StatusTrap || !strings.Contains(err.Error(), "nnn") || ctx.Err() != nil {
		t.Errorf("%v: %.200v", ctx.Err(), err)
	}
}

// wazero 1.12.0 keeps a copy of the whole call stack for each try_table that a program is in, writes beyond the values of an
// exception if they are vectors, and frees exceptions that a program still has.
func TestExceptionsAreRefused(t *testing.T) {
	throws := startModule(0x08, 0) // throw 0
	throws[wasm.SectionTag] = vector([]byte{0, 0})
	for name, module := range map[string]string{
		"/throws":  string(throws.module()),
		"/catches": string(startModule(0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b).module()), // block try_table (catch_all 0) end end
	} {
		b := newBox(t, map[string]string{name: module}, v1.Config{})
		if got, err := run(t, b, Cmd{Args: []string{name}}); got.Status != StatusNotExecutable {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// BenchmarkCancel is how long a run goes on after its context has ended, where the program has made its end hard: the median, and the
// longest.
func BenchmarkCancel(b *testing.B) {
	programs := busy()
	programs["obstinate"], programs["obstinate start"] = obstinate().module(), obstinateStart().module()
	for name, module := range programs {
		b.Run(name, func(b *testing.B) {
			box := newBox(b, map[string]string{"/p": string(module)}, v1.Config{})
			benchmarkCancel(b, box, "/p")
		})
	}
}
