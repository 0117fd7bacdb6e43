package coreutils

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"boxer.dev/vfs"
)

func statMain(c *call) int {
	opts, operands, status, done := c.parse("c|format: printf: L|dereference f|file-system t|terse")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	o := flags(opts)
	format := o["c"] + "\n"
	switch {
	case set(o, "f"):
		c.errorf("the state of a file system is not available in a box")
		return 1
	case set(o, "printf"):
		format, _ = unescape(o["printf"], false)
	case set(o, "t"):
		format = "%n %s %b %f %u %g %D %i %h 0 0 %X %Y %Z 0 4096\n"
	case !set(o, "c"):
		format = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: 0,%d\tInode: %-10i  Links: %h\n" +
			"Access: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: -\n"
	}
	for _, name := range operands {
		stat := c.lstat
		if set(o, "L") {
			stat = c.stat
		}
		st, err := stat(name)
		if err != nil {
			c.failed(err, "cannot statx %s", quote(name))
			continue
		}
		c.print(c.formatStat(format, name, st))
	}
	return c.status
}

// formatStat expands the conversions of stat -c.
func (c *call) formatStat(format, name string, st vfs.Stat) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		j := i + 1
		for j < len(format) && strings.IndexByte("-0123456789", format[j]) >= 0 {
			j++
		}
		if j == len(format) {
			b.WriteString(format[i:])
			break
		}
		value := c.statField(format[j], name, st)
		spec := format[i+1 : j]
		width, _ := strconv.Atoi(strings.TrimLeft(spec, "-0"))
		pad := strings.Repeat(" ", max(0, min(width, 1000)-len(value)))
		switch {
		case strings.HasPrefix(spec, "-"):
			b.WriteString(value + pad)
		case strings.HasPrefix(spec, "0"):
			b.WriteString(strings.ReplaceAll(pad, " ", "0") + value)
		default:
			b.WriteString(pad + value)
		}
		i = j
	}
	return b.String()
}

func (c *call) statField(conv byte, name string, st vfs.Stat) string {
	full := func(t time.Time) string { return strftime("%Y-%m-%d %H:%M:%S.%N %z", t.In(c.location())) }
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	switch conv {
	case 'n':
		return name
	case 'N':
		if target, err := c.FS.Readlink(c.abs(name)); err == nil && st.Mode&fs.ModeSymlink != 0 {
			return quote(name) + " -> " + quote(target)
		}
		return quote(name)
	case 's':
		return strconv.FormatInt(st.Size, 10)
	case 'b':
		return strconv.FormatInt(blocks(st)*2, 10)
	case 'B':
		return "512"
	case 'o':
		return "4096"
	case 'a':
		return strconv.FormatUint(uint64(unixBits(st.Mode)), 8)
	case 'A':
		return modeString(st.Mode)
	case 'f':
		return strconv.FormatUint(uint64(rawMode(st.Mode)), 16)
	case 'F':
		return fileType(st)
	case 'u':
		return number(uint64(st.UID))
	case 'g':
		return number(uint64(st.GID))
	case 'U':
		return userName(c.users(), st.UID)
	case 'G':
		return userName(c.groups(), st.GID)
	case 'i':
		return number(st.Ino)
	case 'h':
		return number(uint64(st.Nlink))
	case 'd':
		return number(st.Dev)
	case 'D':
		return strconv.FormatUint(st.Dev, 16)
	case 'x':
		return full(st.Atime)
	case 'y':
		return full(st.Mtime)
	case 'z':
		return full(st.Ctime)
	case 'X':
		return strconv.FormatInt(st.Atime.Unix(), 10)
	case 'Y':
		return strconv.FormatInt(st.Mtime.Unix(), 10)
	case 'Z':
		return strconv.FormatInt(st.Ctime.Unix(), 10)
	case 'w':
		return "-"
	case 'W':
		return "0"
	case '%':
		return "%"
	}
	return "?"
}

// rawMode is st_mode with its type bits.
func rawMode(m fs.FileMode) uint32 {
	types := map[byte]uint32{'d': 0o040000, 'l': 0o120000, 'c': 0o020000, 'b': 0o060000, 'p': 0o010000, 's': 0o140000, '-': 0o100000}
	return types[typeLetter(m)] | unixBits(m)
}

func fileType(st vfs.Stat) string {
	switch typeLetter(st.Mode) {
	case 'd':
		return "directory"
	case 'l':
		return "symbolic link"
	case 'c':
		return "character special file"
	case 'b':
		return "block special file"
	case 'p':
		return "fifo"
	case 's':
		return "socket"
	}
	if st.Size == 0 {
		return "regular empty file"
	}
	return "regular file"
}

func duMain(c *call) int {
	opts, operands, status, done := c.parse("a|all s|summarize h|human-readable c|total k m b|bytes B|block-size: d|max-depth: x apparent-size L D")
	if done {
		return status
	}
	d := &usage{call: c, o: flags(opts), depth: -1, seen: map[fileID]bool{}}
	if set(d.o, "d") {
		n, err := strconv.Atoi(d.o["d"])
		if err != nil {
			return c.usageError("invalid maximum depth %s", quote(d.o["d"]))
		}
		d.depth = n
	}
	if set(d.o, "s") {
		d.depth = 0
	}
	if len(operands) == 0 {
		operands = []string{"."}
	}
	total := int64(0)
	for _, name := range operands {
		n, ok := d.walk(name, 0)
		if ok {
			total += n
		}
	}
	if set(d.o, "c") {
		d.show(total, "total")
	}
	return c.status
}

type usage struct {
	*call
	o     map[string]string
	depth int
	seen  map[fileID]bool
}

// walk returns the bytes under name: blocks of 4096, or exact sizes with -b. Directories take nothing.
func (d *usage) walk(name string, depth int) (int64, bool) {
	st, err := d.lstat(name)
	if err != nil {
		d.failed(err, "cannot access %s", quote(name))
		return 0, false
	}
	if st.Nlink > 1 && !st.IsDir() {
		if d.seen[idOf(st)] {
			return 0, false
		}
		d.seen[idOf(st)] = true
	}
	size := blocks(st) * 1024
	if set(d.o, "b") || set(d.o, "apparent-size") {
		size = st.Size
	}
	if st.IsDir() {
		entries, err := d.readDir(name)
		if err != nil {
			d.failed(err, "cannot read directory %s", quote(name))
		}
		for _, e := range entries {
			if n, ok := d.walk(join(name, e.Name()), depth+1); ok {
				size += n
			}
		}
	}
	if depth == 0 || (st.IsDir() || set(d.o, "a")) && (d.depth < 0 || depth <= d.depth) {
		d.show(size, name)
	}
	return size, d.ctx.Err() == nil
}

func (d *usage) show(size int64, name string) {
	unit := int64(1024)
	switch {
	case set(d.o, "h"):
		d.printf("%s\t%s\n", humanSize(size), name)
		return
	case set(d.o, "b"):
		unit = 1
	case set(d.o, "m"):
		unit = 1 << 20
	case set(d.o, "B"):
		if n, ok := parseSize(d.o["B"]); ok && n > 0 {
			unit = n
		}
	}
	d.print(fmt.Sprintf("%d\t%s\n", (size+unit-1)/unit, name))
}

func dfMain(c *call) int {
	_, _, status, done := c.parse("h k m P T a i t: x: B: output?")
	if done {
		return status
	}
	c.print("Filesystem     1K-blocks  Used Available Use% Mounted on\nbox                    -     -         -    - /\n")
	return 0
}
