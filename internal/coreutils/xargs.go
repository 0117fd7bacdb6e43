package coreutils

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

const xargsOptions = "+0|null a|arg-file: d|delimiter: E: I: i? L: l? n|max-args: P|max-procs: r|no-run-if-empty" +
	" s|max-chars: t|verbose x|exit"

// xargsMaxChars bounds a command line, as GNU's default does.
const xargsMaxChars = 128 << 10

func xargsMain(c *call) int {
	opts, command, status, done := c.parse(xargsOptions)
	if done {
		return status
	}
	o := flags(opts)
	x := &xargs{call: c, argv: command, quiet: set(o, "r"), verbose: set(o, "t"), chars: xargsMaxChars}
	if len(command) == 0 {
		x.argv = []string{"echo"}
	}
	if set(o, "I") || set(o, "i") {
		if x.replace = o["I"]; x.replace == "" {
			x.replace = "{}"
		}
	}
	for _, n := range []struct {
		name string
		to   *int
	}{{"n", &x.perCall}, {"L", &x.lines}, {"s", &x.chars}} {
		if !set(o, n.name) {
			continue
		}
		v, err := strconv.Atoi(o[n.name])
		if err != nil || v < 1 {
			return c.usageError("invalid number %s for -%s option", quote(o[n.name]), n.name)
		}
		*n.to = v
	}
	items, err := x.items(o)
	if err != nil {
		c.errorf("%s", errText(err))
		return 1
	}
	return x.run(items)
}

type xargs struct {
	*call
	argv           []string
	replace        string
	perCall, lines int
	chars          int
	quiet, verbose bool
	failed123      bool
}

// xargsItem is an argument and whether it is the last of its input line.
type xargsItem struct {
	text string
	eol  bool
}

func (x *xargs) items(o map[string]string) ([]xargsItem, error) {
	in := io.Reader(cancelReader{x.ctx, x.stdin})
	if set(o, "a") {
		f, err := x.open(o["a"])
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	switch {
	case set(o, "0"):
		return splitItems(data, 0), nil
	case set(o, "d"):
		d, _ := unescape(o["d"], false)
		if len(d) != 1 {
			return nil, errInvalid("invalid input delimiter specification " + quote(o["d"]))
		}
		return splitItems(data, d[0]), nil
	case x.replace != "":
		var items []xargsItem
		for line := range bytes.Lines(data) {
			words, err := splitQuoted(strings.TrimLeft(strings.TrimSuffix(string(line), "\n"), " \t"), false)
			if err != nil {
				return nil, err
			}
			items = append(items, words...)
		}
		return items, nil
	}
	items, err := splitQuoted(string(data), true)
	if end := o["E"]; end != "" {
		for i := range items {
			if items[i].text == end {
				return items[:i], err
			}
		}
	}
	return items, err
}

func splitItems(data []byte, delim byte) []xargsItem {
	var items []xargsItem
	data = bytes.TrimSuffix(data, []byte{delim})
	if len(data) == 0 {
		return nil
	}
	for part := range bytes.SplitSeq(data, []byte{delim}) {
		items = append(items, xargsItem{string(part), true})
	}
	return items
}

// splitQuoted splits at blanks and newlines, or only at newlines, honouring quotes and backslashes.
func splitQuoted(s string, blanks bool) ([]xargsItem, error) {
	var items []xargsItem
	var b strings.Builder
	inWord := false
	flush := func() {
		if inWord {
			items = append(items, xargsItem{text: b.String()})
		}
		b.Reset()
		inWord = false
	}
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case ch == '\n':
			flush()
			if len(items) > 0 {
				items[len(items)-1].eol = true
			}
		case isBlank(ch) && blanks:
			flush()
		case ch == '\'' || ch == '"':
			end := strings.IndexByte(s[i+1:], ch)
			if end < 0 || strings.Contains(s[i+1:i+1+end], "\n") {
				kind := map[byte]string{'\'': "single", '"': "double"}[ch]
				return nil, errInvalid("unmatched " + kind + " quote; by default quotes are special to xargs unless you use the -0 option")
			}
			b.WriteString(s[i+1 : i+1+end])
			i, inWord = i+1+end, true
		case ch == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			inWord = true
		default:
			b.WriteByte(ch)
			inWord = true
		}
	}
	flush()
	return items, nil
}

func (x *xargs) run(items []xargsItem) int {
	if x.replace != "" {
		for _, it := range items {
			args := make([]string, len(x.argv))
			for i, a := range x.argv {
				args[i] = strings.ReplaceAll(a, x.replace, it.text)
			}
			if status, stop := x.start(args); stop {
				return status
			}
		}
		return x.finish()
	}
	if len(items) == 0 && x.quiet {
		return 0
	}
	for {
		n := x.batch(items)
		args := append([]string(nil), x.argv...)
		for _, it := range items[:n] {
			args = append(args, it.text)
		}
		if status, stop := x.start(args); stop {
			return status
		}
		if items = items[n:]; len(items) == 0 {
			return x.finish()
		}
	}
}

// batch returns how many items go into the next command line.
func (x *xargs) batch(items []xargsItem) int {
	size, lines := 0, 0
	for _, a := range x.argv {
		size += len(a) + 1
	}
	for i, it := range items {
		size += len(it.text) + 1
		if i > 0 && size > x.chars || x.perCall > 0 && i == x.perCall {
			return i
		}
		if it.eol {
			if lines++; x.lines > 0 && lines == x.lines {
				return i + 1
			}
		}
	}
	return len(items)
}

func (x *xargs) finish() int {
	if x.failed123 {
		return 123
	}
	return x.status
}

// start runs one command line; stop is true when nothing more may run.
func (x *xargs) start(args []string) (status int, stop bool) {
	if x.ctx.Err() != nil {
		return 130, true
	}
	if x.verbose {
		x.out.Flush()
		io.WriteString(x.Stderr, strings.Join(args, " ")+"\n")
	}
	switch status := x.call.command(args, strings.NewReader(""), nil); {
	case status == 0:
		return 0, false
	case status == 255:
		x.errorf("%s: exited with status 255; aborting", args[0])
		return 124, true
	case status == 126 || status == 127:
		return status, true
	case status > 128:
		return 125, true
	}
	x.failed123 = true
	return 0, false
}
