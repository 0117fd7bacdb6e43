package coreutils

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/pattern"

	"boxer.dev/vfs"
)

type timeOf = time.Time

// findExpr is a compiled expression of find.
type findExpr func(found) bool

// findParser compiles find's command line: "," -o -a ! ( ) from the loosest to the tightest.
type findParser struct {
	*finder
	args  []string
	depth int
}

func (p *findParser) parse() (findExpr, error) {
	show := findExpr(func(f found) bool { p.print(f.path + "\n"); return true })
	if len(p.args) == 0 {
		return show, nil
	}
	e, err := p.list()
	if err == nil && len(p.args) > 0 {
		err = errors.New("you have too many ')'")
	}
	if err != nil || p.acts {
		return e, err
	}
	return func(f found) bool { return e(f) && show(f) }, nil
}

func (p *findParser) peek(words ...string) bool {
	return len(p.args) > 0 && slices.Contains(words, p.args[0])
}

func (p *findParser) list() (findExpr, error) {
	e, err := p.or()
	for err == nil && p.peek(",") {
		p.args = p.args[1:]
		left := e
		var right findExpr
		right, err = p.or()
		e = func(f found) bool { left(f); return right(f) }
	}
	return e, err
}

func (p *findParser) or() (findExpr, error) {
	e, err := p.and()
	for err == nil && p.peek("-o", "-or") {
		p.args = p.args[1:]
		left := e
		var right findExpr
		right, err = p.and()
		e = func(f found) bool { return left(f) || right(f) }
	}
	return e, err
}

func (p *findParser) and() (findExpr, error) {
	e, err := p.not()
	for err == nil && len(p.args) > 0 && !p.peek("-o", "-or", ",", ")") {
		if p.peek("-a", "-and") {
			p.args = p.args[1:]
		}
		left := e
		var right findExpr
		right, err = p.not()
		e = func(f found) bool { return left(f) && right(f) }
	}
	return e, err
}

func (p *findParser) not() (findExpr, error) {
	if p.depth++; p.depth > 500 {
		return nil, errors.New("expression too deep")
	}
	defer func() { p.depth-- }()
	if p.peek("!", "-not") {
		p.args = p.args[1:]
		e, err := p.not()
		return func(f found) bool { return !e(f) }, err
	}
	if p.peek("(") {
		p.args = p.args[1:]
		e, err := p.list()
		if err == nil && !p.peek(")") {
			err = errors.New("invalid expression; I was expecting to find a ')' somewhere but did not see one")
		}
		if err == nil {
			p.args = p.args[1:]
		}
		return e, err
	}
	return p.primary()
}

func (p *findParser) word(of string) (string, error) {
	if len(p.args) == 0 {
		return "", fmt.Errorf("missing argument to `%s'", of)
	}
	w := p.args[0]
	p.args = p.args[1:]
	return w, nil
}

func always(found) bool { return true }

// action wraps a primary that does something, so that -print is not implied.
func (p *findParser) action(do findExpr) (findExpr, error) {
	p.acts = true
	return do, nil
}

func (p *findParser) primary() (findExpr, error) {
	if len(p.args) == 0 {
		return nil, errors.New("invalid expression: expected an expression")
	}
	name, _ := p.word("")
	switch name {
	case "-true", "-nowarn", "-warn", "-noleaf", "-ignore_readdir_race", "-daystart":
		return always, nil
	case "-false":
		return func(found) bool { return false }, nil
	case "-depth", "-d":
		p.depthFirst = true
		return always, nil
	case "-xdev", "-mount":
		p.mount = true
		return always, nil
	case "-follow":
		p.follow = true
		return always, nil
	case "-print":
		return p.action(func(f found) bool { p.print(f.path + "\n"); return true })
	case "-print0":
		return p.action(func(f found) bool { p.print(f.path + "\x00"); return true })
	case "-ls":
		return p.action(func(f found) bool { p.finder.list(f); return true })
	case "-prune":
		return func(found) bool { p.finder.prune = true; return true }, nil
	case "-quit":
		return p.action(func(found) bool { p.quit = true; return true })
	case "-delete":
		p.depthFirst = true
		return p.action(p.remove)
	case "-empty":
		return p.empty, nil
	case "-readable", "-writable":
		return always, nil
	case "-executable":
		return func(f found) bool { return f.st.IsDir() || f.st.Mode&0o111 != 0 }, nil
	case "-nouser":
		return func(f found) bool { _, err := strconv.Atoi(userName(p.users(), f.st.UID)); return err == nil }, nil
	case "-nogroup":
		return func(f found) bool { _, err := strconv.Atoi(userName(p.groups(), f.st.GID)); return err == nil }, nil
	case "-exec", "-execdir", "-ok", "-okdir":
		return p.exec(name)
	}
	if !strings.HasPrefix(name, "-") {
		return nil, fmt.Errorf("paths must precede expression: `%s'", name)
	}
	return p.withArgument(name)
}

// withArgument compiles the primaries that take one argument.
func (p *findParser) withArgument(name string) (findExpr, error) {
	make := findPrimaries[name]
	if make == nil {
		return nil, fmt.Errorf("unknown predicate `%s'", name)
	}
	arg, err := p.word(name)
	if err != nil {
		return nil, err
	}
	e, err := make(p, name, arg)
	if err != nil {
		err = fmt.Errorf("%w to `%s'", err, name)
	}
	return e, err
}

var findPrimaries map[string]func(p *findParser, name, arg string) (findExpr, error)

func init() {
	findPrimaries = map[string]func(p *findParser, name, arg string) (findExpr, error){
		"-name": findName, "-iname": findName, "-path": findName, "-ipath": findName, "-wholename": findName,
		"-lname": findName, "-ilname": findName, "-regex": findRegex, "-iregex": findRegex, "-regextype": findRegexType,
		"-type": findType, "-xtype": findType, "-maxdepth": findDepth, "-mindepth": findDepth,
		"-newer": findNewer, "-anewer": findNewer, "-cnewer": findNewer, "-newermt": findNewerDate,
		"-mtime": findAge, "-atime": findAge, "-ctime": findAge, "-mmin": findAge, "-amin": findAge, "-cmin": findAge,
		"-size": findSize, "-perm": findPerm, "-user": findUser, "-group": findUser, "-uid": findUser, "-gid": findUser,
		"-links": findNumber, "-inum": findNumber, "-samefile": findSame, "-printf": findPrintf, "-fprint": findPrintTo, "-fprint0": findPrintTo,
	}
}

func findName(p *findParser, name, arg string) (findExpr, error) {
	match, err := globMatcher(arg, strings.Contains(name, "-i"))
	if err != nil {
		return nil, err
	}
	switch strings.Replace(name, "-i", "-", 1) {
	case "-name":
		return func(f found) bool { return match(base(f.path)) }, nil
	case "-lname":
		return func(f found) bool {
			target, err := p.FS.Readlink(p.abs(f.path))
			return err == nil && match(target)
		}, nil
	}
	return func(f found) bool { return match(f.path) }, nil
}

// globMatcher compiles an fnmatch(3) pattern in which a star also matches slashes and leading dots.
func globMatcher(pat string, fold bool) (func(string) bool, error) {
	mode := pattern.EntireString | pattern.Mode(0)
	if fold {
		mode |= pattern.NoGlobCase
	}
	expr, err := pattern.Regexp(pat, mode)
	if err != nil {
		return func(s string) bool { return s == pat }, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

func findRegexType(p *findParser, _, arg string) (findExpr, error) {
	p.extended = strings.Contains(arg, "extended") || strings.Contains(arg, "egrep") || strings.Contains(arg, "awk")
	return always, nil
}

func findRegex(p *findParser, name, arg string) (findExpr, error) {
	re, err := compileRegex(arg, regexOptions{extended: p.extended, fold: name == "-iregex", line: true, stopped: p.stopped})
	if err != nil {
		return nil, err
	}
	return func(f found) bool { return re.matches([]byte(f.path)) }, nil
}

func findType(p *findParser, name, arg string) (findExpr, error) {
	types := strings.ReplaceAll(strings.ReplaceAll(arg, ",", ""), "f", "-")
	if types == "" || strings.Trim(types, "-dlbcps") != "" {
		return nil, errors.New("Unknown argument " + quote(arg))
	}
	return func(f found) bool {
		mode := f.st.Mode
		if name == "-xtype" {
			if st, err := p.statOrLink(f.path); err == nil {
				mode = st.Mode
			}
		}
		return strings.IndexByte(types, typeLetter(mode)) >= 0
	}, nil
}

func findDepth(p *findParser, name, arg string) (findExpr, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 0 {
		return nil, errors.New("Expected a positive decimal integer argument, but got " + quote(arg))
	}
	if name == "-maxdepth" {
		p.maxDepth = n
	} else {
		p.minDepth = n
	}
	return always, nil
}

func fileTime(name string, st vfs.Stat) time.Time {
	switch name[1] {
	case 'a':
		return st.Atime
	case 'c':
		return st.Ctime
	}
	return st.Mtime
}

func findNewer(p *findParser, name, arg string) (findExpr, error) {
	ref, err := p.Env.stat(arg)
	if err != nil {
		return nil, fmt.Errorf("%s: %s, the argument", quote(arg), errText(err))
	}
	return func(f found) bool { return fileTime(name, f.st).After(ref.Mtime) }, nil
}

func findNewerDate(p *findParser, _, arg string) (findExpr, error) {
	t, err := parseDate(arg, p.now.In(p.location()))
	return func(f found) bool { return f.st.Mtime.After(t) }, err
}

// comparison parses "+N" (more), "-N" (less) and "N".
func comparison(arg string) (func(n int64) bool, error) {
	v, err := strconv.ParseInt(strings.TrimLeft(arg, "+-"), 10, 64)
	if err != nil {
		return nil, errors.New("invalid argument `" + arg + "'")
	}
	switch arg[0] {
	case '+':
		return func(n int64) bool { return n > v }, nil
	case '-':
		return func(n int64) bool { return n < v }, nil
	}
	return func(n int64) bool { return n == v }, nil
}

func findAge(p *findParser, name, arg string) (findExpr, error) {
	test, err := comparison(arg)
	unit := 24 * time.Hour
	if strings.HasSuffix(name, "min") {
		unit = time.Minute
	}
	return func(f found) bool {
		age := p.now.Sub(fileTime(name, f.st))
		n := int64(age / unit)
		if unit == time.Minute && age%unit > 0 {
			n++ // minutes are rounded up, days down
		}
		return test(n)
	}, err
}

func findSize(_ *findParser, _, arg string) (findExpr, error) {
	unit := int64(512)
	if i := strings.IndexByte("cwbkMG", arg[max(0, len(arg)-1)]); arg != "" && i >= 0 {
		unit = []int64{1, 2, 512, 1 << 10, 1 << 20, 1 << 30}[i]
		arg = arg[:len(arg)-1]
	}
	if arg == "" {
		return nil, errors.New("invalid argument `'")
	}
	test, err := comparison(arg)
	return func(f found) bool { return test((f.st.Size + unit - 1) / unit) }, err
}

func findPerm(_ *findParser, _, arg string) (findExpr, error) {
	kind, mode := byte(0), arg
	if arg != "" && (arg[0] == '-' || arg[0] == '/') {
		kind, mode = arg[0], arg[1:]
	}
	change, err := parseMode(mode)
	if err != nil {
		return nil, errors.New("invalid mode " + quote(arg))
	}
	want := unixBits(change.apply(0, 0))
	return func(f found) bool {
		bits := unixBits(f.st.Mode)
		switch kind {
		case '-':
			return bits&want == want
		case '/':
			return want == 0 || bits&want != 0
		}
		return bits == want
	}, nil
}

func findUser(p *findParser, name, arg string) (findExpr, error) {
	if name == "-uid" || name == "-gid" {
		test, err := comparison(arg)
		return func(f found) bool {
			if name == "-uid" {
				return test(int64(f.st.UID))
			}
			return test(int64(f.st.GID))
		}, err
	}
	if name == "-user" {
		uid, _, err := p.parseOwner(arg)
		return func(f found) bool { return int(f.st.UID) == uid }, err
	}
	gid, err := p.parseGroup(arg)
	return func(f found) bool { return int(f.st.GID) == gid }, err
}

func findNumber(_ *findParser, name, arg string) (findExpr, error) {
	test, err := comparison(arg)
	return func(f found) bool {
		if name == "-links" {
			return test(int64(f.st.Nlink))
		}
		return test(int64(f.st.Ino))
	}, err
}

func findSame(p *findParser, _, arg string) (findExpr, error) {
	ref, err := p.lstat(arg)
	return func(f found) bool { return sameFile(f.st, ref) }, err
}

func findPrintf(p *findParser, _, arg string) (findExpr, error) {
	return p.action(func(f found) bool { p.print(p.finder.findPrintf(arg, f)); return true })
}

func findPrintTo(p *findParser, name, arg string) (findExpr, error) {
	w, err := p.create(arg, vfs.O_TRUNC)
	if err != nil {
		return nil, errors.New(errText(err))
	}
	end := lineEnd(name == "-fprint0")
	return p.action(func(f found) bool { _, err := io.WriteString(w, f.path+end); return err == nil })
}

func (f *finder) empty(file found) bool {
	switch {
	case file.st.Mode.IsRegular():
		return file.st.Size == 0
	case file.st.Mode&fs.ModeDir != 0:
		entries, err := f.readDir(file.path)
		return err == nil && len(entries) == 0
	}
	return false
}

// exec compiles -exec COMMAND ; and -exec COMMAND {} +.
func (p *findParser) exec(name string) (findExpr, error) {
	for i, a := range p.args {
		plus := a == "+" && i > 0 && p.args[i-1] == "{}"
		if a != ";" && !plus {
			continue
		}
		args := p.args[:i]
		p.args = p.args[i+1:]
		if len(args) == 0 {
			break
		}
		if !plus {
			return p.action(p.execOne(name, args))
		}
		b := &findBatch{args: args[:len(args)-1]}
		if name == "-execdir" {
			return p.action(func(f found) bool { p.execDir(append(b.args[:len(b.args):len(b.args)], "{}"), f); return true })
		}
		p.batches = append(p.batches, b)
		return p.action(func(f found) bool {
			if b.size += len(f.path) + 1; b.size > xargsMaxChars {
				p.runBatch(b)
			}
			b.names = append(b.names, f.path)
			return true
		})
	}
	return nil, fmt.Errorf("missing argument to `%s'", name)
}

func (p *findParser) execOne(name string, args []string) findExpr {
	return func(f found) bool {
		if strings.HasPrefix(name, "-ok") && !p.confirm("%s ... %s? ", args[0], f.path) {
			return false
		}
		if strings.HasSuffix(name, "dir") {
			return p.execDir(args, f)
		}
		return p.execEach(args, f)
	}
}
