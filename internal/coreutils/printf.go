package coreutils

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

func echoMain(c *call) int {
	_ = Echo(c.out, c.Args[1:], false) // a failed write shows when the buffer is flushed
	return 0
}

// Echo writes what echo prints for args: options n, e and E in front, then the words. With escapes (POSIX XSI, the
// echo of dash) backslashes are interpreted without -e.
func Echo(w io.Writer, args []string, escapes bool) error {
	newline := true
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, o := range args[0][1:] {
			switch o {
			case 'n':
				newline = false
			default:
				escapes = o == 'e'
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		var stop bool
		text, stop = unescape(text, true)
		newline = newline && !stop
	}
	if newline {
		text += "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// unescape interprets the backslashes of echo and printf %b (octal starts with \0), or of a printf format.
// stop is true when \c ended the output.
func unescape(s string, echo bool) (out string, stop bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, false
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		text, n, end := escape(s[i:], echo)
		if end {
			return b.String(), true
		}
		b.WriteString(text)
		i += n
	}
	return b.String(), false
}

// escape interprets the one escape sequence that s starts with.
func escape(s string, echo bool) (text string, n int, stop bool) {
	if i := strings.IndexByte(`abefnrtv\`, s[1]); i >= 0 {
		return "\a\b\x1b\f\n\r\t\v\\"[i : i+1], 2, false
	}
	switch s[1] {
	case 'c':
		return "", 2, true
	case '"':
		if !echo {
			return `"`, 2, false
		}
	case 'x':
		if v, used := digits(s[2:], 16, 2); used > 0 {
			return string([]byte{byte(v)}), 2 + used, false
		}
	case 'u', 'U':
		if v, used := digits(s[2:], 16, map[byte]int{'u': 4, 'U': 8}[s[1]]); used > 0 {
			return string(rune(v)), 2 + used, false
		}
	case '0':
		if echo {
			v, used := digits(s[2:], 8, 3)
			return string([]byte{byte(v)}), 2 + used, false
		}
		fallthrough
	case '1', '2', '3', '4', '5', '6', '7':
		if !echo {
			v, used := digits(s[1:], 8, 3)
			return string([]byte{byte(v)}), 1 + used, false
		}
	}
	return s[:2], 2, false
}

// digits reads at most limit digits of base.
func digits(s string, base, limit int) (v uint64, n int) {
	for n < limit && n < len(s) {
		d := strings.IndexByte("0123456789abcdef", s[n]|0x20)
		if isDigit(s[n]) {
			d = int(s[n] - '0')
		}
		if d < 0 || d >= base {
			break
		}
		v = v*uint64(base) + uint64(d)
		n++
	}
	return v, n
}

func printfMain(c *call) int {
	args := c.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		c.missingOperand(nil)
		return statusUsage
	}
	p := &formatter{call: c, args: args[1:]}
	for {
		before := len(p.args)
		if stop := p.format(args[0]); stop || len(p.args) == 0 || len(p.args) == before || c.stopped() {
			return c.status
		}
	}
}

type formatter struct {
	*call
	args []string
}

func (p *formatter) next() string {
	if len(p.args) == 0 {
		return ""
	}
	arg := p.args[0]
	p.args = p.args[1:]
	return arg
}

// format writes f once, consuming arguments; it reports whether output ends here.
func (p *formatter) format(f string) (stop bool) {
	for i := 0; i < len(f); {
		switch {
		case f[i] == '\\' && i+1 < len(f):
			text, n, end := escape(f[i:], false)
			if end {
				return true
			}
			p.print(text)
			i += n
		case f[i] == '%' && i+1 < len(f) && f[i+1] == '%':
			p.print("%")
			i += 2
		case f[i] == '%':
			n, end := p.conversion(f[i:])
			if end {
				return true
			}
			i += n
		default:
			p.out.WriteByte(f[i])
			i++
		}
	}
	return false
}

const maxFieldWidth = 1 << 20

// conversion formats one "%…" specification and returns its length.
func (p *formatter) conversion(f string) (n int, stop bool) {
	spec := "%"
	for n = 1; n < len(f) && strings.IndexByte("-+ #0'", f[n]) >= 0; n++ {
		spec += string(f[n])
	}
	number := func() bool {
		start := n
		text := ""
		if n < len(f) && f[n] == '*' {
			n++
			text = strconv.FormatInt(p.integer(p.next()), 10)
		} else {
			for n < len(f) && isDigit(f[n]) {
				n++
			}
			text = f[start:n]
		}
		if v, err := strconv.Atoi(text); text != "" && (err != nil || v > maxFieldWidth || v < -maxFieldWidth) {
			p.errorf("%s: invalid field width", quote(text))
			return false
		}
		spec += text
		return true
	}
	if !number() {
		return n, true
	}
	if n < len(f) && f[n] == '.' {
		spec += "."
		n++
		if !number() {
			return n, true
		}
	}
	for n < len(f) && strings.IndexByte("hlLjzt", f[n]) >= 0 {
		n++
	}
	if n == len(f) {
		p.errorf("%s: missing conversion character", quote(f))
		return n, true
	}
	stop = p.convert(strings.ReplaceAll(spec, "'", ""), f[n], f[:n+1])
	return n + 1, stop
}

func (p *formatter) convert(spec string, verb byte, whole string) (stop bool) {
	switch verb {
	case 'd', 'i':
		p.printInt(spec, p.integer(p.next()))
	case 'u', 'o', 'x', 'X':
		if verb == 'u' {
			verb = 'd'
		}
		p.printf(spec+string(verb), uint64(p.integer(p.next())))
	case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
		arg := p.next()
		v, err := strconv.ParseFloat(strings.TrimSpace(arg), 64)
		if err != nil && arg != "" {
			v = float64(p.integer(arg))
		}
		p.printf(spec+strings.NewReplacer("a", "x", "A", "X").Replace(string(verb)), v)
	case 's':
		p.printString(spec, p.next())
	case 'c':
		arg := p.next()
		p.printString(spec, arg[:min(1, len(arg))])
	case 'q':
		p.printString(spec, shellQuote(p.next()))
	case 'b':
		text, end := unescape(p.next(), true)
		p.printString(spec, text)
		return end
	default:
		p.errorf("%s: invalid conversion specification", whole)
		return true
	}
	return false
}

// printInt honours a precision, which in C turns the 0 flag off.
func (p *formatter) printInt(spec string, v int64) {
	if strings.Contains(spec, ".") {
		spec = "%" + strings.ReplaceAll(spec[1:2], "0", "") + spec[2:]
	}
	p.printf(spec+"d", v)
}

// printString pads and cuts by bytes, as C does.
func (p *formatter) printString(spec, s string) {
	spec = strings.TrimLeft(spec, "%+ #0")
	left := strings.HasPrefix(spec, "-")
	widthText, precText, precise := strings.Cut(strings.TrimLeft(spec, "-+ #0"), ".")
	width, _ := strconv.Atoi(widthText)
	if precise {
		prec, _ := strconv.Atoi(precText)
		s = s[:min(len(s), max(0, prec))]
	}
	pad := strings.Repeat(" ", max(0, width-len(s)))
	if left {
		p.print(s + pad)
	} else {
		p.print(pad + s)
	}
}

// integer reads a C constant or 'c (the character's code).
func (p *formatter) integer(s string) int64 {
	if s == "" {
		return 0
	}
	if s[0] == '\'' || s[0] == '"' {
		r, _ := utf8.DecodeRuneInString(s[1:])
		return int64(r)
	}
	text := strings.TrimLeft(s, " \t\n")
	v, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 0, 64)
	if err == nil {
		return v
	}
	if u, uerr := strconv.ParseUint(text, 0, 64); uerr == nil {
		return int64(u)
	}
	for n := len(text) - 1; n > 0; n-- {
		if v, err := strconv.ParseInt(text[:n], 0, 64); err == nil {
			p.errorf("%s: value not completely converted", quote(s))
			return v
		}
	}
	p.errorf("%s: expected a numeric value", quote(s))
	return 0
}

// shellQuote quotes s so that a shell reads it back as one word.
func shellQuote(s string) string {
	switch {
	case s == "":
		return "''"
	case strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == "":
		return s
	}
	return quote(s)
}
