package coreutils

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"boxer.dev/vfs"
)

const lsOptions = "a|all A|almost-all 1 l d|directory R|recursive h|human-readable r|reverse S t U X F|classify? p i|inode n|numeric-uid-gid" +
	" g o G|no-group s|size L|dereference H c u C m x q b B Q|quote-name N|literal color? full-time group-directories-first time-style:" +
	" si sort: time: format: w:"

func lsMain(c *call) int {
	opts, operands, status, done := c.parse(lsOptions)
	if done {
		return status
	}
	l := &lister{call: c, o: flags(opts), sort: 'n', now: c.Now()}
	for _, o := range opts {
		switch o.name {
		case "l", "n", "g", "o", "full-time":
			l.long = true
		case "1", "C", "m", "x":
			if o.name != "1" {
				l.long = false
			}
		case "S", "t", "U", "X":
			l.sort = o.name[0]
		case "sort":
			l.sort = map[string]byte{"size": 'S', "time": 't', "none": 'U', "extension": 'X', "name": 'n'}[o.value]
		}
	}
	if l.long {
		l.loc = c.location()
		l.users, l.groups = c.users(), c.groups()
	}
	if len(operands) == 0 {
		operands = []string{"."}
	}
	l.operands(operands)
	return c.status
}

type lister struct {
	*call
	o             map[string]string
	long          bool
	sort          byte
	now           time.Time
	loc           *time.Location
	users, groups []account
	shown         bool
}

type lsEntry struct {
	name string
	path string
	st   vfs.Stat
}

func (l *lister) operands(names []string) {
	var files, dirs []lsEntry
	for _, name := range names {
		st, err := l.statOperand(name)
		if err != nil {
			l.failed(err, "cannot access %s", quote(name))
			l.status = 2
			continue
		}
		e := lsEntry{name, name, st}
		if st.IsDir() && !set(l.o, "d") {
			dirs = append(dirs, e)
		} else {
			files = append(files, e)
		}
	}
	l.order(files)
	l.order(dirs)
	if len(files) > 0 {
		l.list(files)
		l.shown = true
	}
	for _, d := range dirs {
		l.dir(d.path, len(names) > 1 || set(l.o, "R"))
	}
}

// statOperand follows a symlink unless its own line is wanted; one to nowhere is shown itself.
func (l *lister) statOperand(name string) (vfs.Stat, error) {
	st, err := l.lstat(name)
	if err != nil || st.Mode&fs.ModeSymlink == 0 {
		return st, err
	}
	own := l.long || set(l.o, "d") || set(l.o, "F")
	if target, terr := l.Env.stat(name); terr == nil && (!own || set(l.o, "L") || set(l.o, "H") || strings.HasSuffix(name, "/")) {
		return target, nil
	}
	return st, nil
}

func (l *lister) dir(name string, header bool) {
	if l.stopped() {
		return
	}
	entries, err := l.readDir(name)
	if err != nil {
		l.failed(err, "cannot open directory %s", quote(name))
		l.status = 2
		return
	}
	var list []lsEntry
	add := func(child string) {
		p := join(name, child)
		st, err := l.lstat(p)
		if err == nil && set(l.o, "L") {
			if target, terr := l.Env.stat(p); terr == nil {
				st = target
			}
		}
		if err != nil {
			l.failed(err, "cannot access %s", quote(p))
			return
		}
		list = append(list, lsEntry{child, p, st})
	}
	if set(l.o, "a") {
		add(".")
		add("..")
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || set(l.o, "a") || set(l.o, "A") {
			add(e.Name())
		}
	}
	l.order(list)
	if l.shown {
		l.print("\n")
	}
	l.shown = true
	if header {
		l.print(name + ":\n")
	}
	if l.long || set(l.o, "s") {
		l.total(list)
	}
	l.list(list)
	if set(l.o, "R") {
		for _, e := range list {
			if e.st.IsDir() && e.name != "." && e.name != ".." {
				l.dir(e.path, true)
			}
		}
	}
}

func blocks(st vfs.Stat) int64 {
	if !st.Mode.IsRegular() {
		return 0
	}
	return (st.Size + 4095) / 4096 * 4
}

func (l *lister) total(list []lsEntry) {
	sum := int64(0)
	for _, e := range list {
		sum += blocks(e.st)
	}
	if set(l.o, "h") {
		l.printf("total %s\n", humanSize(sum*1024))
	} else {
		l.printf("total %d\n", sum)
	}
}

func (l *lister) order(list []lsEntry) {
	slices.SortStableFunc(list, func(a, b lsEntry) int {
		n := 0
		switch l.sort {
		case 'U':
			return 0
		case 'S':
			n = int(min(max(b.st.Size-a.st.Size, -1), 1))
		case 't':
			n = b.st.Mtime.Compare(a.st.Mtime)
		case 'X':
			n = strings.Compare(extension(a.name), extension(b.name))
		}
		if n == 0 {
			n = strings.Compare(a.name, b.name)
		}
		if set(l.o, "r") {
			n = -n
		}
		if set(l.o, "group-directories-first") && a.st.IsDir() != b.st.IsDir() {
			if n = 1; a.st.IsDir() {
				n = -1
			}
		}
		return n
	})
}

func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i:]
	}
	return ""
}

func (l *lister) list(list []lsEntry) {
	rows := make([][]string, len(list))
	for i, e := range list {
		rows[i] = l.columns(e)
	}
	widths := make([]int, 16)
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			widths[i] = max(widths[i], len(cell))
		}
	}
	left := l.leftColumns()
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			pad := strings.Repeat(" ", widths[i]-len(cell))
			if left[i] {
				l.print(cell + pad + " ")
			} else {
				l.print(pad + cell + " ")
			}
		}
		l.print(row[len(row)-1] + "\n")
	}
}

// leftColumns tells which columns are text: mode, owner, group and time.
func (l *lister) leftColumns() map[int]bool {
	at, left := 0, map[int]bool{}
	if set(l.o, "i") {
		at++
	}
	if set(l.o, "s") {
		at++
	}
	left[at], left[at+2], left[at+3] = true, true, true
	return left
}

func (l *lister) columns(e lsEntry) []string {
	var row []string
	if set(l.o, "i") {
		row = append(row, strconv.FormatUint(e.st.Ino, 10))
	}
	if set(l.o, "s") {
		row = append(row, l.size(blocks(e.st)*1024, blocks(e.st)))
	}
	if l.long {
		row = append(row, modeString(e.st.Mode), strconv.Itoa(int(e.st.Nlink)))
		if !set(l.o, "g") {
			row = append(row, l.owner(l.users, e.st.UID))
		}
		if !set(l.o, "o") && !set(l.o, "G") {
			row = append(row, l.owner(l.groups, e.st.GID))
		}
		size := l.size(e.st.Size, e.st.Size)
		if e.st.Mode&fs.ModeDevice != 0 {
			size = fmt.Sprintf("%d, %d", e.st.Rdev>>8&0xfff, e.st.Rdev&0xff)
		}
		row = append(row, size, l.time(e.st))
	}
	return append(row, l.label(e))
}

func (l *lister) owner(list []account, id uint32) string {
	if set(l.o, "n") {
		return strconv.FormatUint(uint64(id), 10)
	}
	return userName(list, id)
}

func (l *lister) size(n, plain int64) string {
	if set(l.o, "h") {
		return humanSize(n)
	}
	return strconv.FormatInt(plain, 10)
}

func (l *lister) time(st vfs.Stat) string {
	t := st.Mtime
	switch {
	case set(l.o, "u"):
		t = st.Atime
	case set(l.o, "c"):
		t = st.Ctime
	}
	t = t.In(l.loc)
	style := l.o["time-style"]
	switch {
	case set(l.o, "full-time"), style == "full-iso":
		return strftime("%Y-%m-%d %H:%M:%S.%N %z", t)
	case style == "long-iso":
		return strftime("%Y-%m-%d %H:%M", t)
	case strings.HasPrefix(style, "+"):
		return strftime(style[1:], t)
	case t.After(l.now.Add(time.Hour)), t.Before(l.now.AddDate(0, 0, -182)):
		return strftime("%b %e  %Y", t)
	}
	return strftime("%b %e %H:%M", t)
}

func (l *lister) label(e lsEntry) string {
	name := e.name
	if set(l.o, "Q") {
		name = strconv.Quote(name)
	}
	mode := e.st.Mode
	link := ""
	if l.long && mode&fs.ModeSymlink != 0 {
		if target, err := l.FS.Readlink(l.abs(e.path)); err == nil {
			link = " -> " + target
			if st, err := l.Env.stat(e.path); err == nil {
				mode = st.Mode
			}
		}
		if set(l.o, "F") {
			return name + link + indicator(mode)
		}
		return name + link
	}
	switch {
	case set(l.o, "F"):
		return name + indicator(mode)
	case set(l.o, "p") && mode.IsDir():
		return name + "/"
	}
	return name
}

func indicator(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "/"
	case mode&fs.ModeSymlink != 0:
		return "@"
	case mode&fs.ModeNamedPipe != 0:
		return "|"
	case mode&fs.ModeSocket != 0:
		return "="
	case mode.IsRegular() && mode&0o111 != 0:
		return "*"
	}
	return ""
}

// humanSize shows a size in powers of 1024, rounded up as GNU does: 1.5K, 12M.
func humanSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	unit, v := -1, n
	rest := false
	for v >= 1024*1024 || unit < 0 && v >= 1024 {
		rest = rest || v%1024 != 0
		unit++
		if v < 1024*1024 {
			break
		}
		v /= 1024
	}
	tenths := (v*10 + 1023) / 1024
	if rest && v*10%1024 == 0 {
		tenths++
	}
	switch {
	case tenths < 100:
		return fmt.Sprintf("%d.%d%c", tenths/10, tenths%10, "KMGTPE"[unit])
	case (tenths+9)/10 >= 1024:
		return fmt.Sprintf("1.0%c", "KMGTPE"[unit+1])
	}
	return fmt.Sprintf("%d%c", (tenths+9)/10, "KMGTPE"[unit])
}
