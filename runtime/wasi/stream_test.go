package wasi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	"boxer.dev/vfs"
	"github.com/tetratelabs/wazero/sys"
)

func TestReadStdin(t *testing.T) {
	for name, r := range map[string]func() io.Reader{
		"prompt": func() io.Reader { return strings.NewReader("one two") },
		"slow":   func() io.Reader { return iotest.OneByteReader(strings.NewReader("one two")) },
		"end with data": func() io.Reader {
			return iotest.DataErrReader(strings.NewReader("one two"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuestIn(t, t.Context(), &Process{Stdin: r()}, memoryModule)
			var got strings.Builder
			for {
				s := g.read(0, 3)
				if s == "" {
					break
				}
				got.WriteString(s)
			}
			if got.String() != "one two" {
				t.Errorf("read %q", got.String())
			}
			if s := g.read(0, 3); s != "" {
				t.Errorf("read %q after the end", s)
			}
		})
	}
}

func TestStdinWithoutReaderIsEmpty(t *testing.T) {
	g := newGuest(t, &Process{})
	if got := g.read(0, 8); got != "" {
		t.Errorf("read %q", got)
	}
}

// A read into several buffers does not wait for more once it has something.
func TestReadStopsAtWhatIsThere(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	g := newGuestIn(t, t.Context(), &Process{Stdin: r}, memoryModule)
	go w.Write([]byte("ab"))
	iovs, n, buffers := g.iovec(2, 2)
	out := g.alloc(4)
	g.ok("fd_read", 0, iovs, n, out)
	if got := string(g.bytes(buffers[0], int(g.u32(out)))); got != "ab" {
		t.Errorf("read %q", got)
	}
}

func TestNonblockingStdin(t *testing.T) {
	r, w := io.Pipe()
	g := newGuestIn(t, t.Context(), &Process{Stdin: r}, memoryModule)
	g.ok("fd_fdstat_set_flags", 0, uint64(fdflagNonblock))
	iovs, n, _ := g.iovec(8)
	g.fails(errnoAgain, "fd_read", 0, iovs, n, g.alloc(4))
	go w.Write([]byte("x"))
	g.poll(onFile(1, eventFdRead, 0))
	if got := g.read(0, 8); got != "x" {
		t.Errorf("read %q", got)
	}
	g.fails(errnoAgain, "fd_read", 0, iovs, n, g.alloc(4))
	w.Close()
}

func TestReadErrorsOfStdin(t *testing.T) {
	g := newGuestIn(t, t.Context(), &Process{Stdin: iotest.ErrReader(syscall.ECONNRESET)}, memoryModule)
	iovs, n, _ := g.iovec(8)
	g.fails(errnoConnreset, "fd_read", 0, iovs, n, g.alloc(4))
}

// Every write reaches the host before the call returns, in one piece.
func TestWritesAreNotHeldBack(t *testing.T) {
	var out bytes.Buffer
	for name, w := range map[string]io.Writer{"prompt": &out, "slow": struct{ io.Writer }{&out}} {
		t.Run(name, func(t *testing.T) {
			out.Reset()
			g := newGuestIn(t, t.Context(), &Process{Stdout: w}, memoryModule)
			g.write(1, "one")
			if out.String() != "one" {
				t.Errorf("output %q", out.String())
			}
			iovs, n := g.ciovec("two", "", "three")
			count := g.alloc(4)
			g.ok("fd_write", 1, iovs, n, count)
			if out.String() != "onetwothree" || g.u32(count) != 8 {
				t.Errorf("output %q, count %d", out.String(), g.u32(count))
			}
		})
	}
}

type pieces [][]byte

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, bytes.Clone(b))
	return len(b), nil
}

func TestLongWriteIsPartialOrWhole(t *testing.T) {
	var got pieces
	g := newGuestIn(t, t.Context(), &Process{Stdout: &got}, memoryModule)
	iovs, n := g.ciovec(strings.Repeat("x", transferSize), "y")
	count := g.alloc(4)
	g.ok("fd_write", 1, iovs, n, count)
	if len(got) != 1 || len(got[0]) != int(g.u32(count)) {
		t.Errorf("%d pieces, count %d", len(got), g.u32(count))
	}
}

type shortWriter struct{ err error }

func (w shortWriter) Write(p []byte) (int, error) { return len(p) / 2, w.err }

func TestPartialWrites(t *testing.T) {
	g := newGuestIn(t, t.Context(), &Process{Stdout: shortWriter{io.ErrShortWrite}, Stderr: shortWriter{syscall.ENOSPC}}, memoryModule)
	for fd := uint64(1); fd <= 2; fd++ {
		iovs, n := g.ciovec("abcd")
		count := g.alloc(4)
		g.ok("fd_write", fd, iovs, n, count)
		if g.u32(count) != 2 {
			t.Errorf("count %d", g.u32(count))
		}
		iovs, n = g.ciovec("a")
		want := errnoIo
		if fd == 2 {
			want = errnoNospc
		}
		g.fails(want, "fd_write", fd, iovs, n, count)
	}
}

func TestClosedStdout(t *testing.T) {
	_, goPipe := io.Pipe()
	goPipe.Close()
	r, osPipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer osPipe.Close()
	r.Close()
	closedReader, broken := io.Pipe()
	closedReader.Close()
	for name, w := range map[string]io.Writer{"closed": goPipe, "broken": broken, "pipe": osPipe} {
		t.Run(name, func(t *testing.T) {
			g := newGuestIn(t, t.Context(), &Process{Stdout: w}, memoryModule)
			iovs, n := g.ciovec("abcd")
			g.fails(errnoPipe, "fd_write", 1, iovs, n, g.alloc(4))
		})
	}
}

func TestGuestClosesStreams(t *testing.T) {
	var out bytes.Buffer
	g := newGuest(t, &Process{Stdout: &out})
	g.ok("fd_close", 1)
	g.ok("fd_close", 2)
	iovs, n := g.ciovec("abcd")
	g.fails(errnoBadf, "fd_write", 1, iovs, n, g.alloc(4))
	g.fails(errnoBadf, "fd_close", 1)
}

func TestTerminals(t *testing.T) {
	g := newGuest(t, &Process{Terminal: Terminal{Stdin: true, Stderr: true, Size: func() (int, int) { return 50, 132 }}})
	size := g.alloc(8)
	for fd, terminal := range []bool{true, false, true} {
		st := g.fdstat(uint64(fd))
		isatty := st.filetype == filetypeCharacterDevice && st.base&(rightFdSeek|rightFdTell) == 0
		if isatty != terminal || g.stat(uint64(fd)).filetype != st.filetype {
			t.Errorf("descriptor %d: %+v", fd, st)
		}
		if !terminal {
			g.fails(errnoNotty, "boxer.tty_size", uint64(fd), size)
			continue
		}
		g.ok("boxer.tty_size", uint64(fd), size)
		if g.u32(size) != 50 || g.u32(size+4) != 132 {
			t.Errorf("size %d by %d", g.u32(size), g.u32(size+4))
		}
	}
	g.file(root, "f", "")
	g.fails(errnoNotty, "boxer.tty_size", g.open(root, "f", open{}), size)
	g.fails(errnoBadf, "boxer.tty_size", 99, size)
}

func TestTerminalEndOfFileIsNotForEver(t *testing.T) {
	g := newGuestIn(t, t.Context(), &Process{Stdin: &resuming{parts: []string{"a", "", "b"}}, Terminal: Terminal{Stdin: true}}, memoryModule)
	for _, want := range []string{"a", "", "b"} {
		if got := g.read(0, 8); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
}

// resuming is a terminal: an empty part is an end of file, after which reading
// goes on.
type resuming struct{ parts []string }

func (r *resuming) Read(p []byte) (int, error) {
	if len(r.parts) == 0 {
		return 0, errors.New("read too often")
	}
	part := r.parts[0]
	r.parts = r.parts[1:]
	if part == "" {
		return 0, io.EOF
	}
	return copy(p, part), nil
}

func TestDevicesOfTheStreams(t *testing.T) {
	in, typed := io.Pipe()
	var out, errs bytes.Buffer
	tree := vfs.New()
	devices := vfs.Devices(vfs.DeviceSet{Stdin: in, Stdout: &out, Stderr: &errs, Terminal: true})
	if err := tree.Mount("/dev", devices, vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g := newGuestIn(t, ctx, &Process{FS: tree, Stdin: in, Stdout: &out, Stderr: &errs, Terminal: Terminal{true, true, false, nil}}, memoryModule)
	stdin := g.open(root, "dev/stdin", open{rights: rightFdRead})
	tty := g.open(root, "dev/tty", open{})
	go io.WriteString(typed, "abcdef")
	g.poll(onFile(1, eventFdRead, tty)) // reads ahead
	if got := g.read(0, 2) + g.read(stdin, 2) + g.read(tty, 8); got != "abcdef" {
		t.Errorf("read %q", got)
	}
	g.write(g.open(root, "dev/stdout", open{rights: rightFdWrite}), "o")
	g.write(tty, "t")
	g.write(g.open(root, "dev/stderr", open{rights: rightFdWrite}), "e")
	if out.String() != "ot" || errs.String() != "e" {
		t.Errorf("output %q, errors %q", out.String(), errs.String())
	}
	if st := g.fdstat(stdin); st.filetype != filetypeCharacterDevice {
		t.Errorf("/dev/stdin of a terminal: %+v", st)
	}
	g.ok("boxer.tty_size", tty, g.alloc(8))
	g.openFails(errnoAcces, root, "dev/stdin", open{})

	cancel()
	iovs, n, _ := g.iovec(8)
	if code := g.exits("fd_read", stdin, iovs, n, g.alloc(4)); code != sys.ExitCodeContextCanceled {
		t.Errorf("exit code %#x", code)
	}
}

// countingReader blocks until it is released and counts its reads.
type countingReader struct {
	release chan struct{}
	reads   atomic.Int32
}

func (r *countingReader) Read(p []byte) (int, error) {
	r.reads.Add(1)
	<-r.release
	return copy(p, "x"), nil
}

// However often a program asks for input that does not come, one read waits.
func TestOneReadIsOutstanding(t *testing.T) {
	in := &countingReader{release: make(chan struct{})}
	defer close(in.release)
	g := newGuestIn(t, t.Context(), &Process{Stdin: in}, memoryModule)
	for range 100 {
		g.poll(onFile(1, eventFdRead, 0), clockAfter(2, 1))
	}
	g.ok("fd_fdstat_set_flags", 0, uint64(fdflagNonblock))
	iovs, n, _ := g.iovec(8)
	g.fails(errnoAgain, "fd_read", 0, iovs, n, g.alloc(4))
	if n := in.reads.Load(); n > 1 {
		t.Errorf("%d reads", n)
	}
}

// A read that outlives the run does not eat the input of the next one, where the
// host's file can be woken.
func TestAbandonedReadTakesNoInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	first := newGuestIn(t, t.Context(), &Process{Stdin: r}, memoryModule)
	first.poll(onFile(1, eventFdRead, 0), clockAfter(2, 1))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "for the second")
	second := newGuestIn(t, t.Context(), &Process{Stdin: r}, memoryModule)
	if got := second.read(0, 20); got != "for the second" {
		t.Errorf("read %q", got)
	}
}
