package wasi

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// callable is a process whose functions answer at once, never before they are told, or not before their context ends.
func callable(release chan struct{}) *Process {
	return &Process{Functions: Functions{
		Names: []string{"block", "echo", "wait"}, MaxArguments: 8, MaxCalls: 3,
		Call: func(ctx context.Context, name string, arguments []byte) []byte {
			switch name {
			case "wait":
				<-release
			case "block":
				<-ctx.Done()
			}
			return append([]byte(name+":"), arguments...)
		},
	}}
}

func (g *guest) startCall(name, arguments string) (fd uint64) {
	g.Helper()
	namePtr, nameLen := g.put(name)
	ptr, n := g.put(arguments)
	out := g.alloc(4)
	g.ok("boxer.call", namePtr, nameLen, ptr, n, out)
	return uint64(g.u32(out))
}

func (g *guest) refusesCall(want errno, name, arguments string) {
	g.Helper()
	namePtr, nameLen := g.put(name)
	ptr, n := g.put(arguments)
	g.fails(want, "boxer.call", namePtr, nameLen, ptr, n, g.alloc(4))
}

func TestCall(t *testing.T) {
	release := make(chan struct{})
	g := newGuest(t, callable(release))
	fd := g.startCall("echo", "[1]")
	if got := g.read(fd, 4) + g.read(fd, 100) + g.read(fd, 100); got != "echo:[1]" {
		t.Errorf("the answer is %q", got)
	}
	g.ok("fd_close", fd)
	close(release)
	if got := g.read(g.startCall("wait", ""), 100); got != "wait:" {
		t.Errorf("the answer is %q", got)
	}
}

func TestCallRefusals(t *testing.T) {
	release := make(chan struct{})
	g := newGuest(t, callable(release))
	g.refusesCall(errnoNoent, "nothing", "")
	g.refusesCall(errno2big, "echo", strings.Repeat("x", 9))
	name, n := g.put("echo")
	g.fails(errnoFault, "boxer.call", memorySize-2, 4, name, n, g.alloc(4))
	g.fails(errnoFault, "boxer.call", name, n, memorySize-2, 4, g.alloc(4))
	g.fails(errnoFault, "boxer.call", name, n, name, n, memorySize-2)
	var fds []uint64
	for range 3 {
		fds = append(fds, g.startCall("wait", ""))
	}
	g.refusesCall(errnoAgain, "echo", "") // closing does not make room: the functions go on
	g.ok("fd_close", fds[0])
	g.refusesCall(errnoAgain, "echo", "")
	close(release)
	g.read(fds[1], 100)
	g.read(fds[2], 100)
	newGuest(t, &Process{}).refusesCall(errnoNoent, "echo", "")
}

func TestCallPoll(t *testing.T) {
	release := make(chan struct{})
	g := newGuest(t, callable(release))
	waits, blocks := g.startCall("wait", "1"), g.startCall("block", "")
	second := clockAfter(9, time.Millisecond)
	got := g.poll(onFile(1, eventFdRead, waits), onFile(2, eventFdRead, blocks), second)
	if diff := cmp.Diff([]event{{userdata: 9}}, got, events); diff != "" {
		t.Errorf("no answer yet:\n%s", diff)
	}
	close(release)
	got = g.poll(onFile(1, eventFdRead, waits), onFile(2, eventFdRead, blocks), clockAfter(9, time.Hour))
	if diff := cmp.Diff([]event{{1, 0, eventFdRead, 6, 0}}, got, events); diff != "" {
		t.Errorf("one answer:\n%s", diff)
	}
	g.ok("fd_close", blocks) // ends it, or the test would not
	g.fails(errnoBadf, "fd_close", blocks)
}

// Where time is made up, none passes while calls are answered, and all are before anybody hears of one.
func TestCallPollMadeUpTime(t *testing.T) {
	release := make(chan struct{})
	var slept []time.Duration
	p := callable(release)
	p.Clock = stillClock(&slept)
	g := newGuest(t, p)
	first, second := g.startCall("wait", ""), g.startCall("echo", "")
	go close(release)
	got := g.poll(onFile(1, eventFdRead, first), onFile(2, eventFdRead, second), clockAfter(9, time.Nanosecond))
	if len(got) != 2 || len(slept) != 0 {
		t.Errorf("events %+v, slept %v", got, slept)
	}
}

func TestCallEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	g := newGuestIn(t, ctx, callable(nil), memoryModule)
	fd := g.startCall("wait", "") // for ever
	iovs, n, _ := g.iovec(8)
	if code := g.exits("fd_read", fd, iovs, n, g.alloc(4)); code == 0 {
		t.Errorf("exit code %#x", code)
	}
}

func TestFunctions(t *testing.T) {
	g := newGuest(t, callable(nil))
	buf, used := g.alloc(16), g.alloc(4)
	g.fails(errnoRange, "boxer.functions", buf, 15, used)
	if g.u32(used) != 16 {
		t.Errorf("%d bytes are needed", g.u32(used))
	}
	g.ok("boxer.functions", buf, 16, used)
	if got := string(g.bytes(buf, 16)); got != "block\x00echo\x00wait\x00" {
		t.Errorf("%q", got)
	}
}

func TestDialogue(t *testing.T) {
	p := &Process{}
	g := newGuest(t, p)
	text, n := g.put("a part")
	g.fails(errnoNosys, "boxer.result", 1, text, n)
	var got []string
	p.Dialogue = Dialogue{Source: "x = 1", Result: func(kind uint32, text []byte) { got = append(got, string(rune('0'+kind))+string(text)) }}
	g.fails(errnoRange, "boxer.source", g.alloc(4), 4)
	buf := g.alloc(5)
	g.ok("boxer.source", buf, 5)
	if source := string(g.bytes(buf, 5)); source != "x = 1" {
		t.Errorf("the source is %q", source)
	}
	g.fails(errnoFault, "boxer.result", 1, memorySize-1, n)
	g.ok("boxer.result", 1, text, n)
	if diff := cmp.Diff([]string{"1a part"}, got); diff != "" {
		t.Error(diff)
	}
}
