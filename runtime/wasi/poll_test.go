package wasi

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero/sys"
)

type subscription struct {
	userdata uint64
	kind     byte
	fd       uint32 // or clock
	timeout  time.Duration
	flags    uint16
}

type event struct {
	userdata uint64
	errno    errno
	kind     byte
	bytes    uint64
	flags    uint16
}

func (g *guest) subscribe(subs ...subscription) (in, out, n, count uint64) {
	in = g.alloc(len(subs) * subscriptionSize)
	for i, s := range subs {
		b := g.bytes(in, len(subs)*subscriptionSize)[i*subscriptionSize:]
		putU64(b, 0, s.userdata)
		b[8] = s.kind
		putU32(b, 16, s.fd)
		putU64(b, 24, uint64(s.timeout))
		putU16(b, 40, s.flags)
	}
	return in, g.alloc(len(subs) * eventSize), uint64(len(subs)), g.alloc(4)
}

func (g *guest) poll(subs ...subscription) (events []event) {
	g.Helper()
	in, out, n, count := g.subscribe(subs...)
	g.ok("poll_oneoff", in, out, n, count)
	for i := range g.u32(count) {
		b := g.bytes(out+uint64(i)*eventSize, eventSize)
		events = append(events, event{getU64(b, 0), errno(getU16(b, 8)), b[10], getU64(b, 16), getU16(b, 24)})
	}
	return events
}

func clockAfter(userdata uint64, d time.Duration) subscription {
	return subscription{userdata: userdata, kind: eventClock, fd: clockMonotonic, timeout: d}
}

func onFile(userdata uint64, kind byte, fd uint64) subscription {
	return subscription{userdata: userdata, kind: kind, fd: uint32(fd)}
}

var events = cmp.AllowUnexported(event{})

// stillClock stands still but for sleeping, which it records.
func stillClock(slept *[]time.Duration) Clock {
	return Clock{
		Now:       func() time.Time { return time.Unix(1000, 0) },
		Monotonic: func() time.Duration { return time.Minute },
		Sleep: func(_ context.Context, d time.Duration) error {
			*slept = append(*slept, d)
			return nil
		},
	}
}

func TestPollClocks(t *testing.T) {
	var slept []time.Duration
	g := newGuest(t, &Process{Clock: stillClock(&slept)})
	hour := clockAfter(7, time.Hour)
	for _, c := range []struct {
		name string
		subs []subscription
		want []event
		wait time.Duration
	}{
		{"relative", []subscription{hour}, []event{{userdata: 7}}, time.Hour},
		{"the earliest wins", []subscription{hour, clockAfter(8, time.Minute), clockAfter(9, time.Minute)},
			[]event{{userdata: 8}, {userdata: 9}}, time.Minute},
		{"no wait", []subscription{hour, clockAfter(8, 0)}, []event{{userdata: 8}}, 0},
		{"absolute", []subscription{{3, eventClock, clockMonotonic, 3 * time.Minute, subclockAbstime}},
			[]event{{userdata: 3}}, 2 * time.Minute},
		{"absolute, wall clock", []subscription{{3, eventClock, clockRealtime, 1010 * time.Second, subclockAbstime}},
			[]event{{userdata: 3}}, 10 * time.Second},
		{"absolute, passed", []subscription{{3, eventClock, clockRealtime, 10 * time.Second, subclockAbstime}},
			[]event{{userdata: 3}}, 0},
		{"beyond all time", []subscription{{3, eventClock, clockRealtime, -1, 0}}, []event{{userdata: 3}}, 1<<63 - 1},
		{"bad clock", []subscription{hour, {4, eventClock, 9, 0, 0}}, []event{{userdata: 4, errno: errnoInval}}, 0},
		{"bad flags", []subscription{hour, {4, eventClock, 0, 0, 2}}, []event{{userdata: 4, errno: errnoInval}}, 0},
		{"bad type", []subscription{hour, {4, 9, 0, 0, 0}}, []event{{userdata: 4, errno: errnoInval, kind: 9}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			slept = nil
			if diff := cmp.Diff(c.want, g.poll(c.subs...), events); diff != "" {
				t.Error(diff)
			}
			var want []time.Duration
			if c.wait > 0 {
				want = append(want, c.wait)
			}
			if diff := cmp.Diff(want, slept); diff != "" {
				t.Errorf("slept:\n%s", diff)
			}
		})
	}
}

func TestPollRealTime(t *testing.T) {
	g := newGuest(t, &Process{})
	now := g.alloc(8)
	g.ok("clock_time_get", uint64(clockMonotonic), 0, now)
	before := g.u64(now)
	g.poll(clockAfter(1, 2*time.Millisecond))
	g.ok("clock_time_get", uint64(clockMonotonic), 0, now)
	if waited := g.u64(now) - before; waited < uint64(2*time.Millisecond) {
		t.Errorf("waited %d ns", waited)
	}
}

func TestPollDescriptors(t *testing.T) {
	g := newGuest(t, &Process{Stdin: strings.NewReader("input")})
	g.file(root, "f", "contents")
	fd := g.open(root, "f", open{rights: rightFdRead})
	hour := clockAfter(9, time.Hour)
	got := g.poll(hour, onFile(1, eventFdRead, 0), onFile(2, eventFdWrite, 1), onFile(3, eventFdWrite, 2),
		onFile(4, eventFdRead, fd), onFile(5, eventFdRead, 99), onFile(6, eventFdWrite, fd), onFile(7, eventFdRead, root))
	want := []event{
		{1, 0, eventFdRead, 5, 0},
		{2, 0, eventFdWrite, pipeCapacity, 0},
		{3, 0, eventFdWrite, pipeCapacity, 0},
		{4, 0, eventFdRead, 8, 0},
		{5, errnoBadf, eventFdRead, 0, 0},
		{6, errnoBadf, eventFdWrite, 0, 0},
		{7, errnoIsdir, eventFdRead, 0, 0},
	}
	if diff := cmp.Diff(want, got, events); diff != "" {
		t.Error(diff)
	}
}

func TestPollPipes(t *testing.T) {
	g := newGuest(t, &Process{})
	r, w := g.pipe()
	second := clockAfter(9, 0)
	if diff := cmp.Diff([]event{{userdata: 9}}, g.poll(onFile(1, eventFdRead, r), second), events); diff != "" {
		t.Errorf("empty pipe:\n%s", diff)
	}
	g.write(w, "abc")
	want := []event{{1, 0, eventFdRead, 3, 0}, {2, 0, eventFdWrite, pipeCapacity - 3, 0}}
	if diff := cmp.Diff(want, g.poll(onFile(1, eventFdRead, r), onFile(2, eventFdWrite, w)), events); diff != "" {
		t.Errorf("three bytes in the pipe:\n%s", diff)
	}
	g.read(r, 8)
	in, out, n, count := g.subscribe(onFile(1, eventFdRead, r))
	g.fails(errnoDeadlk, "poll_oneoff", in, out, n, count)
	g.ok("fd_close", w)
	want = []event{{1, 0, eventFdRead, 0, eventHangup}}
	if diff := cmp.Diff(want, g.poll(onFile(1, eventFdRead, r)), events); diff != "" {
		t.Errorf("no writer left:\n%s", diff)
	}
}

func TestPollWaitsForInput(t *testing.T) {
	r, w := io.Pipe()
	g := newGuestIn(t, t.Context(), &Process{Stdin: r}, memoryModule)
	got := g.poll(onFile(1, eventFdRead, 0), clockAfter(2, time.Millisecond))
	if diff := cmp.Diff([]event{{userdata: 2}}, got, events); diff != "" {
		t.Errorf("nothing typed:\n%s", diff)
	}
	go w.Write([]byte("typed"))
	got = g.poll(onFile(1, eventFdRead, 0), clockAfter(2, time.Hour))
	if diff := cmp.Diff([]event{{1, 0, eventFdRead, 5, 0}}, got, events); diff != "" {
		t.Errorf("something typed:\n%s", diff)
	}
	if got := g.read(0, 3) + g.read(0, 8); got != "typed" {
		t.Errorf("read %q", got)
	}
	go w.Close()
	if got := g.poll(onFile(1, eventFdRead, 0)); len(got) != 1 || got[0].errno != 0 {
		t.Errorf("at the end: %+v", got)
	}
	if got := g.read(0, 8); got != "" {
		t.Errorf("read %q at the end", got)
	}
}

func TestPollBounds(t *testing.T) {
	g := newGuest(t, &Process{})
	in, out, _, count := g.subscribe(clockAfter(1, 0))
	g.fails(errnoInval, "poll_oneoff", in, out, 0, count)
	g.fails(errnoInval, "poll_oneoff", in, out, subscriptionMax+1, count)
	g.fails(errnoInval, "poll_oneoff", in, out, 1<<32-1, count)
	g.fails(errnoFault, "poll_oneoff", memorySize-8, out, 1, count)
	g.fails(errnoFault, "poll_oneoff", in, memorySize-8, 1, count)
	g.fails(errnoFault, "poll_oneoff", in, out, 1, memorySize-3)
}

func TestPollOutputOverInput(t *testing.T) {
	g := newGuest(t, &Process{})
	in, _, n, count := g.subscribe(onFile(1, eventFdWrite, 1), onFile(2, eventFdWrite, 2), clockAfter(3, 0))
	g.ok("poll_oneoff", in, in, n, count)
	for i := range uint64(3) {
		if got := g.u64(in + i*eventSize); got != i+1 {
			t.Errorf("event %d is of subscription %d", i, got)
		}
	}
}

// wasmtime-go #233: a deadline must end a program that does not compute but
// waits.
func TestWaitingEndsWithContext(t *testing.T) {
	stdin, stdinWriter := io.Pipe()
	defer stdinWriter.Close()
	file, fileWriter, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer fileWriter.Close()
	_, stuck := io.Pipe()

	waits := map[string]func(g *guest) uint32{
		"sleep": func(g *guest) uint32 {
			in, out, n, count := g.subscribe(clockAfter(1, time.Hour))
			return g.exits("poll_oneoff", in, out, n, count)
		},
		"poll of stdin": func(g *guest) uint32 {
			in, out, n, count := g.subscribe(onFile(1, eventFdRead, 0))
			return g.exits("poll_oneoff", in, out, n, count)
		},
		"poll of stdin and clock": func(g *guest) uint32 {
			in, out, n, count := g.subscribe(onFile(1, eventFdRead, 0), clockAfter(2, time.Hour))
			return g.exits("poll_oneoff", in, out, n, count)
		},
		"read": func(g *guest) uint32 {
			iovs, n, _ := g.iovec(8)
			return g.exits("fd_read", 0, iovs, n, g.alloc(4))
		},
		"write": func(g *guest) uint32 {
			iovs, n := g.ciovec("text")
			return g.exits("fd_write", 1, iovs, n, g.alloc(4))
		},
		"yield": func(g *guest) uint32 {
			<-g.ctx.Done()
			return g.exits("sched_yield")
		},
		"random": func(g *guest) uint32 {
			<-g.ctx.Done()
			return g.exits("random_get", 0, memorySize)
		},
	}
	for name, wait := range waits {
		for _, in := range []io.Reader{stdin, file} {
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				g := newGuestIn(t, ctx, &Process{Stdin: in, Stdout: stuck}, memoryModule)
				if code := wait(g); code != sys.ExitCodeDeadlineExceeded {
					t.Errorf("exit code %#x", code)
				}
			})
		}
	}
}

func TestCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := newGuestIn(t, ctx, &Process{}, memoryModule)
	cancel()
	if code := g.exits("sched_yield"); code != sys.ExitCodeContextCanceled || !errors.Is(sys.NewExitError(code), context.Canceled) {
		t.Errorf("exit code %#x", code)
	}
}
