package isolate

import (
	"context"
	"strings"
	"testing"
	"time"

	"boxer.dev/runtime"
)

// A program in a worker that would take long to come by where it could be stopped is stopped where it is: that needs files and
// system calls that the walls must leave. The worker is not lost.
func TestObstinateProgramIsStopped(t *testing.T) {
	p, box := newPool(t, &Pool{Workers: 1, Margin: time.Minute}), newBox(t)
	loop := runtime.Cmd{Args: []string{"/p"}, Files: []runtime.File{{Path: "/p", Data: returning(300_000)}}}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		c := loop
		if got := runtime.ResultOf(p.Run(ctx, box, &c)); got.Outcome != runtime.OutcomeTimeout {
			t.Errorf("it ended as %+v", got)
		}
	}
	if len(p.open) != 1 {
		t.Errorf("%d workers are left", len(p.open))
	}
}

// returning is a program that calls itself that often, and has more to do after each call than any program that was not made for it.
func returning(times int) []byte {
	// local 0 = local 0 * 1664525 + 1013904223 + memory[that % 256 MiB], which waits for memory each time
	step := "\x20\x00\x41\x8d\xcc\xe5\x00\x6c\x41\xdf\xe6\xbb\xe3\x03\x6a\x22\x00\x41\xfc\xff\xff\xff\x00\x71\x28\x02\x00\x20\x00\x6a\x21\x00"
	f := "\x00\x20\x00\x04\x40\x20\x00\x41\x01\x6b\x10\x01\x0b" + strings.Repeat(step, 1200) + "\x0b"
	start := "\x00\x41" + signed(times) + "\x10\x01\x0b"
	return []byte("\x00asm\x01\x00\x00\x00" +
		section(1, "\x02\x60\x00\x00\x60\x01\x7f\x00") +
		section(3, "\x02\x00\x01") +
		section(5, "\x01\x00\x80\x20") + // 4096 pages
		section(7, "\x01\x06_start\x00\x00") +
		section(10, "\x02", sized(start), sized(f)))
}

// signed is a number that is not negative, as i32.const has it.
func signed(n int) string {
	var encoded []byte
	for ; n >= 0x40; n >>= 7 {
		encoded = append(encoded, byte(n)|0x80)
	}
	return string(append(encoded, byte(n)))
}
