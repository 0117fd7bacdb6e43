package runtime

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
)

func TestTraps(t *testing.T) {
	recursion := startModule(0x10, 0) // call itself
	for name, test := range map[string]struct {
		module []byte
		reason string
		frames string
	}{
		"unreachable":     {startModule(0x00).module(), "unreachable", "$0"},
		"with names":      {startModule(0x00).module(names("crash_here")), "unreachable", "crash_here"},
		"memory":          {startModule(0x41, 0x7f, 0x28, 2, 0, 0x1a).module(), "out of bounds memory access", "$0"}, // i32.load at -1
		"division":        {startModule(0x41, 1, 0x41, 0, 0x6d, 0x1a).module(), "integer divide by zero", "$0"},
		"stack":           {recursion.module(), "stack overflow", ""},
		"start function":  {func() []byte { s := startModule(0x00); s[8] = []byte{0}; return s.module() }(), "unreachable", "$0"},
		"hostile names":   {startModule(0x00).module(names("\x1b[2J\u009bm")), "unreachable", "\uFFFD[2J\uFFFDm"},
		"unbounded names": {startModule(0x00).module(names(strings.Repeat("n", 1<<20))), "unreachable", "nnn"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, map[string]string{"/trap": string(test.module)}, v1.Config{})
			got, err := run(t, b, Cmd{Args: []string{"/trap"}})
			var trap *TrapError
			if !errors.As(err, &trap) || got.Status != StatusTrap {
				t.Fatalf("status %d, %v", got.Status, err)
			}
			if trap.Reason != test.reason || trap.Program != "/trap" {
				t.Errorf("%+v", trap)
			}
			if test.frames != "" && (len(trap.Frames) == 0 || !strings.HasPrefix(trap.Frames[0], test.frames)) {
				t.Errorf("frames %q, want %q", trap.Frames, test.frames)
			}
			if len(err.Error()) > 10_000 || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("the message is long or hostile: %.200q", err)
			}
		})
	}
}

// TestConstantAddressFrom2GiB: what is stored at a constant address is there after a call, and not in what lies below memory.
func TestConstantAddressFrom2GiB(t *testing.T) {
	m := startModule(
		0x41, 0x80, 0x80, 3, 0x40, 0, // memory.grow by 3 GiB
		0x41, 0, 0x48, 0x04, 0x40, 0x0f, 0x0b, // return if that cannot be had
		0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x21, 0, // 2 GiB
		0x20, 0, 0x41, 42, 0x36, 2, 0, // i32.store
		0x41, 0, 0x40, 0, 0x1a, // memory.grow by nothing
		0x20, 0, 0x28, 2, 0, // i32.load
		0x41, 42, 0x47, 0x04, 0x40, 0x00, 0x0b, // unreachable if it is something else
	)
	code := m[wasm.SectionCode]
	code = slices.Concat([]byte{code[0], code[1] + 2, 1, 1, 0x7f}, code[3:]) // a local
	m[wasm.SectionCode] = code
	b := newBox(t, map[string]string{"/far": string(m.module())}, v1.Config{})
	if got, err := run(t, b, Cmd{Args: []string{"/far"}}); err != nil || got.Status != 0 {
		t.Errorf("status %d, %v", got.Status, err)
	}
}

func TestBacktraceOfCachedCodeHasNames(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	for range 2 {
		e := newEngine(t, Options{CacheDir: dir})
		b, err := e.NewBox(newTree(t, map[string]string{"/trap": string(startModule(0x00).module(names("crash_here")))}), v1.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = run(t, b, Cmd{Args: []string{"/trap"}})
		if err == nil || !strings.Contains(err.Error(), "crash_here") {
			t.Error(err)
		}
	}
}

// TestMemoryOfThePreviousRunIsGone is CVE-2022-39393: the module traps unless the first byte of its memory and the last
// that it grew by are zero, and leaves something there.
func TestMemoryOfThePreviousRunIsGone(t *testing.T) {
	dirty := func(address ...byte) []byte { // i32.load8_u; if unreachable end; i32.store8
		load := append(append([]byte{0x41}, address...), 0x2d, 0, 0, 0x04, 0x40, 0x00, 0x0b)
		return append(append(append(load, 0x41), address...), 0x41, 7, 0x3a, 0, 0)
	}
	code := append(dirty(0), 0x41, 1, 0x40, 0, 0x1a) // memory.grow 1
	code = append(code, dirty(0xff, 0xff, 0x07)...)  // 131071
	b := newBox(t, map[string]string{"/dirty": string(startModule(code...).module())}, v1.Config{})
	for range 3 {
		if _, err := run(t, b, Cmd{Args: []string{"/dirty"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeadlineEndsWaiting: sleeping and reading an input that stays open are no way around a deadline.
func TestDeadlineEndsWaiting(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	open, _ := io.Pipe()
	for name, c := range map[string]Cmd{
		"sleeping":         {Args: []string{"guest", "sleep"}},
		"reading":          {Args: []string{"guest", "echo"}, Stdin: open},
		"within the shell": {Args: []string{"sh", "-c", "guest sleep; echo after"}},
		"utility":          {Args: []string{"sleep", "3600"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if err := b.Run(ctx, &c); ExitStatus(err) != StatusDeadline {
				t.Errorf("status %d: %v", ExitStatus(err), err)
			}
		})
	}
}

func TestCancelSaysWhy(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the reader left")
	seen := writerFunc(func(p []byte) (int, error) { cancel(why); return len(p), nil })
	err := b.Run(ctx, &Cmd{Args: []string{"guest", "sleep"}, Stdout: seen})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || ExitStatus(err) != StatusInterrupted {
		t.Errorf("%v", err)
	}
	if err := b.Run(ctx, &Cmd{Args: []string{"guest"}}); ExitStatus(err) != StatusInterrupted {
		t.Errorf("a run that is over before it begins: %v", err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestMemoryThatCannotBeHad: a module may ask for 4 GiB to begin with; where the host refuses, that is an error.
func TestMemoryThatCannotBeHad(t *testing.T) {
	s := startModule()
	s[5] = vector([]byte{0, 0x80, 0x80, 4}) // 65,536 pages
	b := newBox(t, map[string]string{"/big": string(s.module())}, v1.Config{})
	got, err := run(t, b, Cmd{Args: []string{"/big"}})
	if err != nil && !errors.Is(err, errMemory) {
		t.Errorf("%+v, %v", got, err)
	}
}
