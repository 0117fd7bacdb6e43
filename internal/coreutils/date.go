package coreutils

import (
	"io/fs"
	"strconv"
	"strings"
	"time"

	"boxer.dev/vfs"
)

func dateMain(c *call) int {
	opts, operands, status, done := c.parse("u|utc|universal d|date: r|reference: R|rfc-email I|iso-8601? rfc-3339: s|set: f|file:")
	if done {
		return status
	}
	o := flags(opts)
	loc := c.location()
	if set(o, "u") {
		loc = time.UTC
	}
	t := c.Now().In(loc)
	switch {
	case set(o, "s"):
		c.errorf("cannot set date: Operation not permitted")
		return 1
	case set(o, "r"):
		st, err := c.stat(o["r"])
		if err != nil {
			c.failed(err, "%s", o["r"])
			return 1
		}
		t = st.Mtime.In(loc)
	case set(o, "d"):
		parsed, err := parseDate(o["d"], t)
		if err != nil {
			c.errorf("%v", err)
			return 1
		}
		t = parsed.In(loc)
	}
	format, err := dateFormat(o, operands)
	if err != "" {
		c.errorf("%s", err)
		return 1
	}
	c.print(strftime(format, t) + "\n")
	return 0
}

func dateFormat(o map[string]string, operands []string) (format, problem string) {
	switch {
	case len(operands) > 1:
		return "", "extra operand " + quote(operands[1])
	case len(operands) == 1 && strings.HasPrefix(operands[0], "+"):
		return operands[0][1:], ""
	case len(operands) == 1:
		return "", "invalid date " + quote(operands[0])
	case set(o, "R"):
		return "%a, %d %b %Y %H:%M:%S %z", ""
	case set(o, "I"), set(o, "rfc-3339"):
		return isoFormat(o)
	}
	return "%a %b %e %H:%M:%S %Z %Y", ""
}

func isoFormat(o map[string]string) (format, problem string) {
	spec, sep := o["I"], "T"
	if set(o, "rfc-3339") {
		spec, sep = o["rfc-3339"], " "
	}
	times := map[string]string{"": "", "date": "", "hours": "%H%:z", "minutes": "%H:%M%:z", "seconds": "%H:%M:%S%:z", "ns": "%H:%M:%S,%N%:z"}
	t, ok := times[spec]
	switch {
	case !ok:
		return "", "invalid argument " + quote(spec) + " for '--iso-8601'"
	case t == "":
		return "%F", ""
	case sep == " ":
		t = strings.Replace(t, ",", ".", 1)
	}
	return "%F" + sep + t, ""
}

func touchMain(c *call) int {
	opts, operands, status, done := c.parse("a c|no-create d|date: f h|no-dereference m r|reference: t: time:")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.usageError("missing file operand")
	}
	t := &toucher{call: c, o: flags(opts)}
	if err := t.times(); err != nil {
		c.errorf("%s", errText(err))
		return 1
	}
	for _, name := range operands {
		if err := t.touch(name); err != nil {
			c.failed(err, "%s", "cannot touch "+quote(name))
		}
	}
	return c.status
}

type toucher struct {
	*call
	o            map[string]string
	atime, mtime time.Time
}

// times works out what -d, -t and -r ask for.
func (t *toucher) times() error {
	now := t.Now().In(t.location())
	t.atime, t.mtime = now, now
	if name := t.o["r"]; name != "" {
		st, err := t.Env.stat(name)
		if err != nil {
			return &fs.PathError{Op: "touch", Path: name, Err: err}
		}
		t.atime, t.mtime = st.Atime, st.Mtime
	}
	var err error
	switch {
	case set(t.o, "d"):
		t.mtime, err = parseDate(t.o["d"], now)
		t.atime = t.mtime
	case set(t.o, "t"):
		t.mtime, err = parseStamp(t.o["t"], now)
		t.atime = t.mtime
	}
	return err
}

// parseStamp reads [[CC]YY]MMDDhhmm[.ss].
func parseStamp(s string, now time.Time) (time.Time, error) {
	digits, seconds, ok := strings.Cut(s, ".")
	if !ok {
		seconds = "00"
	}
	switch len(digits) {
	case 8:
		digits = strconv.Itoa(now.Year()) + digits
	case 10:
		century := "20"
		if digits[:2] >= "69" {
			century = "19"
		}
		digits = century + digits
	}
	parsed, err := time.ParseInLocation("20060102150405", digits+seconds, now.Location())
	if err != nil {
		return parsed, errInvalid("invalid date format " + quote(s))
	}
	return parsed, nil
}

// errInvalid is an error whose text is shown as it is.
type errInvalid string

func (e errInvalid) Error() string { return string(e) }

func (t *toucher) touch(name string) error {
	if _, ok := t.stream(name); ok || name == "-" {
		return nil
	}
	st, err := t.Env.stat(name)
	if set(t.o, "h") {
		st, err = t.lstat(name)
	}
	if err != nil && isNotExist(err) && !set(t.o, "h") {
		if set(t.o, "c") {
			return nil
		}
		f, err := t.createFile(name, vfs.O_WRONLY|vfs.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if st, err = t.Env.stat(name); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	atime, mtime := t.atime, t.mtime
	onlyA := set(t.o, "a") || t.o["time"] == "atime" || t.o["time"] == "access"
	onlyM := set(t.o, "m") || t.o["time"] == "mtime" || t.o["time"] == "modify"
	switch {
	case onlyA && !onlyM:
		mtime = st.Mtime
	case onlyM && !onlyA:
		atime = st.Atime
	}
	if set(t.o, "h") {
		return t.lchtimes(name, atime, mtime)
	}
	return t.FS.Chtimes(t.abs(name), atime, mtime)
}
