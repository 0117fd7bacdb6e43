package coreutils

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/term"

	"boxer.dev/vfs"
)

// testMain is test and [: POSIX's rules by number of arguments, with the -a, -o and parentheses of old.
func testMain(c *call) int {
	args := c.Args[1:]
	if c.name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			c.errorf("missing ']'")
			return 2
		}
		args = args[:len(args)-1]
	}
	t := &tester{call: c, args: args}
	ok, err := t.evaluate()
	switch {
	case err != nil:
		c.errorf("%v", err)
		return 2
	case ok:
		return 0
	}
	return 1
}

type tester struct {
	*call
	args []string
}

// evaluate decides up to four arguments by their number, as POSIX wants, and parses longer expressions.
func (t *tester) evaluate() (bool, error) {
	a := t.args
	switch {
	case len(a) == 0:
		return false, nil
	case len(a) == 1:
		return a[0] != "", nil
	case len(a) == 2 && a[0] == "!":
		return a[1] == "", nil
	case len(a) == 2 && isUnaryTest(a[0]):
		return t.unary(a[0], a[1])
	case len(a) == 2:
		return false, fmt.Errorf("%s: unary operator expected", quote(a[0]))
	case len(a) == 3 && isBinaryTest(a[1]):
		return t.binary(a[0], a[1], a[2])
	case len(a) == 3 && a[0] == "(" && a[2] == ")":
		return a[1] != "", nil
	case len(a) == 4 && a[0] == "!":
		ok, err := (&tester{t.call, a[1:]}).evaluate()
		return !ok, err
	case len(a) == 4 && a[0] == "(" && a[3] == ")":
		return (&tester{t.call, a[1:3]}).evaluate()
	}
	ok, err := t.or()
	if err == nil && len(t.args) > 0 {
		err = fmt.Errorf("extra argument %s", quote(t.args[0]))
	}
	return ok, err
}

func (t *tester) take() string {
	a := t.args[0]
	t.args = t.args[1:]
	return a
}

func (t *tester) or() (bool, error) {
	ok, err := t.and()
	for err == nil && len(t.args) > 0 && t.args[0] == "-o" {
		t.take()
		var right bool
		right, err = t.and()
		ok = ok || right
	}
	return ok, err
}

func (t *tester) and() (bool, error) {
	ok, err := t.not()
	for err == nil && len(t.args) > 0 && t.args[0] == "-a" {
		t.take()
		var right bool
		right, err = t.not()
		ok = ok && right
	}
	return ok, err
}

func (t *tester) not() (bool, error) {
	if len(t.args) == 0 {
		return false, errors.New("argument expected")
	}
	if t.args[0] == "!" && len(t.args) > 1 {
		t.take()
		ok, err := t.not()
		return !ok, err
	}
	return t.primary()
}

func (t *tester) primary() (bool, error) {
	switch {
	case len(t.args) >= 3 && isBinaryTest(t.args[1]):
		x, op, y := t.take(), t.take(), t.take()
		return t.binary(x, op, y)
	case t.args[0] == "(" && len(t.args) > 1:
		t.take()
		ok, err := t.or()
		if err == nil && (len(t.args) == 0 || t.take() != ")") {
			err = errors.New("')' expected")
		}
		return ok, err
	case len(t.args) >= 2 && isUnaryTest(t.args[0]):
		op, x := t.take(), t.take()
		return t.unary(op, x)
	}
	return t.take() != "", nil
}

func isUnaryTest(s string) bool {
	return len(s) == 2 && s[0] == '-' && strings.IndexByte("bcdefgGhkLNnOprsStuwxz", s[1]) >= 0
}

func isBinaryTest(s string) bool {
	switch s {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "-a", "-o":
		return true
	}
	return false
}

func (t *tester) unary(op, x string) (bool, error) {
	switch op {
	case "-n":
		return x != "", nil
	case "-z":
		return x == "", nil
	case "-t":
		fd, err := testInteger(x)
		return err == nil && t.isTerminal(fd), err
	case "-h", "-L":
		st, err := t.lstat(x)
		return err == nil && st.Mode&fs.ModeSymlink != 0, nil
	}
	st, err := t.Env.stat(x)
	if err != nil {
		return x == "/dev/null" && strings.Contains("-e-c-r-w", op), nil
	}
	return t.holds(op, st), nil
}

// holds evaluates a file primary for a file that exists.
func (t *tester) holds(op string, st vfs.Stat) bool {
	switch op {
	case "-f":
		return st.Mode.IsRegular()
	case "-d":
		return st.IsDir()
	case "-s":
		return st.Size > 0 || st.IsDir()
	case "-r", "-w":
		return true // permissions are recorded, not enforced: the user of a box is root
	case "-x":
		return st.IsDir() || st.Mode&0o111 != 0
	case "-b":
		return st.Mode&fs.ModeDevice != 0 && st.Mode&fs.ModeCharDevice == 0
	case "-c":
		return st.Mode&fs.ModeCharDevice != 0
	case "-p":
		return st.Mode&fs.ModeNamedPipe != 0
	case "-S":
		return st.Mode&fs.ModeSocket != 0
	case "-u":
		return st.Mode&fs.ModeSetuid != 0
	case "-g":
		return st.Mode&fs.ModeSetgid != 0
	case "-k":
		return st.Mode&fs.ModeSticky != 0
	case "-O":
		return st.UID == t.UID
	case "-G":
		return st.GID == t.GID
	case "-N":
		return st.Mtime.After(st.Atime)
	}
	return true // -e
}

func (t *tester) isTerminal(fd int64) bool {
	streams := []any{t.stdin, t.Stdout, t.Stderr}
	if fd < 0 || fd >= int64(len(streams)) {
		return false
	}
	f, ok := streams[fd].(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

func testInteger(s string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("invalid integer %s", quote(s))
	}
	return n, nil
}

func (t *tester) binary(x, op, y string) (bool, error) {
	switch op {
	case "=", "==":
		return x == y, nil
	case "!=":
		return x != y, nil
	case "<":
		return x < y, nil
	case ">":
		return x > y, nil
	case "-a":
		return x != "" && y != "", nil
	case "-o":
		return x != "" || y != "", nil
	case "-nt", "-ot", "-ef":
		return t.compareFiles(x, op, y), nil
	}
	a, err := testInteger(x)
	if err != nil {
		return false, err
	}
	b, err := testInteger(y)
	if err != nil {
		return false, err
	}
	switch op {
	case "-eq":
		return a == b, nil
	case "-ne":
		return a != b, nil
	case "-lt":
		return a < b, nil
	case "-le":
		return a <= b, nil
	case "-gt":
		return a > b, nil
	}
	return a >= b, nil
}

func (t *tester) compareFiles(x, op, y string) bool {
	a, aerr := t.Env.stat(x)
	b, berr := t.Env.stat(y)
	switch op {
	case "-ef":
		return aerr == nil && berr == nil && sameFile(a, b)
	case "-ot":
		a, aerr, b, berr = b, berr, a, aerr
	}
	return aerr == nil && (berr != nil || a.Mtime.After(b.Mtime))
}
