package wasi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"io/fs"
)

func TestProcExit(t *testing.T) {
	g := newGuest(t, &Process{})
	for code, want := range map[uint64]uint32{0: 0, 1: 1, 255: 255, 256: 0, 1<<32 - 1: 255} {
		if got := g.exits("proc_exit", code); got != want {
			t.Errorf("proc_exit(%d): %d, want %d", code, got, want)
		}
	}
	if g.mod.IsClosed() {
		t.Error("the module was closed")
	}
}

func TestProcRaise(t *testing.T) {
	g := newGuest(t, &Process{})
	for _, sig := range []uint64{1, 2, 6, 9, 11, 13, 15} {
		if got := g.exits("proc_raise", sig); got != 128+uint32(sig) {
			t.Errorf("proc_raise(%d): %d", sig, got)
		}
	}
	for _, sig := range []uint64{0, signalChild, signalContinue, signalUrgent, signalWinch} {
		g.ok("proc_raise", sig)
	}
	g.fails(errnoNotsup, "proc_raise", signalStop)
	g.fails(errnoInval, "proc_raise", 31)
	g.fails(errnoInval, "proc_raise", 1<<32-1)
}

func TestSockets(t *testing.T) {
	g := newGuest(t, &Process{})
	calls := map[string]func(fd uint64) []uint64{
		"sock_accept":   func(fd uint64) []uint64 { return []uint64{fd, 0, 16} },
		"sock_recv":     func(fd uint64) []uint64 { return []uint64{fd, 16, 0, 0, 16, 16} },
		"sock_send":     func(fd uint64) []uint64 { return []uint64{fd, 16, 0, 0, 16} },
		"sock_shutdown": func(fd uint64) []uint64 { return []uint64{fd, 1} },
	}
	for name, args := range calls {
		for _, fd := range []uint64{0, 1, root} {
			g.fails(errnoNotsock, name, args(fd)...)
		}
		g.fails(errnoBadf, name, args(99)...)
	}
}

func TestArgsAndEnviron(t *testing.T) {
	list := []string{"prog", "", "two words", "ü"}
	g := newGuest(t, &Process{Args: list, Env: list})
	for _, prefix := range []string{"args", "environ"} {
		count, size := g.alloc(4), g.alloc(4)
		g.ok(prefix+"_sizes_get", count, size)
		if g.u32(count) != 4 || g.u32(size) != 19 {
			t.Errorf("%s: %d strings, %d bytes", prefix, g.u32(count), g.u32(size))
		}
		ptrs, buf := g.alloc(16), g.alloc(19)
		g.ok(prefix+"_get", ptrs, buf)
		if got := string(g.bytes(buf, 19)); got != strings.Join(list, "\x00")+"\x00" {
			t.Errorf("%s: %q", prefix, got)
		}
		for i, s := range list {
			if got := string(g.bytes(uint64(g.u32(ptrs+uint64(i)*4)), len(s))); got != s {
				t.Errorf("%s: string %d is %q", prefix, i, got)
			}
		}
		g.fails(errnoFault, prefix+"_get", memorySize-15, buf)
		g.fails(errnoFault, prefix+"_get", ptrs, memorySize-18)
	}
}

func TestNoArgs(t *testing.T) {
	g := newGuest(t, &Process{})
	count, size := g.alloc(4), g.alloc(4)
	g.ok("args_sizes_get", count, size)
	g.ok("args_get", g.alloc(0), g.alloc(0))
	if g.u32(count) != 0 || g.u32(size) != 0 {
		t.Errorf("%d strings, %d bytes", g.u32(count), g.u32(size))
	}
}

func TestClocks(t *testing.T) {
	g := newGuest(t, &Process{Clock: Clock{
		Now:        func() time.Time { return time.Unix(315532800, 5) },
		Monotonic:  func() time.Duration { return 7 },
		CPU:        func() time.Duration { return 9 },
		Resolution: time.Microsecond,
	}})
	out := g.alloc(8)
	for id, want := range []uint64{315532800_000000005, 7, 9, 9} {
		g.ok("clock_time_get", uint64(id), 1, out)
		if got := g.u64(out); got != want {
			t.Errorf("clock %d: %d, want %d", id, got, want)
		}
		g.ok("clock_res_get", uint64(id), out)
		if got := g.u64(out); got != 1000 {
			t.Errorf("resolution of clock %d: %d", id, got)
		}
	}
	for _, id := range []uint64{4, 1<<32 - 1} {
		g.fails(errnoInval, "clock_time_get", id, 0, out)
		g.fails(errnoInval, "clock_res_get", id, out)
	}
}

// readerFunc is an io.Reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestProcessorTime: what a program sleeps or waits for input is not its
// processor's time.
func TestProcessorTime(t *testing.T) {
	var now time.Duration
	asked := make(chan bool, 1) // the clock, since it was last drained
	clock := Clock{
		Monotonic: func() time.Duration {
			defer func() {
				select {
				case asked <- true:
				default:
				}
			}()
			return now
		},
		Sleep: func(_ context.Context, d time.Duration) error { now += d; return nil },
	}
	stdin := readerFunc(func(p []byte) (int, error) {
		<-asked // the program waits
		now += time.Minute
		return copy(p, "x"), nil
	})
	g := newGuest(t, &Process{Stdin: stdin, Clock: clock})
	used := func() time.Duration {
		out := g.alloc(8)
		g.ok("clock_time_get", uint64(clockProcessCPU), 0, out)
		return time.Duration(g.u64(out))
	}
	now += 5 * time.Second
	g.poll(clockAfter(0, time.Hour))
	if got := used(); got != 5*time.Second {
		t.Errorf("after 5 s of work and a sleep: %v", got)
	}
	<-asked
	if got := g.read(0, 1); got != "x" {
		t.Fatalf("read %q", got)
	}
	now += time.Second
	if got := used(); got != 6*time.Second {
		t.Errorf("after a wait for input and 1 s of work more: %v", got)
	}
}

func TestHostClocks(t *testing.T) {
	g := newGuest(t, &Process{})
	out := g.alloc(8)
	before := uint64(time.Now().UnixNano())
	g.ok("clock_time_get", 0, 0, out)
	if got := g.u64(out); got < before {
		t.Errorf("wall clock %d, was %d before", got, before)
	}
	last := uint64(0)
	for range 100 {
		g.ok("clock_time_get", 1, 0, out)
		if got := g.u64(out); got < last {
			t.Fatalf("monotonic clock went from %d to %d", last, got)
		}
		last = g.u64(out)
	}
	g.ok("clock_res_get", 1, out)
	if g.u64(out) == 0 {
		t.Error("resolution 0")
	}
}

func TestTimestamps(t *testing.T) {
	for _, c := range []struct {
		time time.Time
		want uint64
	}{
		{time.Unix(0, 0), 0},
		{time.Unix(1, 2), 1_000_000_002},
		{time.Unix(-1, 0), 0},
		{time.Time{}, 0},
		{time.Unix(18446744072, 0), 18446744072_000000000},
		{time.Unix(1<<40, 0), 1<<64 - 1},
	} {
		if got := timestamp(c.time); got != c.want {
			t.Errorf("timestamp(%v) = %d, want %d", c.time, got, c.want)
		}
	}
	for _, ns := range []uint64{0, 1, 1e9, 1 << 63, 18446744072_999999999} {
		if got := timestamp(fromTimestamp(ns)); got != ns {
			t.Errorf("timestamp(fromTimestamp(%d)) = %d", ns, got)
		}
	}
}

func TestRandom(t *testing.T) {
	g := newGuest(t, &Process{})
	buf := g.alloc(200_000)
	g.ok("random_get", buf, 200_000)
	b := g.bytes(buf, 200_000)
	if bytes.Equal(b[:100_000], b[100_000:]) || bytes.Equal(b[199_900:], make([]byte, 100)) {
		t.Error("not random")
	}
	g.ok("random_get", buf, 0)
}

func TestRandomSource(t *testing.T) {
	g := newGuest(t, &Process{Random: strings.NewReader("entropy")})
	buf := g.alloc(8)
	g.ok("random_get", buf, 7)
	if got := string(g.bytes(buf, 7)); got != "entropy" {
		t.Errorf("random_get gave %q", got)
	}
	g.fails(errnoIo, "random_get", buf, 1)

	g = newGuest(t, &Process{Random: iotest.ErrReader(errors.New("dry"))})
	g.fails(errnoIo, "random_get", buf, 1)
}

func TestErrnos(t *testing.T) {
	for _, p := range hostErrnos {
		want := p.guest
		for shape, err := range map[string]error{
			"bare":      p.host,
			"path":      &fs.PathError{Op: "open", Path: "x", Err: p.host},
			"link":      &os.LinkError{Op: "rename", Err: p.host},
			"syscall":   os.NewSyscallError("write", p.host),
			"wrapped":   fmt.Errorf("reading: %w", &fs.PathError{Err: p.host}),
			"path path": &fs.PathError{Err: &fs.PathError{Err: p.host}},
		} {
			if got := errnoOf(err); got != want {
				t.Errorf("%s %v: %d, want %d", shape, p.host, got, want)
			}
		}
	}
	seen := map[errno]bool{}
	for _, p := range hostErrnos {
		seen[p.guest] = true
	}
	for e := errno2big; e < errnoNotcapable; e++ {
		if !seen[e] {
			t.Errorf("no error of the host becomes %d", e)
		}
	}
	for err, want := range map[error]errno{
		nil:                      0,
		errors.New("strange"):    errnoIo,
		syscall.Errno(9999):      errnoIo,
		fs.ErrNotExist:           errnoNoent,
		fs.ErrClosed:             errnoBadf,
		errors.ErrUnsupported:    errnoNotsup,
		os.ErrDeadlineExceeded:   errnoTimedout,
		errnoPipe:                errnoPipe,
		fmt.Errorf("x: %w", nil): errnoIo,
	} {
		if got := errnoOf(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// Numbers that programs have compiled in, from the specification.
func TestErrnoNumbers(t *testing.T) {
	for e, want := range map[errno]uint16{
		errno2big: 1, errnoAcces: 2, errnoAgain: 6, errnoBadf: 8, errnoExist: 20, errnoInval: 28, errnoIo: 29,
		errnoIsdir: 31, errnoLoop: 32, errnoNametoolong: 37, errnoNoent: 44, errnoNospc: 51, errnoNotdir: 54,
		errnoNotempty: 55, errnoNotsock: 57, errnoNotsup: 58, errnoPerm: 63, errnoPipe: 64, errnoRofs: 69,
		errnoSpipe: 70, errnoXdev: 75, errnoNotcapable: 76,
	} {
		if uint16(e) != want {
			t.Errorf("errno %d, want %d", e, want)
		}
	}
	if rightSockShutdown != 1<<28 || rightPathOpen != 1<<13 || rightFdFilestatGet != 1<<21 {
		t.Error("rights are out of place")
	}
}
