package coreutils

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

const grepOptions = "E|extended-regexp F|fixed-strings G|basic-regexp P|perl-regexp e|regexp: f|file: i|ignore-case y no-ignore-case" +
	" v|invert-match w|word-regexp x|line-regexp c|count color? colour? l|files-with-matches L|files-without-match m|max-count:" +
	" o|only-matching q|quiet|silent s|no-messages b|byte-offset H|with-filename h|no-filename n|line-number z|null-data Z|null" +
	" A|after-context: B|before-context: C|context: a|text binary-files: I r|recursive R|dereference-recursive include: exclude:" +
	" exclude-dir: U line-buffered label: T d: D:"

func grepMain(c *call) int {
	c.contextShorthand()
	opts, operands, status, done := c.parse(grepOptions)
	if done {
		return status
	}
	g := &grep{call: c, o: flags(opts), max: -1, delim: lineDelim(set(flags(opts), "z"))}
	patterns, given, ok := g.options(opts)
	if !ok {
		return 2
	}
	if !given {
		if len(operands) == 0 {
			c.usageError("no pattern given")
			return statusUsage
		}
		patterns, operands = strings.Split(operands[0], "\n"), operands[1:]
	}
	if err := g.compile(patterns); err != nil {
		c.errorf("%v", err)
		return 2
	}
	g.recursive = set(g.o, "r") || set(g.o, "R")
	if len(operands) == 0 {
		operands = []string{"-"}
		if g.recursive {
			operands = []string{""}
		}
	}
	g.names = (len(operands) > 1 || g.recursive) && !set(g.o, "h") || set(g.o, "H")
	for _, name := range operands {
		if g.stop || c.stopped() {
			break
		}
		g.operand(name)
	}
	switch {
	case set(g.o, "q") && g.matched:
		return 0
	case c.status != 0:
		return 2
	case g.matched:
		return 0
	}
	return 1
}

// contextShorthand turns "-3" into "-C3".
func (c *call) contextShorthand() {
	for i, a := range c.Args {
		if a == "--" {
			return
		}
		if i > 0 && isDashNumber(a) && !slices.Contains([]string{"-e", "-f", "-m", "-A", "-B", "-C"}, c.Args[i-1]) {
			args := append([]string(nil), c.Args...)
			args[i] = "-C" + a[1:]
			c.Args = args
		}
	}
}

type grep struct {
	*call
	o                      map[string]string
	syntax                 byte // G, E, F
	exprs                  []*regex
	literals               [][]byte // of plain -F patterns: searched without a regexp
	includes, excludes     []string
	excludeDirs            []string
	max                    int64
	before, after          int
	delim                  byte
	names, recursive       bool
	matched, stop, printed bool
}

func (g *grep) options(opts []option) (patterns []string, given, ok bool) {
	g.syntax = map[string]byte{"egrep": 'E', "fgrep": 'F'}[g.name]
	for _, o := range opts {
		var err error
		switch o.name {
		case "E", "F", "G":
			g.syntax = o.name[0]
		case "P":
			g.syntax = 'P'
		case "e":
			patterns, given = append(patterns, strings.Split(o.value, "\n")...), true
		case "f":
			given = true
			err = g.input(o.value, func(_ string, r io.Reader) error {
				return eachLine(r, '\n', func(line []byte, _ bool) bool {
					patterns = append(patterns, string(line))
					return true
				})
			})
		case "m":
			g.max, err = strconv.ParseInt(o.value, 10, 64)
		case "A":
			g.after, err = strconv.Atoi(o.value)
		case "B":
			g.before, err = strconv.Atoi(o.value)
		case "C":
			g.after, err = strconv.Atoi(o.value)
			g.before = g.after
		case "include":
			g.includes = append(g.includes, o.value)
		case "exclude":
			g.excludes = append(g.excludes, o.value)
		case "exclude-dir":
			g.excludeDirs = append(g.excludeDirs, trimSlashes(o.value))
		}
		if err != nil {
			if _, number := err.(*strconv.NumError); number {
				g.errorf("%s: invalid number", o.value)
			} else {
				g.failed(err, "%s", o.value)
			}
			return nil, false, false
		}
	}
	return patterns, given, true
}

func (g *grep) compile(patterns []string) error {
	opt := regexOptions{extended: g.syntax == 'E' || g.syntax == 'P', literal: g.syntax == 'F', fold: set(g.o, "i") || set(g.o, "y"),
		word: set(g.o, "w"), line: set(g.o, "x"), stopped: g.stopped}
	if opt.line {
		opt.word = false
	}
	for _, p := range patterns {
		if g.stopped() {
			break
		}
		if g.syntax == 'P' {
			re, err := compilePerl(p, opt)
			if err != nil {
				return err
			}
			g.exprs = append(g.exprs, re)
			continue
		}
		if plain := isLiteral(p) || opt.literal; plain && !opt.fold && !opt.word && !opt.line {
			g.literals = append(g.literals, []byte(p))
		}
		re, err := compileRegex(p, opt)
		if err != nil {
			return err
		}
		g.exprs = append(g.exprs, re)
	}
	if len(g.literals) != len(g.exprs) {
		g.literals = nil
	}
	return nil
}

func isLiteral(p string) bool { return !strings.ContainsAny(p, `\.*[]^$+?{}|()`) }

func (g *grep) operand(name string) {
	at := name
	if name == "" {
		at = "."
	}
	if name != "-" {
		st, err := g.Env.stat(at)
		switch {
		case err != nil:
			if !set(g.o, "s") {
				g.failed(err, "%s", bareName(name))
			}
			g.status = 2
			return
		case st.IsDir() && g.recursive:
			g.walk(name)
			return
		case st.IsDir():
			if !set(g.o, "s") {
				g.errorf("%s: Is a directory", bareName(name))
			}
			g.status = 2
			return
		}
	}
	g.file(name)
}

func (g *grep) walk(dir string) {
	at := dir
	if dir == "" {
		at = "."
	}
	entries, err := g.readDir(at)
	if err != nil {
		g.failed(err, "%s", bareName(at))
		return
	}
	for _, e := range entries {
		if g.stop || g.stopped() {
			return
		}
		name := e.Name()
		if dir != "" {
			name = join(dir, e.Name())
		}
		mode := e.Type()
		if set(g.o, "R") && mode&fs.ModeSymlink != 0 {
			if st, err := g.Env.stat(name); err == nil {
				mode = st.Mode
			}
		}
		switch {
		case mode.IsDir():
			if !anyGlob(g.excludeDirs, e.Name()) {
				g.walk(name)
			}
		case mode.IsRegular() && !anyGlob(g.excludes, e.Name()) && (len(g.includes) == 0 || anyGlob(g.includes, e.Name())):
			g.file(name)
		}
	}
}

func anyGlob(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := doublestar.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

func (g *grep) file(name string) {
	shown := name
	if name == "-" {
		if shown = "(standard input)"; set(g.o, "label") {
			shown = g.o["label"]
		}
	}
	err := g.input(name, func(_ string, r io.Reader) error {
		s := &grepFile{grep: g, name: shown}
		if err := s.search(r); err != nil {
			return err
		}
		s.finish()
		return nil
	})
	if err != nil && !g.stopped() {
		g.failed(err, "%s", bareName(name))
		g.status = 2
	}
}

// grepFile is the search of one file.
type grepFile struct {
	*grep
	name    string
	line    int
	offset  int64
	count   int64
	history []grepLine // for -B
	behind  int        // lines of -A still to show
	last    int        // line shown last
	binary  bool
}

type grepLine struct {
	text   []byte
	number int
	offset int64
}

func (s *grepFile) search(r io.Reader) error {
	return eachLine(r, s.delim, func(line []byte, ended bool) bool {
		s.line++
		if s.delim == '\n' && !s.binary && !set(s.o, "a") && bytes.IndexByte(line, 0) >= 0 {
			s.binary = true
		}
		switch {
		case s.max >= 0 && s.count == s.max: // only context is left to show
			if s.behind == 0 {
				return false
			}
			s.miss(line)
		case s.selects(line):
			if !s.hit(line) {
				return false
			}
		default:
			s.miss(line)
		}
		s.offset += int64(len(line)) + 1
		return !s.stopped()
	})
}

func (s *grepFile) selects(line []byte) bool {
	match := false
	if s.literals != nil {
		for _, l := range s.literals {
			if match = bytes.Contains(line, l); match {
				break
			}
		}
	} else {
		for _, re := range s.exprs {
			if match = re.matches(line); match {
				break
			}
		}
	}
	return match != set(s.o, "v")
}

// hit handles a selected line and reports whether to go on with the file.
func (s *grepFile) hit(line []byte) bool {
	s.count++
	s.matched = true
	switch {
	case set(s.o, "q"):
		s.stop = true
		return false
	case set(s.o, "l"), set(s.o, "L"):
		return false
	case set(s.o, "c"):
	case s.binary:
		if set(s.o, "I") || s.o["binary-files"] == "without-match" {
			s.count, s.matched = 0, false
			return false
		}
		s.out.Flush()
		fmt.Fprintf(s.Stderr, "%s: %s: binary file matches\n", s.call.name, s.name)
		return false
	case set(s.o, "o"):
		if !set(s.o, "v") {
			s.only(line)
		}
	default:
		s.context()
		s.show(line, ':', s.line, s.offset)
		s.behind = s.after
	}
	return s.max < 0 || s.count < s.max || s.behind > 0
}

func (s *grepFile) miss(line []byte) {
	if s.behind > 0 {
		s.behind--
		s.show(line, '-', s.line, s.offset)
		return
	}
	if s.before > 0 {
		if len(s.history) == s.before {
			s.history = s.history[1:]
		}
		s.history = append(s.history, grepLine{bytes.Clone(line), s.line, s.offset})
	}
}

// context shows what -B kept, after a separator between groups.
func (s *grepFile) context() {
	if set(s.o, "A") || set(s.o, "B") || set(s.o, "C") {
		first := s.line - len(s.history)
		if s.printed && (s.last == 0 || first > s.last+1) {
			s.print("--\n")
		}
		for _, l := range s.history {
			s.show(l.text, '-', l.number, l.offset)
		}
		s.history = nil
	}
}

func (s *grepFile) show(line []byte, sep byte, number int, offset int64) {
	s.prefix(sep, number, offset)
	s.out.Write(line)
	s.out.WriteByte(s.delim)
	s.printed, s.last = true, number
}

func (s *grepFile) prefix(sep byte, number int, offset int64) {
	if s.names {
		s.print(s.name)
		if set(s.o, "Z") {
			s.out.WriteByte(0)
		} else {
			s.out.WriteByte(sep)
		}
	}
	if set(s.o, "n") {
		s.printf("%d%c", number, sep)
	}
	if set(s.o, "b") {
		s.printf("%d%c", offset, sep)
	}
}

// only shows the matching parts, from left to right and the longest first.
func (s *grepFile) only(line []byte) {
	for at := 0; at <= len(line) && !s.stopped(); {
		var best []int
		for _, re := range s.exprs {
			m := re.matchAt(line, at)
			if m != nil && (best == nil || m[0] < best[0] || m[0] == best[0] && m[1] > best[1]) {
				best = m
			}
		}
		if best == nil {
			return
		}
		if best[1] > best[0] {
			s.prefix(':', s.line, s.offset+int64(best[0]))
			s.out.Write(line[best[0]:best[1]])
			s.out.WriteByte(s.delim)
		}
		if at = best[1]; best[1] == best[0] {
			at++
		}
	}
}

func (s *grepFile) finish() {
	end := "\n"
	if set(s.o, "Z") {
		end = "\x00"
	}
	switch {
	case set(s.o, "q"):
	case set(s.o, "l"):
		if s.count > 0 {
			s.print(s.name + end)
		}
	case set(s.o, "L"):
		if s.count == 0 {
			s.print(s.name + end)
		}
	case set(s.o, "c"):
		if s.names {
			s.print(s.name + ":")
		}
		s.printf("%d\n", s.count)
	}
}
