package coreutils

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"boxer.dev/vfs"
)

func sedMain(c *call) int {
	opts, operands, status, done := c.parse("n|quiet|silent e|expression: f|file: E|regexp-extended r i|in-place? s|separate z|null-data" +
		" u|unbuffered b|binary l: follow-symlinks posix debug sandbox")
	if done {
		return status
	}
	s := &sed{call: c, delim: '\n', hold: []byte{}, files: map[string]*sedOutput{}}
	var script []string
	given := false
	for _, o := range opts {
		switch o.name {
		case "n":
			s.quiet = true
		case "E", "r":
			s.extended = true
		case "i":
			s.inPlace, s.separate, s.suffix = true, true, o.value
		case "s":
			s.separate = true
		case "z":
			s.delim = 0
		case "e":
			script, given = append(script, o.value), true
		case "f":
			text, err := c.readAll(o.value)
			if err != nil {
				c.failed(err, "couldn't open file %s", o.value)
				return 1
			}
			script, given = append(script, strings.TrimSuffix(text, "\n")), true
		}
	}
	if !given {
		if len(operands) == 0 {
			return c.usageError("no script specified")
		}
		script, operands = operands[:1], operands[1:]
	}
	p := &sedParser{s: strings.Join(script, "\n"), extended: s.extended, stopped: s.stopped}
	commands, err := p.parse()
	if err != nil {
		c.errorf("-e expression #1, char %d: %v", p.pos, err)
		return 1
	}
	s.commands, s.quiet = commands, s.quiet || p.quiet
	return s.run(operands)
}

func (c *call) readAll(name string) (string, error) {
	var data []byte
	err := c.input(name, func(_ string, r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	return string(data), err
}

// sed is a running script. Its input is the operands as one stream, or each by itself with -s and -i.
type sed struct {
	*call
	commands            []sedCommand
	quiet, extended     bool
	inPlace, separate   bool
	suffix              string
	delim               byte
	pattern, hold       []byte
	ended               bool // the line read last had its newline
	line                int
	replaced            bool // since the last input line or t
	appended            []sedAppend
	in                  *sedInput
	w                   *bufio.Writer
	files               map[string]*sedOutput
	lastRegex           *regex
	exitCode            int
	quitting, skipPrint bool
	missingNewline      bool
}

// sedAppend is output that waits for the end of the cycle: text of a, or a file of r.
type sedAppend struct {
	text string
	file string
}

type sedOutput struct {
	w       io.WriteCloser
	missing bool // the last line written lacks its newline
}

// sedInput is the lines of some files, with one line of look-ahead for "$".
type sedInput struct {
	s       *sed
	names   []string
	current *lineReader
	close   func() error
	next    []byte
	nextEnd bool
	has     bool
}

func (s *sed) run(operands []string) int {
	defer s.closeFiles()
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	if !s.separate {
		s.w = s.out
		s.process(operands)
		return s.end()
	}
	for _, name := range operands {
		if s.quitting || s.stopped() {
			break
		}
		if s.inPlace {
			s.edit(name)
		} else {
			s.w = s.out
			s.process([]string{name})
		}
	}
	return s.end()
}

func (s *sed) end() int {
	if s.exitCode != 0 {
		return s.exitCode
	}
	return s.status
}

func (s *sed) closeFiles() {
	for _, f := range s.files {
		f.w.Close()
	}
}

// edit rewrites one file: into a new one that then takes the old one's place and attributes.
func (s *sed) edit(name string) {
	st, err := s.lstat(name)
	if err == nil && st.Mode&fs.ModeSymlink != 0 {
		// GNU sed replaces the symlink by a file.
		st, err = s.Env.stat(name)
	}
	if err != nil {
		s.failed(err, "can't read %s", bareName(name))
		s.status = 2
		return
	}
	if !st.Mode.IsRegular() {
		s.errorf("couldn't edit %s: not a regular file", name)
		s.status = 4
		return
	}
	var out bytes.Buffer
	s.w, s.line, s.missingNewline = bufio.NewWriter(&out), 0, false
	s.process([]string{name})
	if s.quitting {
		s.dumpRest()
	}
	s.w.Flush()
	if err := s.replaceFile(name, st, out.Bytes()); err != nil {
		s.failed(err, "couldn't write %s", name)
		s.status = 4
	}
}

// dumpRest copies what q left unread: a file edited in place keeps it.
func (s *sed) dumpRest() {
	for {
		line, ended, ok := s.in.take()
		if !ok {
			return
		}
		s.write(s.w, &s.missingNewline, line, ended)
	}
}

func (s *sed) replaceFile(name string, st vfs.Stat, data []byte) error {
	p := s.abs(name)
	if s.suffix != "" {
		backup := name + s.suffix
		if strings.Contains(s.suffix, "*") {
			backup = join(dirname(name), strings.ReplaceAll(s.suffix, "*", base(name)))
		}
		if err := s.FS.Rename(p, s.abs(backup)); err != nil {
			return err
		}
	}
	tmp := join(s.abs(dirname(name)), ".sed"+base(name)+"~")
	if err := s.FS.WriteFile(tmp, data, st.Mode.Perm()); err != nil {
		s.FS.Remove(tmp)
		return err
	}
	if err := s.FS.Chown(tmp, int(st.UID), int(st.GID)); err != nil {
		return err
	}
	if err := s.FS.Chmod(tmp, st.Mode&^fs.ModeType); err != nil {
		return err
	}
	return s.FS.Rename(tmp, p)
}

func (s *sed) process(names []string) {
	s.in = &sedInput{s: s, names: names}
	defer s.in.closeCurrent()
	if s.separate {
		for i := range s.commands {
			s.commands[i].active = false
		}
	}
	for !s.quitting && !s.stopped() && s.nextLine() {
		s.cycle()
	}
}

// nextLine reads a line into the pattern space.
func (s *sed) nextLine() bool {
	line, ended, ok := s.in.take()
	if !ok {
		return false
	}
	s.pattern = append(s.pattern[:0], line...)
	s.ended = ended
	s.line++
	s.replaced = false
	return true
}

// cycle runs the script on the pattern space. D restarts it without reading when lines are left.
func (s *sed) cycle() {
	for {
		restart := s.script()
		if !s.quiet && !s.skipPrint {
			s.printPattern()
		}
		s.skipPrint = false
		s.flushAppended()
		if !restart || s.quitting || s.stopped() {
			return
		}
	}
}

func (s *sed) printPattern() { s.write(s.w, &s.missingNewline, s.pattern, s.ended) }

// write writes a line; a missing newline at the end of input is added as soon as more follows.
func (s *sed) write(w io.Writer, missing *bool, line []byte, ended bool) {
	if *missing {
		w.Write([]byte{s.delim})
	}
	w.Write(line)
	if *missing = !ended; ended {
		w.Write([]byte{s.delim})
	}
}

func (s *sed) flushAppended() {
	for _, a := range s.appended {
		if a.file == "" {
			if s.missingNewline {
				s.w.WriteByte(s.delim)
				s.missingNewline = false
			}
			s.w.WriteString(a.text)
			continue
		}
		if text, err := s.readAll(a.file); err == nil && text != "" {
			if s.missingNewline {
				s.w.WriteByte(s.delim)
			}
			s.missingNewline = false
			s.w.WriteString(text)
		}
	}
	s.appended = s.appended[:0]
}

// take returns the next line of the input.
func (in *sedInput) take() (line []byte, ended, ok bool) {
	if !in.has && !in.fill() {
		return nil, false, false
	}
	in.has = false
	return in.next, in.nextEnd, true
}

// last reports whether the line taken last is the input's last.
func (in *sedInput) last() bool { return !in.has && !in.fill() }

// fill reads a line ahead, opening the next file when one ends.
func (in *sedInput) fill() bool {
	for {
		if in.current == nil && !in.openNext() {
			return false
		}
		line, ended, err := in.current.next()
		if err == nil {
			in.next = append(in.next[:0], line...)
			in.nextEnd = ended || len(in.names) > 0
			in.has = true
			return true
		}
		if !errors.Is(err, io.EOF) && !in.s.stopped() {
			in.s.failed(err, "read error")
			in.s.status = 4
		}
		in.closeCurrent()
	}
}

func (in *sedInput) openNext() bool {
	for len(in.names) > 0 {
		name := in.names[0]
		in.names = in.names[1:]
		if st, err := in.s.Env.stat(name); name != "-" && err == nil && st.IsDir() {
			in.s.errorf("couldn't read %s: Is a directory", bareName(name))
			in.s.status = 2
			continue
		}
		r, err := in.s.open(name)
		if err != nil {
			in.s.failed(err, "can't read %s", bareName(name))
			in.s.status = 2
			continue
		}
		in.current, in.close = newLineReader(r, in.s.delim), r.Close
		return true
	}
	return false
}

func (in *sedInput) closeCurrent() {
	if in.current != nil {
		in.close()
		in.current = nil
	}
}

// output is the file of a w command or flag, emptied when the script starts.
func (s *sed) output(name string) (*sedOutput, error) {
	if f := s.files[name]; f != nil {
		return f, nil
	}
	w, err := s.create(name, vfs.O_TRUNC)
	if err != nil {
		return nil, fmt.Errorf("couldn't open file %s: %s", name, errText(err))
	}
	s.files[name] = &sedOutput{w: w}
	return s.files[name], nil
}
