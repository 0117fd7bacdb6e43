package wasm

import (
	"fmt"
	"unicode/utf8"
)

// SyntaxError says where a module is malformed.
type SyntaxError struct {
	Offset  int    // bytes from the start of the module
	Section string // "import section", "code section", …; empty outside of sections
	Message string
}

func (e *SyntaxError) Error() string {
	if e.Section == "" {
		return fmt.Sprintf("wasm: offset %#x: %s", e.Offset, e.Message)
	}
	return fmt.Sprintf("wasm: offset %#x: %s: %s", e.Offset, e.Section, e.Message)
}

// cursor reads a stretch of a module. It keeps the first error and then stands at its end giving zeroes, so that
// decoders read like the grammar they implement and ask for the error once per item.
type cursor struct {
	data     []byte // the whole module, so that positions are file offsets
	pos, end int
	section  string
	err      error
	types    int // how many types there are; 0: not known yet
}

func (c *cursor) fail(at int, format string, args ...any) {
	if c.err == nil {
		c.err = &SyntaxError{Offset: at, Section: c.section, Message: fmt.Sprintf(format, args...)}
	}
	c.pos = c.end
}

func (c *cursor) left() int { return c.end - c.pos }

func (c *cursor) byte(what string) byte {
	if c.pos >= c.end {
		c.fail(c.pos, "%s is missing", what)
		return 0
	}
	b := c.data[c.pos]
	c.pos++
	return b
}

// take gives the next n bytes as a view.
func (c *cursor) take(n int, what string) []byte {
	if n < 0 || n > c.left() {
		c.fail(c.pos, "%s of %d bytes does not fit into the remaining %d", what, n, c.left())
		return nil
	}
	view := c.data[c.pos : c.pos+n : c.pos+n]
	c.pos += n
	return view
}

// count reads the length of a vector (5.1.3) whose items take at least itemSize bytes each, and so bounds what a
// caller may allocate for it.
func (c *cursor) count(itemSize int, what string) int {
	at := c.pos
	n := c.u32(what)
	if int64(n)*int64(itemSize) > int64(c.left()) {
		c.fail(at, "%s: %d is more than the remaining %d bytes can hold", what, n, c.left())
		return 0
	}
	return int(n)
}

// name reads a name (5.2.4): UTF-8, its length in bytes first.
func (c *cursor) name(what string) []byte {
	at := c.pos
	n := c.count(1, what)
	view := c.take(n, what)
	if !utf8.Valid(view) {
		c.fail(at, "%s is not UTF-8", what)
	}
	return view
}
