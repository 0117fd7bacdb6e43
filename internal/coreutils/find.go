package coreutils

import (
	"fmt"
	"io/fs"
	"strings"

	"boxer.dev/vfs"
)

// findMain is find: walks each starting point in the order of names and evaluates the expression (findexpr.go)
// for every file.
func findMain(c *call) int {
	args := c.Args[1:]
	f := &finder{call: c, maxDepth: -1, now: c.Now()}
	for len(args) > 0 && (args[0] == "-H" || args[0] == "-L" || args[0] == "-P") {
		f.follow = args[0] == "-L"
		f.followArgs = args[0] != "-P"
		args = args[1:]
	}
	n := 0
	for n < len(args) && !startsExpression(args[n]) {
		n++
	}
	starts := args[:n]
	if len(starts) == 0 {
		starts = []string{"."}
	}
	if len(args) > n && (args[n] == "--help" || args[n] == "-help") {
		c.printf("Usage: %s %s\n", c.name, c.usage)
		return 0
	}
	p := &findParser{finder: f, args: args[n:]}
	expr, err := p.parse()
	if err != nil {
		c.errorf("%v", err)
		return 1
	}
	f.expr = expr
	for _, start := range starts {
		if f.quit || c.stopped() {
			break
		}
		f.start(start)
	}
	f.runBatches()
	return c.status
}

func startsExpression(s string) bool {
	return len(s) > 1 && s[0] == '-' || s == "(" || s == ")" || s == "!" || s == ","
}

type finder struct {
	*call
	expr               findExpr
	follow, followArgs bool
	depthFirst         bool
	minDepth, maxDepth int
	quit, prune, acts  bool
	now                timeOf
	batches            []*findBatch
	openDirs           []fileID // with -L: the directories being walked, against loops
	mount              bool
	startDev           uint64
	extended           bool // -regextype
}

// found is the file that an expression looks at.
type found struct {
	path  string
	start string // the starting point it was found under
	st    vfs.Stat
	depth int
}

func (f *finder) start(name string) {
	stat := f.lstat
	if f.follow || f.followArgs {
		stat = f.statOrLink
	}
	st, err := stat(name)
	if err != nil {
		f.failed(err, "%s", quote(name))
		return
	}
	f.startDev = st.Dev
	f.visit(found{name, name, st, 0})
}

// statOrLink follows a symlink unless it leads nowhere.
func (f *finder) statOrLink(name string) (vfs.Stat, error) {
	if st, err := f.Env.stat(name); err == nil {
		return st, nil
	}
	return f.lstat(name)
}

func (f *finder) visit(file found) {
	if f.quit || f.stopped() {
		return
	}
	dir := file.st.IsDir() && (f.maxDepth < 0 || file.depth < f.maxDepth)
	f.prune = false
	if !f.depthFirst {
		f.evaluate(file)
	}
	if dir && !(f.prune && !f.depthFirst) && !(f.mount && file.st.Dev != f.startDev) {
		f.children(file)
	}
	if f.depthFirst && !f.quit {
		f.evaluate(file)
	}
}

func (f *finder) evaluate(file found) {
	if file.depth >= f.minDepth {
		f.expr(file)
	}
}

func (f *finder) children(dir found) {
	if f.follow {
		for _, id := range f.openDirs {
			if id == idOf(dir.st) {
				f.errorf("File system loop detected; %s is part of the same file system loop as one of its parents.", quote(dir.path))
				return
			}
		}
		f.openDirs = append(f.openDirs, idOf(dir.st))
		defer func() { f.openDirs = f.openDirs[:len(f.openDirs)-1] }()
	}
	entries, err := f.readDir(dir.path)
	if err != nil {
		f.failed(err, "%s", quote(dir.path))
		return
	}
	for _, e := range entries {
		name := join(dir.path, e.Name())
		stat := f.lstat
		if f.follow {
			stat = f.statOrLink
		}
		st, err := stat(name)
		if err != nil {
			if !isNotExist(err) {
				f.failed(err, "%s", quote(name))
			}
			continue
		}
		f.visit(found{name, dir.start, st, dir.depth + 1})
	}
}

// findBatch is an -exec … {} + that collects names.
type findBatch struct {
	args  []string
	names []string
	size  int
}

func (f *finder) runBatches() {
	for _, b := range f.batches {
		f.runBatch(b)
	}
}

func (f *finder) runBatch(b *findBatch) {
	if len(b.names) == 0 {
		return
	}
	args := append(append([]string(nil), b.args...), b.names...)
	b.names, b.size = nil, 0
	if f.command(args, f.stdin, nil) != 0 {
		f.status = 1
	}
}

func (f *finder) execEach(args []string, file found) bool {
	cmd := make([]string, len(args))
	for i, a := range args {
		cmd[i] = strings.ReplaceAll(a, "{}", file.path)
	}
	status := f.status
	ok := f.command(cmd, f.stdin, nil) == 0
	f.status = status
	return ok
}

func (f *finder) execDir(args []string, file found) bool {
	cmd := make([]string, len(args))
	for i, a := range args {
		cmd[i] = strings.ReplaceAll(a, "{}", "./"+base(file.path))
	}
	return f.command(cmd, f.stdin, func(r *ExecRequest) { r.Dir = f.abs(dirname(file.path)) }) == 0
}

func (f *finder) remove(file found) bool {
	if file.path == "." || file.path == "/" {
		return true
	}
	if err := f.FS.Remove(f.abs(file.path)); err != nil {
		f.failed(err, "cannot delete %s", quote(file.path))
		return false
	}
	return true
}

// list is -ls.
func (f *finder) list(file found) {
	link := ""
	if target, err := f.FS.Readlink(f.abs(file.path)); err == nil && file.st.Mode&fs.ModeSymlink != 0 {
		link = " -> " + target
	}
	f.printf("%9d %6d %s %3d %-8s %-8s %8d %s %s%s\n", file.st.Ino, blocks(file.st), modeString(file.st.Mode), file.st.Nlink,
		userName(f.users(), file.st.UID), userName(f.groups(), file.st.GID), file.st.Size,
		strftime("%b %e %H:%M", file.st.Mtime.In(f.location())), file.path, link)
}

// findPrintf expands the format of -printf.
func (f *finder) findPrintf(format string, file found) string {
	var b strings.Builder
	for i := 0; i < len(format); {
		switch {
		case format[i] == '\\' && i+1 < len(format):
			text, n, stop := escape(format[i:], false)
			if stop {
				return b.String()
			}
			b.WriteString(text)
			i += n
		case format[i] == '%' && i+1 < len(format):
			j := i + 1
			for j < len(format)-1 && strings.IndexByte("-0123456789.", format[j]) >= 0 {
				j++
			}
			text, n := f.findField(format[j:], file)
			b.WriteString(fmt.Sprintf("%"+boundedWidth(format[i+1:j])+"s", text))
			i = j + n
		default:
			b.WriteByte(format[i])
			i++
		}
	}
	return b.String()
}

func boundedWidth(spec string) string {
	if len(spec) > 4 {
		return ""
	}
	return spec
}

func (f *finder) findField(s string, file found) (text string, n int) {
	st := file.st
	if (s[0] == 'T' || s[0] == 'A' || s[0] == 'C') && len(s) > 1 {
		t := map[byte]timeOf{'T': st.Mtime, 'A': st.Atime, 'C': st.Ctime}[s[0]].In(f.location())
		switch s[1] {
		case '@':
			return fmt.Sprintf("%d.%09d0", t.Unix(), t.Nanosecond()), 2
		case '+':
			return strftime("%F+%T", t), 2
		}
		return strftime("%"+s[1:2], t), 2
	}
	switch s[0] {
	case 'p':
		return file.path, 1
	case 'f':
		return base(file.path), 1
	case 'h':
		return dirname(file.path), 1
	case 'P':
		return strings.TrimPrefix(strings.TrimPrefix(file.path, file.start), "/"), 1
	case 'H':
		return file.start, 1
	case 'd':
		return fmt.Sprint(file.depth), 1
	case 'm':
		return f.statField('a', file.path, st), 1
	case 'M':
		return modeString(st.Mode), 1
	case 'y':
		return strings.Replace(string(typeLetter(st.Mode)), "-", "f", 1), 1
	case 'l':
		if st.Mode&fs.ModeSymlink == 0 {
			return "", 1
		}
		target, _ := f.FS.Readlink(f.abs(file.path))
		return target, 1
	case 'n':
		return fmt.Sprint(st.Nlink), 1
	case 'k':
		return fmt.Sprint(blocks(st)), 1
	case 't':
		return strftime("%a %b %e %T.%N %Y", st.Mtime.In(f.location())), 1
	case 'u':
		return userName(f.users(), st.UID), 1
	case 'g':
		return userName(f.groups(), st.GID), 1
	case 'U':
		return fmt.Sprint(st.UID), 1
	case 'G':
		return fmt.Sprint(st.GID), 1
	case 's', 'i', 'b', 'D':
		return f.statField(s[0], file.path, st), 1
	case '%':
		return "%", 1
	}
	return "%" + s[:1], 1
}
