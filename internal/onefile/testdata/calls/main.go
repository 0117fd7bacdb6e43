// Command calls makes system calls that a seed, its argument, chooses, and prints what came of each. Two hosts of preview 1 that
// mean the same make it print the same.
package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// caller holds what pointers of calls lead to.
type caller struct {
	rand  *rand.Rand
	out   *bufio.Writer
	paths [2][4096]byte
	buf   [70000]byte
	names [1000]byte
	iovs  [3][2]uint32
	res   [32]uint32
}

func address[T any](p *T) uint32 { return uint32(uintptr(unsafe.Pointer(p))) }

var names = []string{
	"a", "b", "d", "d/a", "d/b", "d/e", "d/e/f", "link", "abs", "loop", "dangling", "d/up", ".", "..", "d/", "a/", "link/", "", "/a",
	"d/../b", "../a", "d/./a", "packed", "packed/big", "packed/text", "packed/none", "packed/deep/er/file", "packed/deep", "abs/text",
	"packed/new", "d/e/../../packed/text", "dev/null", "dev/zero", "dev", "tmp/x", "nowhere/a", "a/b", "d//a", "deeplink/file",
	strings.Repeat("n", 255), strings.Repeat("n", 256), "d/" + strings.Repeat("x/", 100) + "y", "a\x00b",
}

func (c *caller) name(which int) (at, length uint32, text string) {
	text = names[c.rand.IntN(len(names))]
	return address(&c.paths[which][0]), uint32(copy(c.paths[which][:], text)), text
}

func (c *caller) dir() uint32 {
	if c.rand.IntN(4) > 0 {
		return 3
	}
	return c.fd()
}

func (c *caller) fd() uint32    { return uint32(3 + c.rand.IntN(9)) }
func (c *caller) freed() uint32 { return uint32(4 + c.rand.IntN(9)) }

func (c *caller) pick(values ...uint64) uint64 { return values[c.rand.IntN(len(values))] }

// buffers describes up to three buffers with something in them.
func (c *caller) buffers() (at, count uint32) {
	for i := range c.buf[:300] {
		c.buf[i] = byte(c.rand.IntN(256))
	}
	at = address(&c.buf[0])
	for i := range c.iovs {
		length := uint32(c.pick(0, 1, 5, 100, 4096, 20000))
		c.iovs[i] = [2]uint32{at, length}
		at += length
	}
	if c.rand.IntN(40) == 0 {
		c.iovs[1] = [2]uint32{0xfffffff0, 0x20}
	}
	return address(&c.iovs[0]), uint32(c.rand.IntN(4))
}

// digest stands for the contents of the buffers.
func (c *caller) digest(n uint32) uint32 {
	sum := uint32(2166136261)
	for _, b := range c.buf[:min(n, uint32(len(c.buf)))] {
		sum = (sum ^ uint32(b)) * 16777619
	}
	return sum
}

func (c *caller) say(e uint32, format string, args ...any) {
	fmt.Fprintf(c.out, "%d ", e)
	fmt.Fprintf(c.out, format, args...)
	c.out.WriteByte('\n')
}

// result is a result of a call that succeeded.
func (c *caller) result(e uint32) uint32 {
	if e != 0 {
		return 0
	}
	return c.res[0]
}

func (c *caller) open() {
	at, n, text := c.name(0)
	dir, follow, oflags := c.dir(), uint32(c.rand.IntN(2)), uint32(c.pick(0, 0, 0, 1, 1, 2, 4, 5, 8, 9, 3, 16))
	base := c.pick(2, 2, 2|64, 2|64, 64, 1<<14|1<<13, 1<<14, 0x1fffffff, 0)
	flags := uint32(c.pick(0, 0, 0, 1, 4, 16, 32))
	e := pathOpen(dir, follow, at, n, oflags, base, 0x1fffffff, flags, address(&c.res[0]))
	c.say(e, "open %d %d %q %d %x %d = %d", dir, follow, text, oflags, base, flags, c.result(e))
}

func (c *caller) read() {
	at, n := c.buffers()
	fd := c.fd()
	e := fdRead(fd, at, n, address(&c.res[0]))
	c.say(e, "read %d %d = %d %x", fd, n, c.result(e), c.digest(c.result(e)))
}

func (c *caller) write() {
	at, n := c.buffers()
	fd := c.fd()
	e := fdWrite(fd, at, n, address(&c.res[0]))
	c.say(e, "write %d %d = %d", fd, n, c.result(e))
}

func (c *caller) offset() uint64 {
	return c.pick(0, 1, 100, 4095, 4096, 5000, 65535, 65536, 70000, 200000, 1<<63, ^uint64(0))
}

func (c *caller) pread() {
	at, n := c.buffers()
	fd, offset := c.fd(), c.offset()
	e := fdPread(fd, at, n, offset, address(&c.res[0]))
	c.say(e, "pread %d %d %d = %d %x", fd, n, offset, c.result(e), c.digest(c.result(e)))
}

func (c *caller) pwrite() {
	at, n := c.buffers()
	fd, offset := c.fd(), c.offset()
	e := fdPwrite(fd, at, n, offset, address(&c.res[0]))
	c.say(e, "pwrite %d %d %d = %d", fd, n, offset, c.result(e))
}

func (c *caller) seek() {
	fd, offset, whence := c.fd(), c.pick(0, 0, 1, 50, 5000, 70000, ^uint64(0), ^uint64(99)), uint32(c.rand.IntN(4))
	e := fdSeek(fd, offset, whence, address(&c.res[0]))
	c.say(e, "seek %d %d %d = %d", fd, int64(offset), whence, c.result(e))
	e = fdTell(fd, address(&c.res[0]))
	c.say(e, "tell %d = %d", fd, c.result(e))
}

func (c *caller) resize() {
	fd, size := c.fd(), c.pick(0, 1, 10, 4096, 4097, 66000, 1<<63)
	c.say(fdFilestatSetSize(fd, size), "size %d %d", fd, size)
	fd, size = c.fd(), c.pick(0, 1, 100, 5000, 1<<63)
	c.say(fdAllocate(fd, 10, size), "allocate %d %d", fd, size)
}

func (c *caller) close() {
	fd := c.freed()
	c.say(fdClose(fd), "close %d", fd)
}

func (c *caller) move() {
	from, to := c.freed(), c.freed()
	c.say(fdRenumber(from, to), "renumber %d %d", from, to)
}

// stat prints a full stat, but for numbers and times that are a host's own.
func (c *caller) stat(e uint32, what string, args ...any) {
	if e == 0 {
		what += fmt.Sprintf(" = type %d links %d size %d mode %o %d %d", byte(c.res[4]), c.res[6], c.size(), c.res[16], c.res[17], c.res[18])
	}
	c.say(e, what, args...)
}

// size is that of anything but a directory, which a host is free to choose.
func (c *caller) size() uint32 {
	if byte(c.res[4]) == 3 {
		return 0
	}
	return c.res[8]
}

func (c *caller) stats() {
	at, n, text := c.name(0)
	dir, follow := c.dir(), uint32(c.rand.IntN(3))
	c.stat(pathStat(dir, follow, at, n, address(&c.res[0])), "stat %d %d %q", dir, follow, text)
	fd := c.fd()
	c.stat(fdStat(fd, address(&c.res[0])), "fstat %d", fd)
	c.res = [32]uint32{}
	e := fdFdstatGet(fd, address(&c.res[0]))
	c.say(e, "fdstat %d = %x", fd, c.res[:6])
}

func (c *caller) list() {
	fd := c.dir()
	var found []string
	size := uint32(300 + c.rand.IntN(400))
	for cookie := uint64(0); ; {
		if e := fdReaddir(fd, address(&c.names[0]), size, cookie, address(&c.res[0])); e != 0 {
			c.say(e, "readdir %d", fd)
			return
		}
		used := c.res[0]
		at := uint32(0)
		for at+24 <= used {
			length := *(*uint32)(unsafe.Pointer(&c.names[at+16]))
			if at+24+length > used {
				break
			}
			cookie = *(*uint64)(unsafe.Pointer(&c.names[at]))
			found = append(found, fmt.Sprintf("%.20q:%d", c.names[at+24:at+24+length], c.names[at+20]))
			at += 24 + length
		}
		if used < size {
			break
		}
	}
	slices.Sort(found)
	c.say(0, "readdir %d = %v", fd, found)
}

func (c *caller) make() {
	at, n, text := c.name(0)
	dir := c.dir()
	switch c.rand.IntN(6) {
	case 0:
		createMode(uint32(c.pick(0o700, 0o777, 0o1755)))
		c.say(pathCreateDirectory(dir, at, n), "mkdir %d %q", dir, text)
	case 1:
		c.say(pathCreateDirectory(dir, at, n), "mkdir %d %q", dir, text)
	case 2:
		c.say(pathUnlinkFile(dir, at, n), "unlink %d %q", dir, text)
	case 3:
		c.say(pathRemoveDirectory(dir, at, n), "rmdir %d %q", dir, text)
	case 4:
		mode := uint32(c.pick(0o600, 0o755, 0o4711))
		c.say(pathChmod(dir, 1, at, n, mode), "chmod %d %q %o", dir, text, mode)
	case 5:
		flags := uint32(c.pick(5, 1, 4, 0, 3, 16))
		c.say(pathFilestatSetTimes(dir, 1, at, n, 1e9, 2e9, flags), "times %d %q %d", dir, text, flags)
	}
}

func (c *caller) pairs() {
	at, n, text := c.name(0)
	to, m, other := c.name(1)
	dir, dir2 := c.dir(), c.dir()
	switch c.rand.IntN(5) {
	case 0:
		c.say(pathLink(dir, uint32(c.rand.IntN(2)), at, n, dir2, to, m), "link %d %q %d %q", dir, text, dir2, other)
	case 1, 2:
		c.say(pathRename(dir, at, n, dir2, to, m), "rename %d %q %d %q", dir, text, dir2, other)
	case 3:
		c.say(pathSymlink(at, n, dir2, to, m), "symlink %q %d %q", text, dir2, other)
	case 4:
		size := uint32(c.pick(0, 1, 100))
		e := pathReadlink(dir, at, n, address(&c.buf[0]), size, address(&c.res[0]))
		c.say(e, "readlink %d %q %d = %q", dir, text, size, c.buf[:c.result(e)])
	}
}

func (c *caller) descriptors() {
	fd, to := c.fd(), c.freed()
	switch c.rand.IntN(7) {
	case 0:
		e := fdDup(fd, uint32(c.rand.IntN(12)), address(&c.res[0]))
		c.say(e, "dup %d = %d", fd, c.result(e))
	case 1:
		c.say(fdDup2(fd, to), "dup2 %d %d", fd, to)
	case 2:
		e := pipe(address(&c.res[0]))
		c.say(e, "pipe = %d %d", c.result(e), c.res[1])
	case 3:
		flags := uint32(c.pick(0, 1, 4, 64))
		c.say(fdFdstatSetFlags(fd, flags), "flags %d %d", fd, flags)
	case 4:
		c.say(fdFdstatSetRights(to, c.pick(0, 2, 0x1fffffff), 0), "rights %d", to)
	case 5:
		c.say(fdPrestatGet(fd, address(&c.res[0])), "prestat %d", fd)
		c.say(fdAdvise(fd, 0, c.offset(), uint32(c.rand.IntN(7))), "advise %d", fd)
	case 6:
		c.say(pathOpen(3, 0, 0xffffff00, 0x200, 0, 2, 0, 0, address(&c.res[0])), "open outside of memory")
		c.say(fdStat(3, 0xfffffff0), "stat outside of memory")
		c.say(fdSync(fd), "sync %d", fd)
	}
}

func main() {
	seed, err := strconv.ParseUint(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	// Nothing is printed before the end: a call may have closed, or moved, anything.
	var text strings.Builder
	c := &caller{rand: rand.New(rand.NewPCG(seed, 0)), out: bufio.NewWriter(&text)}
	calls := []func(){
		c.open, c.open, c.open, c.read, c.write, c.pread, c.pwrite, c.seek, c.resize, c.close, c.move, c.stats, c.list, c.make, c.make, c.pairs,
		c.pairs, c.descriptors,
	}
	for range 1500 {
		calls[c.rand.IntN(len(calls))]()
	}
	c.out.Flush()
	fmt.Print(text.String())
}
