package coreutils

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"boxer.dev/vfs"
)

const tarOptions = "c|create x|extract|get t|list r|append u|update f|file: z|gzip|gunzip j|bzip2 J|xz zstd a|auto-compress" +
	" v|verbose C|directory: p|preserve-permissions|same-permissions k|keep-old-files h|dereference O|to-stdout m|touch P|absolute-names" +
	" T|files-from: X|exclude-from: exclude: strip-components: no-same-owner same-owner o no-same-permissions overwrite" +
	" owner: group: mode: mtime: sort: numeric-owner transform|xform: wildcards no-wildcards no-recursion null format: skip-old-files" +
	" keep-newer-files one-top-level? no-overwrite-dir warning: checkpoint? totals? i|ignore-zeros n S|sparse w exclude-vcs anchored" +
	" no-anchored remove-files b: no-xattrs xattrs posix show-transformed-names U|unlink-first delay-directory-restore I|use-compress-program:"

// tarCommand is a run of tar.
type tarCommand struct {
	*call
	o        map[string]string
	codec    *codec
	patterns []func(string) bool // --exclude
	names    []tarName
	strip    int
	verbose  int
	absolute bool // -P
	warned   map[string]bool
	fold     func(string) string // --transform
}

// tarName is an operand and the directory that the -C before it selected.
type tarName struct{ dir, name string }

func tarMain(c *call) int {
	c.Args = append([]string{c.Args[0]}, oldTarStyle(c.Args[1:])...)
	t := &tarCommand{call: c, warned: map[string]bool{}}
	mode, status, done := t.parseArgs()
	if done {
		return status
	}
	switch mode {
	case 'c':
		return t.create()
	case 'x', 't':
		return t.read(mode == 'x')
	}
	c.errorf("You must specify one of the '-ctx' options")
	fmt.Fprintf(c.Stderr, "Try '%s --help' for more information.\n", c.name)
	return 2
}

// oldTarStyle turns "xzf FILE" into "-x -z -f FILE".
func oldTarStyle(args []string) []string {
	if len(args) == 0 || args[0] == "" || args[0][0] == '-' {
		return args
	}
	known := parseSpec(tarOptions)
	var out []string
	rest := args[1:]
	for i := range len(args[0]) {
		letter := args[0][i : i+1]
		out = append(out, "-"+letter)
		if known[letter].arg == ':' && len(rest) > 0 {
			out, rest = append(out, rest[0]), rest[1:]
		}
	}
	return append(out, rest...)
}

// parseArgs reads the command line; operands keep the -C they come after.
func (t *tarCommand) parseArgs() (mode byte, status int, done bool) {
	args := t.Args[1:]
	dir := t.Dir
	t.o = map[string]string{}
	for len(args) > 0 {
		opts, rest, err := parseOptions("+"+tarOptions+" help version", args)
		if err != nil {
			t.usageError("%v", err)
			return 0, statusUsage, true
		}
		for _, o := range opts {
			switch o.name {
			case "help":
				t.printf("Usage: %s %s\n", t.name, t.usage)
				return 0, 0, true
			case "C":
				if dir = join(dir, o.value); !t.isDir(dir) {
					t.errorf("%s: Cannot open: No such file or directory", o.value)
					return 0, 2, true
				}
			case "c", "x", "t", "r", "u":
				if mode != 0 && mode != o.name[0] {
					t.errorf("You may not specify more than one '-ctx' option")
					return 0, 2, true
				}
				mode = o.name[0]
			default:
				if err := t.option(o, dir); err != nil {
					t.errorf("%v", err)
					return 0, 2, true
				}
			}
		}
		if args = rest; len(args) > 0 {
			t.names = append(t.names, tarName{dir, args[0]})
			args = args[1:]
		}
	}
	t.Dir = dir
	return mode, 0, false
}

func (t *tarCommand) option(o option, dir string) (err error) {
	t.o[o.name] = o.value
	switch o.name {
	case "v":
		t.verbose++
	case "z", "j", "J", "zstd":
		t.codec = codecNamed(map[string]string{"z": "gzip", "j": "bzip2", "J": "xz", "zstd": "zstd"}[o.name])
	case "I":
		if t.codec = codecNamed(strings.Fields(o.value + " x")[0]); t.codec == nil {
			return errInvalid(o.value + ": Cannot exec: No such file or directory")
		}
	case "P":
		t.absolute = true
	case "f":
		if o.value != "-" {
			t.o["f"] = t.abs(o.value)
		}
	case "strip-components":
		if t.strip, err = strconv.Atoi(o.value); err != nil || t.strip < 0 {
			return errInvalid(o.value + ": Invalid number of elements")
		}
	case "exclude":
		return t.exclude(o.value)
	case "exclude-vcs":
		for _, p := range []string{".git", ".gitignore", ".svn", ".hg"} {
			err = errors.Join(err, t.exclude(p))
		}
	case "X", "T":
		text, err := t.readAll(o.value)
		if err != nil {
			return errInvalid(o.value + ": Cannot open: " + errText(err))
		}
		sep := "\n"
		if _, ok := t.o["null"]; ok {
			sep = "\x00"
		}
		for name := range strings.SplitSeq(strings.TrimSuffix(text, sep), sep) {
			if o.name == "T" {
				t.names = append(t.names, tarName{dir, name})
			} else if err := t.exclude(name); err != nil {
				return err
			}
		}
	case "transform":
		return t.transform(o.value)
	case "r", "u", "w":
		return errInvalid("-" + o.name + " is not available in a box")
	}
	return err
}

// exclude adds a pattern that matches a name, or its end after a slash, as tar's do by default.
func (t *tarCommand) exclude(pat string) error {
	match, err := globMatcher(trimSlashes(pat), false)
	if err != nil {
		return err
	}
	t.patterns = append(t.patterns, func(name string) bool {
		name = trimSlashes(name)
		for {
			if match(name) {
				return true
			}
			_, rest, ok := strings.Cut(name, "/")
			if !ok {
				return false
			}
			name = rest
		}
	})
	return nil
}

func (t *tarCommand) excluded(name string) bool {
	for _, p := range t.patterns {
		if p(name) {
			return true
		}
	}
	return false
}

// transform is --transform 's/…/…/': a substitution of sed on names.
func (t *tarCommand) transform(script string) error {
	cmds, err := (&sedParser{s: script, stopped: t.stopped}).parse()
	if err != nil || len(cmds) != 1 || cmds[0].name != 's' {
		return errInvalid("Invalid transform expression")
	}
	s := &sed{call: t.call, commands: cmds}
	t.fold = func(name string) string {
		s.pattern = append(s.pattern[:0], name...)
		s.substitute(&s.commands[0])
		return string(s.pattern)
	}
	return nil
}

// rename applies --transform and --strip-components to a member's name; "" leaves it out.
func (t *tarCommand) rename(name string) string {
	if t.fold != nil {
		name = t.fold(name)
	}
	for range t.strip {
		_, rest, ok := strings.Cut(strings.TrimLeft(name, "/"), "/")
		if name = strings.TrimLeft(rest, "/"); !ok || name == "" {
			return ""
		}
	}
	return name
}

// warnOnce says once what was taken from the front of names.
func (t *tarCommand) warnOnce(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !t.warned[text] {
		t.warned[text] = true
		t.out.Flush()
		fmt.Fprintf(t.Stderr, "%s: %s\n", t.name, text)
	}
}

// safeName makes a name of an archive relative and free of "..", saying what it took away, as GNU tar does.
func (t *tarCommand) safeName(name, what string) string {
	if t.absolute {
		return name
	}
	cut := 0
	for i := 0; i < len(name); {
		end := i + strings.IndexByte(name[i:]+"/", '/')
		if name[i:end] == ".." {
			cut = min(end+1, len(name))
		}
		i = end + 1
	}
	rest := name[cut:]
	trimmed := strings.TrimLeft(rest, "/")
	if prefix := name[:len(name)-len(trimmed)]; prefix != "" {
		t.warnOnce("Removing leading `%s' from %s", prefix, what)
	}
	if trimmed == "" {
		return "."
	}
	return trimmed
}

// list prints a member for -t and -v.
func (t *tarCommand) list(h *tar.Header, name string, details bool) {
	if !details {
		t.print(name + "\n")
		return
	}
	owner := h.Uname + "/" + h.Gname
	if _, numeric := t.o["numeric-owner"]; numeric || h.Uname == "" {
		owner = fmt.Sprintf("%d/%d", h.Uid, h.Gid)
	}
	link := ""
	letter := typeLetter(h.FileInfo().Mode())
	switch h.Typeflag {
	case tar.TypeSymlink:
		link = " -> " + h.Linkname
	case tar.TypeLink:
		link, letter = " link to "+h.Linkname, 'h'
	}
	mode := string(letter) + modeString(h.FileInfo().Mode())[1:]
	size := strconv.FormatInt(h.Size, 10)
	pad := strings.Repeat(" ", max(1, 19-len(owner)-len(size)))
	t.printf("%s %s%s%s %s %s%s\n", mode, owner, pad, size, strftime("%Y-%m-%d %H:%M", h.ModTime.In(t.location())), name, link)
}

// read lists or extracts the archive.
func (t *tarCommand) read(extract bool) int {
	r, closeAll, err := t.openArchive()
	if err != nil {
		t.errorf("%s: Cannot open: %s", t.o["f"], errText(err))
		t.errorf("Error is not recoverable: exiting now")
		return 2
	}
	defer closeAll()
	into := map[string]*extractor{}
	tr := tar.NewReader(r)
	found := make([]bool, len(t.names))
	for !t.stopped() {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.errorf("%s", archiveProblem(err))
			t.errorf("Error is not recoverable: exiting now")
			return 2
		}
		dir, ok := t.wanted(h.Name, found)
		if !ok || t.excluded(h.Name) {
			continue
		}
		if !extract {
			t.list(h, h.Name, t.verbose > 0)
			continue
		}
		if into[dir] == nil {
			into[dir] = newExtractor(t, dir)
		}
		into[dir].member(h, tr)
	}
	for _, dir := range slices.Sorted(maps.Keys(into)) {
		into[dir].finish()
	}
	for i, ok := range found {
		if !ok {
			t.errorf("%s: Not found in archive", t.names[i].name)
		}
	}
	if t.status != 0 {
		t.errorf("Exiting with failure status due to previous errors")
		return 2
	}
	return 0
}

func archiveProblem(err error) string {
	switch {
	case errors.Is(err, tar.ErrHeader):
		return "This does not look like a tar archive"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "Unexpected EOF in archive"
	}
	return errText(err)
}

// wanted reports whether a member is, or lies under, one of the operands, and which directory it goes to.
func (t *tarCommand) wanted(name string, found []bool) (dir string, ok bool) {
	if len(t.names) == 0 {
		return t.Dir, true
	}
	name = trimSlashes(name)
	for i, n := range t.names {
		want := trimSlashes(n.name)
		hit := name == want || strings.HasPrefix(name, want+"/")
		if _, glob := t.o["wildcards"]; glob && !hit {
			if match, err := globMatcher(want, false); err == nil {
				hit = match(name)
			}
		}
		found[i] = found[i] || hit
		if hit && !ok {
			dir, ok = n.dir, true
		}
	}
	return dir, ok
}

// openArchive opens -f, decompressed by what it starts with.
func (t *tarCommand) openArchive() (io.Reader, func(), error) {
	name := t.o["f"]
	if name == "" {
		name = "-"
	}
	f, err := t.open(name)
	if err != nil {
		return nil, nil, err
	}
	br := bufio.NewReaderSize(f, 64<<10)
	closeAll := func() { f.Close() }
	if z := detect(br); z != nil {
		r, err := z.reader(br)
		if err != nil {
			f.Close()
			return nil, nil, err
		}
		if closer, ok := r.(io.Closer); ok {
			closeAll = func() { closer.Close(); f.Close() }
		}
		return cancelReader{t.ctx, r}, closeAll, nil
	}
	return br, closeAll, nil
}

// memberTime is the time of a member that is made: --mtime, or its own.
func (t *tarCommand) memberTime(st vfs.Stat) (time.Time, error) {
	s, ok := t.o["mtime"]
	if !ok {
		return st.Mtime, nil
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".") {
		ref, err := t.Env.stat(s)
		return ref.Mtime, err
	}
	return parseDate(s, t.Now().In(t.location()))
}

func isSymlink(m fs.FileMode) bool { return m&fs.ModeSymlink != 0 }
