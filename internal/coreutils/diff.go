package coreutils

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"boxer.dev/vfs"
)

const diffOptions = "u|unified? U: c q|brief r|recursive N|new-file a|text b|ignore-space-change w|ignore-all-space i|ignore-case" +
	" B|ignore-blank-lines s|report-identical-files L|label: x|exclude: E Z|ignore-trailing-space strip-trailing-cr p normal color? y"

func diffMain(c *call) int {
	opts, operands, status, done := c.parse(diffOptions)
	if done {
		return status
	}
	d := &differ{call: c, o: flags(opts), context: -1}
	for _, o := range opts {
		switch o.name {
		case "u", "U":
			d.context = 3
			if o.value != "" {
				n, err := strconv.Atoi(o.value)
				if err != nil || n < 0 {
					c.errorf("invalid context length %s", quote(o.value))
					return 2
				}
				d.context = n
			}
		case "c", "y":
			c.errorf("-%s is not available in a box: use -u", o.name)
			return 2
		case "L":
			d.labels = append(d.labels, o.value)
		case "x":
			d.excludes = append(d.excludes, o.value)
		}
	}
	if len(operands) != 2 {
		if len(operands) < 2 {
			c.missingOperand(operands)
		} else {
			c.usageError("extra operand %s", quote(operands[2]))
		}
		return 2
	}
	a, b := operands[0], operands[1]
	switch {
	case d.isDir(a) && d.isDir(b):
		d.dirs(a, b)
	case d.isDir(a) && b != "-":
		d.files(join(a, base(b)), b, "")
	case d.isDir(b) && a != "-":
		d.files(a, join(b, base(a)), "")
	default:
		d.files(a, b, "")
	}
	if d.trouble {
		return 2
	}
	return d.result
}

type differ struct {
	*call
	o        map[string]string
	context  int // -1: normal output
	labels   []string
	excludes []string
	result   int
	trouble  bool
}

func (d *differ) dirs(a, b string) {
	left, right := d.names(a), d.names(b)
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0 || len(left) > 0 && left[0] < right[0]:
			d.only(a, b, left[0], true)
			left = left[1:]
		case len(left) == 0 || right[0] < left[0]:
			d.only(b, a, right[0], false)
			right = right[1:]
		default:
			x, y := join(a, left[0]), join(b, right[0])
			switch {
			case d.isDir(x) && d.isDir(y) && set(d.o, "r"):
				d.dirs(x, y)
			case d.isDir(x) && d.isDir(y):
				d.printf("Common subdirectories: %s and %s\n", x, y)
			case d.isDir(x) != d.isDir(y):
				d.printf("File %s is a %s while file %s is a %s\n", x, d.kind(x), y, d.kind(y))
				d.result = 1
			default:
				d.files(x, y, d.header(x, y))
			}
			left, right = left[1:], right[1:]
		}
	}
}

func (d *differ) header(x, y string) string {
	command := "diff"
	for _, a := range d.Args[1 : len(d.Args)-2] {
		command += " " + a
	}
	return command + " " + x + " " + y + "\n"
}

func (d *differ) kind(name string) string {
	st, err := d.Env.stat(name)
	if err != nil {
		return "missing file"
	}
	return fileType(st)
}

func (d *differ) names(dir string) []string {
	entries, err := d.readDir(dir)
	if err != nil {
		d.failed(err, "%s", dir)
		d.trouble = true
	}
	var names []string
	for _, e := range entries {
		if !anyGlob(d.excludes, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func (d *differ) only(dir, other, name string, left bool) {
	if set(d.o, "N") && !d.isDir(join(dir, name)) {
		x, y := join(dir, name), join(other, name)
		if !left {
			x, y = y, x
		}
		d.files(x, y, d.header(x, y))
		return
	}
	d.printf("Only in %s: %s\n", dir, name)
	d.result = 1
}

func (d *differ) load(name string) ([]byte, vfs.Stat, bool) {
	var data []byte
	err := d.input(name, func(_ string, r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	if err != nil && isNotExist(err) && set(d.o, "N") {
		err = nil
	}
	if err != nil {
		d.failed(err, "%s", name)
		d.trouble = true
	}
	st, _ := d.Env.stat(name)
	return data, st, err == nil
}

func (d *differ) files(a, b, header string) {
	x, xst, ok1 := d.load(a)
	y, yst, ok2 := d.load(b)
	if !ok1 || !ok2 {
		return
	}
	var changes []change
	equal := bytes.Equal(x, y)
	left, right := splitLines(x, d.stopped), splitLines(y, d.stopped)
	if !equal {
		changes = diffLines(d.keys(left), d.keys(right), d.stopped)
		equal = len(changes) == 0
	}
	switch {
	case equal:
		if set(d.o, "s") {
			d.printf("Files %s and %s are identical\n", a, b)
		}
		return
	case set(d.o, "q"):
		d.printf("Files %s and %s differ\n", a, b)
	case !set(d.o, "a") && (bytes.IndexByte(x[:min(len(x), 8192)], 0) >= 0 || bytes.IndexByte(y[:min(len(y), 8192)], 0) >= 0):
		d.printf("Binary files %s and %s differ\n", a, b)
	case d.context >= 0:
		d.print(header)
		d.unified(d.label(0, a, xst), d.label(1, b, yst), left, right, changes)
	default:
		d.print(header)
		d.normal(left, right, changes)
	}
	d.result = 1
}

func (d *differ) label(i int, name string, st vfs.Stat) string {
	if i < len(d.labels) {
		return d.labels[i]
	}
	return name + "\t" + strftime("%Y-%m-%d %H:%M:%S.%N %z", st.Mtime.In(d.location()))
}

// splitLines splits text into lines that keep their newline, until it is stopped.
func splitLines(text []byte, stopped func() bool) []string {
	var lines []string
	for l := range bytes.Lines(text) {
		if stopped() {
			break
		}
		lines = append(lines, string(l))
	}
	return lines
}

// keys are the lines as they are compared.
func (d *differ) keys(lines []string) []string {
	all, change, fold := set(d.o, "w"), set(d.o, "b"), set(d.o, "i")
	if !all && !change && !fold && !set(d.o, "Z") && !set(d.o, "strip-trailing-cr") {
		return lines
	}
	keys := make([]string, len(lines))
	for i, l := range lines {
		if d.stopped() {
			break
		}
		switch {
		case all:
			l = strings.Join(strings.Fields(l), "")
		case change:
			lead := ""
			if l != strings.TrimLeft(l, " \t") {
				lead = " "
			}
			l = lead + strings.Join(strings.Fields(l), " ")
		case set(d.o, "Z"):
			l = strings.TrimRight(l, " \t\r\n")
		case set(d.o, "strip-trailing-cr"):
			l = strings.ReplaceAll(l, "\r\n", "\n")
		}
		if fold {
			l = strings.ToLower(l)
		}
		keys[i] = l
	}
	return keys
}

// change replaces lines [a0,a1) of the left file by [b0,b1) of the right.
type change struct{ a0, a1, b0, b1 int }

const maxDiffCost = 4000 // edits after which diffLines stops looking for the shortest script

// diffLines returns the changes between two files: Myers' O(ND) algorithm ("An O(ND) Difference Algorithm and Its
// Variations", 1986) on what is left after common beginnings and endings. It looks no further once it is stopped.
func diffLines(a, b []string, stopped func() bool) []change {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA--
		endB--
	}
	matched := myers(a[start:endA], b[start:endB], stopped)
	var out []change
	i, j := start, start
	for _, m := range append(matched, [2]int{endA - start, endB - start}) {
		if x, y := m[0]+start, m[1]+start; x > i || y > j {
			out = append(out, change{i, x, j, y})
		}
		i, j = m[0]+start+1, m[1]+start+1
	}
	return out
}

// myers returns the pairs of equal lines of a shortest edit script.
func myers(a, b []string, stopped func() bool) [][2]int {
	n, m := len(a), len(b)
	if n == 0 || m == 0 {
		return nil
	}
	limit := min(n+m, maxDiffCost)
	mid := limit + 1
	furthest := make([]int, 2*mid+1) // the x reached on each diagonal k, at mid+k
	var trace [][]int                // what it was before round d, for the diagonals -d-1 … d+1
	for d := 0; d <= limit && !stopped(); d++ {
		trace = append(trace, append([]int(nil), furthest[mid-d-1:mid+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := furthest[mid+k-1] + 1
			if k == -d || k != d && furthest[mid+k-1] < furthest[mid+k+1] {
				x = furthest[mid+k+1]
			}
			for x < n && x-k < m && a[x] == b[x-k] {
				x++
			}
			furthest[mid+k] = x
			if x >= n && x-k >= m {
				return retrace(trace, n, m)
			}
		}
	}
	return nil // too different, or nobody waits for it: everything is replaced
}

// retrace walks back from the end and collects the diagonal steps, which are the equal lines.
func retrace(trace [][]int, x, y int) [][2]int {
	var pairs [][2]int
	for d := len(trace) - 1; d >= 0; d-- {
		at := func(k int) int { return trace[d][k+d+1] }
		k := x - y
		from := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			from = k + 1
		}
		px := at(from)
		if d == 0 {
			px = 0
			from = 0
		}
		py := px - from
		for x > px && y > py && x > 0 && y > 0 {
			x--
			y--
			pairs = append(pairs, [2]int{x, y})
		}
		x, y = px, py
	}
	for i, j := 0, len(pairs)-1; i < j; i, j = i+1, j-1 {
		pairs[i], pairs[j] = pairs[j], pairs[i]
	}
	return pairs
}

func lineRange(from, to int) string {
	if to-from <= 1 {
		return strconv.Itoa(max(to, from))
	}
	return fmt.Sprintf("%d,%d", from+1, to)
}

func (d *differ) lines(prefix string, lines []string) {
	for _, l := range lines {
		if d.stopped() {
			return
		}
		d.print(prefix + l)
		if !strings.HasSuffix(l, "\n") {
			d.print("\n\\ No newline at end of file\n")
		}
	}
}

func (d *differ) normal(a, b []string, changes []change) {
	for _, c := range changes {
		kind := "c"
		switch {
		case c.a0 == c.a1:
			kind = "a"
		case c.b0 == c.b1:
			kind = "d"
		}
		d.print(lineRange(c.a0, c.a1) + kind + lineRange(c.b0, c.b1) + "\n")
		d.lines("< ", a[c.a0:c.a1])
		if kind == "c" {
			d.print("---\n")
		}
		d.lines("> ", b[c.b0:c.b1])
	}
}

func (d *differ) unified(x, y string, a, b []string, changes []change) {
	d.printf("--- %s\n+++ %s\n", x, y)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].a0-changes[n-1].a1 <= 2*d.context {
			n++
		}
		d.hunk(a, b, changes[:n])
		changes = changes[n:]
	}
}

func (d *differ) hunk(a, b []string, changes []change) {
	first, last := changes[0], changes[len(changes)-1]
	a0, a1 := max(0, first.a0-d.context), min(len(a), last.a1+d.context)
	b0, b1 := first.b0-(first.a0-a0), last.b1+(a1-last.a1)
	d.printf("@@ -%s +%s @@\n", unifiedRange(a0, a1), unifiedRange(b0, b1))
	at := a0
	for _, c := range changes {
		d.lines(" ", a[at:c.a0])
		d.lines("-", a[c.a0:c.a1])
		d.lines("+", b[c.b0:c.b1])
		at = c.a1
	}
	d.lines(" ", a[at:a1])
}

func unifiedRange(from, to int) string {
	switch to - from {
	case 1:
		return strconv.Itoa(to)
	case 0:
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}
