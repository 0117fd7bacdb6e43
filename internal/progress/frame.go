package progress

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Control functions of ECMA-48, and private modes of DEC's that every terminal has.
const (
	red, yellow, blue = "\x1b[31m", "\x1b[33m", "\x1b[34m"
	plainColor        = "\x1b[0m"
	begin             = "\x1b[?25l\x1b[?7l" // hide the cursor, do not wrap
	end               = "\x1b[?7h\x1b[?25h"
	eraseLine         = "\x1b[K"
	eraseBelow        = "\x1b[J"
)

const (
	unknownColumns, unknownRows = 80, 24
	narrowest                   = 20
)

// frame is what is drawn at once.
type frame struct {
	columns int
	lines   []line
}

// line is a line of a frame: text and, at the right edge, columns.
type line struct {
	text, right string
	color       string
}

// layout makes a frame out of what a terminal knows.
type layout struct {
	terminal *Terminal
	now      time.Time
	columns  int
	built    *Built // nil: sizes are not known, not worth showing, or have no room
	last     bool   // it is the last frame
	spare    int    // lines that output of running steps may take
}

// wideEnough is a terminal, in columns, that has room for sizes beside the steps.
const wideEnough = 80

// draft makes the present frame. The last one, which alone has an ending, has all rows, and sizes if the build succeeded.
func (t *Terminal) draft(built *Built, ending string) frame {
	columns, height := t.size()
	l := layout{terminal: t, now: clock(t.Now).now(), columns: columns, last: ending != ""}
	if columns >= wideEnough && built != nil && built.news() {
		l.built = built
	}
	rows := t.rows
	if ending == "" {
		rows = fitting(rows, height-2) // the head, and the line that the cursor is left on
	}
	l.spare = height - 2 - len(rows)
	if len(rows) == 0 {
		return frame{columns: columns} // it failed before it began
	}
	lines := l.head(ending)
	for _, r := range rows {
		lines = append(lines, l.lines(r)...)
	}
	if room := max(0, height-1); ending == "" && len(lines) > room {
		lines = lines[len(lines)-room:] // a screen that has no room for the head
	}
	for i := range lines {
		lines[i].text = t.text(lines[i].text)
		if !t.Color {
			lines[i].color = ""
		}
	}
	return frame{columns, lines}
}

func (t *Terminal) size() (columns, rows int) {
	if t.Size != nil {
		columns, rows = t.Size()
	}
	if columns <= 0 {
		columns = unknownColumns
	}
	if rows <= 0 {
		rows = unknownRows
	}
	return columns, rows
}

// fitting leaves out rows until n are left: those that are done, the oldest first, then the oldest.
func fitting(rows []*row, n int) []*row {
	excess := len(rows) - max(1, n)
	if excess <= 0 {
		return rows
	}
	kept := slices.DeleteFunc(slices.Clone(rows), func(r *row) bool {
		if excess > 0 && r.state != running {
			excess--
			return true
		}
		return false
	})
	return kept[excess:]
}

// head is what comes above the steps: how far the build is, and what the box has from its base.
func (l *layout) head(ending string) []line {
	t := l.terminal
	head := line{text: fmt.Sprintf("[+] Building %s (%s)%s", seconds(l.now.Sub(t.began)), t.count(), ending)}
	if l.built == nil {
		return []line{head}
	}
	head.right = columns("SIZE", "UNPACKED", "TIME")
	count, sum := l.built.base()
	if count == 0 {
		return []line{head}
	}
	return []line{head, {text: " => " + describeBase(count), right: columns(size(sum.Size), size(sum.Unpacked), ""), color: blue}}
}

func columns(size, unpacked, took string) string {
	return fmt.Sprintf("%9s %9s %6s", size, unpacked, took)
}

// count tells how many steps are done, of how many that are known of.
func (t *Terminal) count() string {
	ended, total := 0, 0
	for _, r := range t.rows {
		if r.step != nil && r.state != running {
			ended++
		}
	}
	for _, steps := range t.stages {
		total += steps
	}
	return fmt.Sprintf("%d/%d", ended, total)
}

// lines are those of a row.
func (l *layout) lines(r *row) []line {
	if r.step == nil {
		return l.whole(" => ", r.text, r.color)
	}
	lines := []line{{text: " => " + r.text, right: l.right(r), color: r.color}}
	if r.state == running {
		return append(lines, l.output(r)...)
	}
	for _, text := range r.after {
		lines = append(lines, l.whole(" => => ", text, r.color)...)
	}
	return lines
}

// whole is a text that must not be cut: the last frame has all of it, on as many lines as it takes.
func (l *layout) whole(lead, text, color string) (lines []line) {
	room := l.columns - len(lead)
	for l.last && room > narrowest && width(text) > room {
		head := clip(text, room, "")
		if i := strings.LastIndexByte(head, ' '); i > 0 {
			head = head[:i]
		}
		lines = append(lines, line{text: lead + head, color: color})
		text = strings.TrimLeft(text[len(head):], " ")
		lead = strings.Repeat(" ", len(lead))
	}
	return append(lines, line{text: lead + text, color: color})
}

// right is what stands at the right edge of a step: its time and, once the box is built, what the step added to it.
func (l *layout) right(r *row) string {
	took := r.took
	if r.state == running {
		took = l.now.Sub(r.at)
	}
	if l.built == nil {
		return seconds(took)
	}
	if layer, ok := l.built.layer(r.step); ok {
		return columns(size(layer.Size), size(layer.Unpacked), seconds(took))
	}
	return columns("", "", seconds(took))
}

// output is the end of what a running step has written.
func (l *layout) output(r *row) (lines []line) {
	tail := r.tail
	if partial := r.lines.text(); partial != "" {
		tail = append(slices.Clone(tail), partial)
	}
	shown := max(0, min(len(tail), tailLines, l.spare))
	l.spare -= shown
	for _, text := range tail[len(tail)-shown:] {
		lines = append(lines, line{text: " => => # " + text})
	}
	return lines
}

// write draws a frame over the one before.
func (f *frame) write(b *bytes.Buffer, before *frame) {
	b.WriteString(begin)
	if up := before.height(f.columns); up > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA", up)
	}
	for _, l := range f.lines {
		l.write(b, f.columns)
	}
	b.WriteString(eraseBelow + end)
}

// height is how many lines a frame takes on a terminal that has since been made so many columns wide: one that is narrower
// breaks lines.
func (f *frame) height(columns int) (height int) {
	for _, l := range f.lines {
		taken := f.columns
		if l.right == "" {
			taken = min(taken, width(l.text))
		}
		height += max(1, (taken+columns-1)/columns)
	}
	return height
}

func (l *line) write(b *bytes.Buffer, columns int) {
	room, right := columns, l.right
	if columns < narrowest {
		right = ""
	}
	if right != "" {
		room -= len(right) + 1
	}
	// Erased first: behind a line that is full, the cursor is still on its last character.
	b.WriteString(eraseLine + l.color + clip(l.text, room, "..."))
	if right != "" {
		fmt.Fprintf(b, "\x1b[%dG%s", columns-len(right)+1, right) // to a column (CHA)
	}
	if l.color != "" {
		b.WriteString(plainColor)
	}
	b.WriteByte('\n')
}

// width is how many columns a text takes at most: what is not ASCII may be two wide.
func width(text string) (columns int) {
	for _, r := range text {
		columns += runeWidth(r)
	}
	return columns
}

func runeWidth(r rune) int {
	if r < 0x80 {
		return 1
	}
	return 2
}

// clip cuts a text to a width in columns and marks where.
func clip(text string, columns int, mark string) string {
	if width(text) <= columns {
		return text
	}
	mark = mark[:min(len(mark), max(0, columns))]
	room := columns - len(mark)
	for i, r := range text {
		if room -= runeWidth(r); room < 0 {
			return text[:i] + mark
		}
	}
	return text
}
