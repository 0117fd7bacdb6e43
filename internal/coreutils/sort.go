package coreutils

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"boxer.dev/vfs"
)

const sortOptions = "b|ignore-leading-blanks d|dictionary-order f|ignore-case g|general-numeric-sort h|human-numeric-sort" +
	" i|ignore-nonprinting M|month-sort n|numeric-sort R|random-sort r|reverse V|version-sort c|check? C k|key: m|merge o|output:" +
	" s|stable S|buffer-size: t|field-separator: T|temporary-directory: parallel: u|unique z|zero-terminated sort:"

func sortMain(c *call) int {
	opts, operands, status, done := c.parse(sortOptions)
	if done {
		return status
	}
	s := &sorter{call: c, sep: -1}
	for _, o := range opts {
		if err := s.option(o); err != nil {
			c.errorf("%v", err)
			return 2
		}
	}
	for i := range s.keys {
		if s.keys[i].order == (sortOrder{}) {
			s.keys[i].order = s.order
		}
	}
	if len(s.keys) == 0 {
		s.keys = []sortKey{{order: s.order, startField: 1, startChar: 1}}
	}
	lines, err := s.read(operands)
	if err != nil {
		return 2
	}
	if s.check != 0 {
		return s.checkSorted(lines, operands)
	}
	items := s.prepare(lines)
	if !s.sort(items) {
		return 2
	}
	if s.unique {
		items = slices.CompactFunc(items, func(a, b sortItem) bool { return s.compareKeys(a, b) == 0 })
	}
	return s.write(items)
}

// sortOrder is how keys compare.
type sortOrder struct {
	blanks, dictionary, fold, printable, reverse bool
	kind                                         byte // n, g, h, M, V or 0
}

type sortKey struct {
	order                 sortOrder
	startField, startChar int
	endField, endChar     int // endField 0: the line's end; endChar 0: the field's end
}

type sorter struct {
	*call
	order          sortOrder
	keys           []sortKey
	sep            int // byte, or -1: blanks
	unique, stable bool
	zero           bool
	check          byte
	output         string
	compared       int
}

type sortItem struct {
	line    []byte
	first   []byte  // the first key's text
	number  float64 // of a numeric first key
	numeric string  // of an n key: compared as a decimal of any length
}

func (s *sorter) option(o option) error {
	switch o.name {
	case "k":
		k, err := parseSortKey(o.value)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, k)
	case "t":
		sep := o.value
		if sep == `\0` {
			sep = "\x00"
		}
		if len(sep) != 1 {
			return errInvalid("multi-character tab " + quote(sep))
		}
		s.sep = int(sep[0])
	case "u":
		s.unique = true
	case "s":
		s.stable = true
	case "z":
		s.zero = true
	case "c", "C":
		s.check = o.name[0]
	case "o":
		s.output = o.value
	case "sort":
		letter := map[string]string{"numeric": "n", "general-numeric": "g", "human-numeric": "h", "month": "M", "version": "V"}[o.value]
		if letter == "" {
			return errInvalid("invalid argument " + quote(o.value) + " for '--sort'")
		}
		s.order.letter(letter[0])
	case "R":
		return errInvalid("a random order is not possible in a box")
	default:
		if len(o.name) == 1 {
			s.order.letter(o.name[0])
		}
	}
	return nil
}

func (o *sortOrder) letter(b byte) bool {
	switch b {
	case 'b':
		o.blanks = true
	case 'd':
		o.dictionary = true
	case 'f':
		o.fold = true
	case 'i':
		o.printable = true
	case 'r':
		o.reverse = true
	case 'n', 'g', 'h', 'M', 'V':
		o.kind = b
	default:
		return false
	}
	return true
}

// parseSortKey reads F[.C][OPTS][,F[.C][OPTS]].
func parseSortKey(s string) (k sortKey, err error) {
	bad := errInvalid("invalid field specification " + quote(s))
	start, end, hasEnd := strings.Cut(s, ",")
	if k.startField, k.startChar, err = k.position(start, 1); err != nil || k.startField == 0 || k.startChar == 0 {
		return k, bad
	}
	if hasEnd {
		if k.endField, k.endChar, err = k.position(end, 0); err != nil || k.endField == 0 {
			return k, bad
		}
	}
	return k, nil
}

func (k *sortKey) position(s string, char int) (int, int, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
	for _, b := range []byte(s[digits:]) {
		if !k.order.letter(b) {
			return 0, 0, errInvalid("")
		}
	}
	f, ch, dot := strings.Cut(s[:digits], ".")
	field, err := strconv.Atoi(f)
	if err == nil && dot {
		char, err = strconv.Atoi(ch)
	}
	return field, char, err
}

func (s *sorter) read(operands []string) ([][]byte, error) {
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	var lines [][]byte
	for _, name := range operands {
		err := s.input(name, func(_ string, r io.Reader) error {
			data, err := io.ReadAll(r)
			delim := lineDelim(s.zero)
			for len(data) > 0 && (len(lines)%looks > 0 || !s.stopped()) {
				i := bytes.IndexByte(data, delim)
				if i < 0 {
					i = len(data)
				}
				lines = append(lines, data[:i:i])
				data = data[min(i+1, len(data)):]
			}
			return err
		})
		if err != nil {
			s.failed(err, "cannot read: %s", name)
			return nil, err
		}
	}
	return lines, nil
}

func (s *sorter) prepare(lines [][]byte) []sortItem {
	items := make([]sortItem, len(lines))
	k := s.keys[0]
	for i, l := range lines {
		if i%looks == 0 && s.stopped() {
			return nil
		}
		items[i] = sortItem{line: l, first: s.extract(l, k)}
		switch k.order.kind {
		case 'n':
			items[i].numeric = decimalPrefix(items[i].first)
		case 0, 'V':
		default:
			items[i].number = keyNumber(items[i].first, k.order.kind)
		}
	}
	return items
}

// looks is how many comparisons are made between two looks at whether anybody still wants the result.
const looks = 1 << 12

type unwanted struct{}

// sort reports whether it came to its end: package slices, which cannot be stopped, is left by a panic.
func (s *sorter) sort(items []sortItem) (done bool) {
	defer func() {
		if r := recover(); r != nil && r != (unwanted{}) {
			panic(r)
		}
	}()
	slices.SortStableFunc(items, s.compare)
	return true
}

func (s *sorter) compare(a, b sortItem) int {
	if s.compared++; s.compared%looks == 0 && s.stopped() {
		panic(unwanted{})
	}
	if n := s.compareKeys(a, b); n != 0 || s.stable || s.unique {
		return n
	}
	n := bytes.Compare(a.line, b.line)
	if s.order.reverse {
		return -n
	}
	return n
}

func (s *sorter) compareKeys(a, b sortItem) int {
	for i, k := range s.keys {
		var n int
		switch {
		case i == 0 && k.order.kind == 'n':
			n = compareDecimal(a.numeric, b.numeric)
		case i == 0 && k.order.kind != 0 && k.order.kind != 'V':
			n = compareNumbers(a.number, b.number)
		case i == 0:
			n = k.order.compareText(a.first, b.first)
		default:
			n = k.order.compareText(s.extract(a.line, k), s.extract(b.line, k))
		}
		if n != 0 {
			if k.order.reverse {
				return -n
			}
			return n
		}
	}
	return 0
}

func (o sortOrder) compareText(a, b []byte) int {
	switch o.kind {
	case 'n':
		return compareDecimal(decimalPrefix(a), decimalPrefix(b))
	case 'g', 'h', 'M':
		return compareNumbers(keyNumber(a, o.kind), keyNumber(b, o.kind))
	}
	if o.fold || o.dictionary || o.printable {
		a, b = o.normalize(a), o.normalize(b)
	}
	if o.kind == 'V' {
		return compareVersions(string(a), string(b))
	}
	return bytes.Compare(a, b)
}

func (o sortOrder) normalize(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for _, b := range s {
		if o.dictionary && !(isAlpha(b) || isDigit(b) || b == ' ' || b == '\t') || o.printable && (b < 32 || b > 126) {
			continue
		}
		if o.fold && 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		out = append(out, b)
	}
	return out
}

// extract returns the part of line that is the key.
func (s *sorter) extract(line []byte, k sortKey) []byte {
	start := s.offset(line, k.startField, k.startChar, k.order.blanks)
	end := len(line)
	switch {
	case k.endField > 0 && k.endChar == 0:
		end = s.fieldEnd(line, k.endField)
	case k.endField > 0:
		end = min(len(line), s.offset(line, k.endField, k.endChar, k.order.blanks)+1)
	}
	return line[min(start, end):end]
}

// fieldStart returns where field n begins; without a separator the blanks before a field belong to it.
func (s *sorter) fieldStart(line []byte, n int) int {
	at := 0
	for ; n > 1 && at < len(line); n-- {
		at = s.next(line, at)
		if s.sep >= 0 && at < len(line) {
			at++
		} else if s.sep >= 0 {
			return len(line)
		}
	}
	return at
}

func (s *sorter) fieldEnd(line []byte, n int) int { return s.next(line, s.fieldStart(line, n)) }

// next returns the end of the field that starts at from.
func (s *sorter) next(line []byte, from int) int {
	if s.sep >= 0 {
		if i := bytes.IndexByte(line[from:], byte(s.sep)); i >= 0 {
			return from + i
		}
		return len(line)
	}
	for from < len(line) && isBlank(line[from]) {
		from++
	}
	for from < len(line) && !isBlank(line[from]) {
		from++
	}
	return from
}

func (s *sorter) offset(line []byte, field, char int, skipBlanks bool) int {
	at := s.fieldStart(line, field)
	for skipBlanks && at < len(line) && isBlank(line[at]) {
		at++
	}
	return min(len(line), at+char-1)
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

func (s *sorter) checkSorted(lines [][]byte, operands []string) int {
	items := s.prepare(lines)
	for i := 1; i < len(items); i++ {
		n := s.compare(items[i-1], items[i])
		if n < 0 || n == 0 && !s.unique {
			continue
		}
		if s.check == 'c' {
			name := "-"
			if len(operands) > 0 {
				name = operands[0]
			}
			s.errorf("%s:%d: disorder: %s", name, i+1, items[i].line)
		}
		return 1
	}
	return 0
}

func (s *sorter) write(items []sortItem) int {
	out := s.out
	if s.output != "" {
		w, err := s.create(s.output, vfs.O_TRUNC)
		if err != nil {
			s.failed(err, "open failed: %s", s.output)
			return 2
		}
		defer w.Close()
		out = bufio.NewWriter(w)
	}
	for _, it := range items {
		out.Write(it.line)
		out.WriteByte(lineDelim(s.zero))
		if s.stopped() {
			break
		}
	}
	if err := out.Flush(); err != nil && !s.broken {
		s.failed(err, "write failed")
		return 2
	}
	return 0
}

// keyNumber is the value of a g, h or M key; what is no number sorts before every number.
func keyNumber(key []byte, kind byte) float64 {
	text := strings.TrimLeft(string(key), " \t")
	switch kind {
	case 'M':
		if len(text) >= 3 {
			if i := strings.Index("JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", strings.ToUpper(text[:3])); i >= 0 && i%3 == 0 {
				return float64(i/3 + 1)
			}
		}
		return 0
	case 'h':
		digits := decimalPrefix([]byte(text))
		v, _ := strconv.ParseFloat(digits, 64)
		if rest := text[min(len(text), len(digits)):]; rest != "" {
			if e := strings.IndexByte("KMGTPEZY", rest[0]&^0x20); e >= 0 {
				v *= math.Pow(1024, float64(e+1))
			}
		}
		return v
	}
	for n := len(text); n > 0; n-- {
		if v, err := strconv.ParseFloat(text[:n], 64); err == nil && strings.IndexByte("_", text[n-1]) < 0 {
			return v
		}
	}
	return math.Inf(-1)
}

func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// decimalPrefix returns the number that key starts with, blanks skipped: [-]digits[.digits].
func decimalPrefix(key []byte) string {
	for len(key) > 0 && isBlank(key[0]) {
		key = key[1:]
	}
	n := 0
	if n < len(key) && key[n] == '-' {
		n++
	}
	dot := false
	for ; n < len(key) && (isDigit(key[n]) || key[n] == '.' && !dot); n++ {
		dot = dot || key[n] == '.'
	}
	return string(key[:n])
}

// compareDecimal compares decimals of any length.
func compareDecimal(a, b string) int {
	an, ai, af := splitDecimal(a)
	bn, bi, bf := splitDecimal(b)
	if an != bn {
		if an {
			return -1
		}
		return 1
	}
	n := len(ai) - len(bi)
	if n == 0 {
		n = strings.Compare(ai, bi)
	}
	if n == 0 {
		n = strings.Compare(af, bf)
	}
	if an {
		return -n
	}
	return n
}

func splitDecimal(s string) (negative bool, whole, frac string) {
	s, negative = strings.CutPrefix(s, "-")
	whole, frac, _ = strings.Cut(s, ".")
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	return negative && whole+frac != "", whole, frac
}

// compareVersions compares as GNU's filevercmp does for ordinary versions: runs of digits as numbers, "~" before
// anything, letters before other characters.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !isDigit(a[0])) || (b != "" && !isDigit(b[0])) {
			if x, y := versionRank(a), versionRank(b); x != y {
				return x - y
			}
			a, b = a[1:], b[1:]
		}
		an, bn := len(a)-len(strings.TrimLeft(a, "0123456789")), len(b)-len(strings.TrimLeft(b, "0123456789"))
		if n := compareDecimal(a[:an], b[:bn]); n != 0 {
			return n
		}
		a, b = a[an:], b[bn:]
	}
	return 0
}

func versionRank(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isAlpha(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}
