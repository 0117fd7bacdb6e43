package wasi

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"boxer.dev/vfs"
	"github.com/tetratelabs/wazero/sys"
)

// FuzzCalls makes arbitrary calls with arbitrary numbers. Whatever a program
// does, the host must not panic, and the descriptors that are open at the end
// must be those that calls gave out.
func FuzzCalls(f *testing.F) {
	all := append(append([]function(nil), preview1...), boxer...)
	for i := range all {
		f.Add([]byte{byte(i), 3, 0, 16, 1, 0, 1, 1, 2, 64, 4})
		f.Add([]byte{byte(i), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		tree := vfs.New()
		tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 1 << 20, Files: 100}})
		g := newGuest(t, &Process{
			FS: tree, Stdin: strings.NewReader("input"), MaxFiles: 32,
			Clock: stillClock(new([]time.Duration)),
		})
		// Something for pointers to find: paths, an array of buffers, and memory
		// that looks like everything else.
		copy(g.bytes(0, 64), "a\x00/b/../link d/e\x00\x00\x00\x00\x00\x40\x00\x00\x00\x08\x00\x00\x00\x80\x00\x00\x00\xff\xff\xff\xff")
		for len(program) > 0 && !g.obey(all, &program) {
		}
		if len(g.files.entries) > 32 {
			t.Errorf("%d descriptors of 32", len(g.files.entries))
		}
		g.checkReferences()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if n := g.openCount(); n != 0 {
			t.Errorf("%d descriptors open after Close", n)
		}
	})
}

// obey makes the call that the next bytes of the program name and reports
// whether it ended the run.
func (g *guest) obey(all []function, program *[]byte) (ended bool) {
	f := all[int((*program)[0])%len(all)]
	*program = (*program)[1:]
	params, results := valueTypes(f.signature)
	stack := make([]uint64, max(len(params), 1))
	for i := range params {
		stack[i] = number(program)
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(*sys.ExitError); !ok {
				panic(r)
			}
			ended = true
		}
	}()
	hostFunction(f.call, len(results) > 0)(g.ctx, g.mod, stack)
	if len(results) > 0 && stack[0] > uint64(errnoNotcapable) && f.name != "umask" {
		g.Errorf("%s: errno %d", f.name, stack[0])
	}
	return false
}

// number takes an argument from the program: mostly a small one, else four or
// eight bytes, so that pointers, descriptors and extremes are all likely.
func number(program *[]byte) uint64 {
	p := *program
	if len(p) == 0 {
		return 0
	}
	switch b := p[0]; {
	case b < 0xf0:
		*program = p[1:]
		return uint64(b)
	case b < 0xf8 && len(p) > 4:
		*program = p[5:]
		return uint64(binary.LittleEndian.Uint32(p[1:]))
	case len(p) > 8:
		*program = p[9:]
		return binary.LittleEndian.Uint64(p[1:])
	}
	*program = nil
	return 1<<64 - 1
}

// checkReferences counts how many descriptors share each description.
func (g *guest) checkReferences() {
	g.Helper()
	shares := map[*description]int{}
	for _, d := range g.files.entries {
		if d.description != nil {
			shares[d.description]++
		}
	}
	for d, n := range shares {
		if d.refs != n {
			g.Errorf("a description counts %d references and has %d", d.refs, n)
		}
	}
	for fd := range g.files.free {
		if fd < len(g.files.entries) && g.files.entries[fd].description == nil {
			g.Errorf("descriptor %d is free, below %d", fd, g.files.free)
		}
	}
}
