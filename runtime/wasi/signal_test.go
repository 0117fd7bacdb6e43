package wasi

import (
	"io"
	"testing"
	"time"
)

// signalModule is
//
//	(module (memory (export "memory") 4 16) (global (export "__stack_pointer") (mut i32) (i32.const 65536))
//	  (func (export "boxer.signal") (param i32) (result i32)
//	    (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (global.get 0)) (i32.const 1)))
var signalModule = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x06\x01\x60\x01\x7f\x01\x7f" +
	"\x03\x02\x01\x00" +
	"\x05\x04\x01\x01\x04\x10" +
	"\x06\x08\x01\x7f\x01\x41\x80\x80\x04\x0b" +
	"\x07\x2b\x03\x06memory\x02\x00\x0f__stack_pointer\x03\x00\x0cboxer.signal\x00\x00" +
	"\x0a\x14\x01\x12\x00\x41\x00\x20\x00\x36\x02\x00\x41\x04\x23\x00\x36\x02\x00\x41\x01\x0b")

func TestSignal(t *testing.T) {
	p := &Process{}
	g := newGuestIn(t, t.Context(), p, signalModule)
	p.Signal(Interrupt)
	g.ok("sched_yield")
	if got, sp := g.u32(0), g.u32(4); got != 2 || sp > 65536-redZone {
		t.Errorf("signal %d was taken with the stack at %d", got, sp)
	}
	if sp := g.mod.ExportedGlobal(stackPointer).Get(); sp != 65536 {
		t.Errorf("the stack is at %d afterwards", sp)
	}
	// It may have come when the program was about to wait: that does not wait, once.
	in, out, n, count := g.subscribe(clockAfter(1, time.Hour))
	g.fails(errnoIntr, "poll_oneoff", in, out, n, count)
	g.poll(clockAfter(1, time.Nanosecond))
	p.Signal(0)
	p.Signal(64)
	p.Signal(1 << 31)
}

// Every call that waits is interrupted, and can be made again.
func TestSignalInterruptsWaiting(t *testing.T) {
	stdin, w := io.Pipe()
	p := callable(nil)
	p.Stdin = stdin
	g := newGuestIn(t, t.Context(), p, signalModule)
	fd := g.startCall("block", "")
	in, out, n, count := g.subscribe(clockAfter(1, time.Hour))
	both, bothOut, two, bothCount := g.subscribe(clockAfter(1, time.Hour), onFile(2, eventFdRead, 0), onFile(3, eventFdRead, fd))
	iovs, one, _ := g.iovec(8)
	read := g.alloc(4)
	for name, wait := range map[string]func() errno{
		"sleep":  func() errno { return g.call("poll_oneoff", in, out, n, count) },
		"poll":   func() errno { return g.call("poll_oneoff", both, bothOut, two, bothCount) },
		"read":   func() errno { return g.call("fd_read", 0, iovs, one, read) },
		"answer": func() errno { return g.call("fd_read", fd, iovs, one, read) },
	} {
		go p.Signal(Deadline)
		if e := wait(); e != errnoIntr {
			t.Errorf("%s: %v", name, e)
		}
		if got := g.u32(0); got != uint32(Deadline) {
			t.Errorf("%s: signal %d was taken", name, got)
		}
		p.Forget()
	}
	go w.Write([]byte("typed"))
	if got := g.read(0, 8); got != "typed" {
		t.Errorf("read %q", got)
	}
}

// What nobody takes has its default action.
func TestSignalDefault(t *testing.T) {
	p := &Process{}
	g := newGuest(t, p)
	p.Signal(Deadline)
	g.ok("sched_yield")
	p.Signal(Interrupt)
	if code := g.exits("sched_yield"); code != 130 {
		t.Errorf("exit code %d", code)
	}
}
