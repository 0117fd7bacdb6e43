package progress

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docker/go-units"
)

// Clean makes one line that a terminal can be shown of what a program, a file or a Boxfile says. Escape sequences (ECMA-48,
// 5.3 and 5.6) are left out, colours among them. Other control characters, and the format characters that turn the direction
// of text around, become U+FFFD; line ends and tabs become blanks.
func Clean(text string) string {
	if isClean(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for len(text) > 0 {
		if text[0] == escape {
			text = text[escapeLength(text):]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r == zeroWidthJoiner || r == byteOrderMark:
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}

const (
	escape          = 0x1b
	bell            = 0x07
	zeroWidthJoiner = '\u200d'
	byteOrderMark   = '\ufeff'
)

func isClean(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// escapeLength is how long the escape sequence is that text begins with. One that does not end goes as far as the text.
func escapeLength(text string) int {
	if len(text) < 2 {
		return len(text)
	}
	switch c := text[1]; {
	case c == '[': // control sequence: parameters, intermediates, one final byte
		for i := 2; i < len(text); i++ {
			if c := text[i]; c < 0x20 || c > 0x3f {
				return i + 1
			}
		}
		return len(text)
	case strings.IndexByte("]PX^_", c) >= 0: // a string, to its terminator
		for i := 2; i < len(text); i++ {
			if text[i] == bell {
				return i + 1
			}
			if text[i] == '\\' && text[i-1] == escape {
				return i + 1
			}
		}
		return len(text)
	case c >= 0x20 && c <= 0x2f: // intermediates, one final byte
		for i := 2; i < len(text); i++ {
			if c := text[i]; c < 0x20 || c > 0x2f {
				return i + 1
			}
		}
		return len(text)
	case c < 0x80:
		return 2
	}
	return 1
}

// maxLine bounds what is kept of a line until its end comes: bytes.
const maxLine = 8 << 10

// lineBuffer cuts what a program writes into lines.
type lineBuffer struct {
	partial []byte
}

// write calls line, with text that is clean, for each line that p completes.
func (l *lineBuffer) write(p []byte, line func(text string)) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		whole := end >= 0
		if !whole {
			end = len(p)
		}
		if room := maxLine - len(l.partial); end > room {
			l.partial = append(l.partial, p[:room]...)
			p = p[room:]
			l.flush(line)
			continue
		}
		l.partial = append(l.partial, p[:end]...)
		if !whole {
			return
		}
		p = p[end+1:]
		line(l.text())
		l.partial = l.partial[:0]
	}
}

// flush ends the last line, if there is one that has no end.
func (l *lineBuffer) flush(line func(text string)) {
	if len(l.partial) > 0 {
		line(l.text())
		l.partial = l.partial[:0]
	}
}

// text is the line so far as it would stand on a terminal: what comes after a carriage return is written over what was there.
func (l *lineBuffer) text() string {
	line := bytes.TrimRight(l.partial, "\r")
	if i := bytes.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	return Clean(string(line))
}

// size tells a number of bytes as docker does, in decimal units.
func size(bytes int64) string { return units.HumanSize(float64(bytes)) }
