// Package plot draws figures of several contenders beside each other, as SVG for a page.
package plot

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"unicode/utf8"
)

// Bar is what one contender reached, in the plot's unit.
type Bar struct {
	Name                 string
	Median, Lower, Upper float64 // the quartiles are the median where there are none
	Label                string  // at the end of the bar: "20.1 ms"
	Ours                 bool    // it is the one that the plot is about
}

// Colours.
const (
	ours   = "#2563eb"
	theirs = "#94a3b8"
	ink    = "#0f172a"
	quiet  = "#64748b"
	faint  = "#e2e8f0"
)

// Sizes in points.
const (
	width     = 620
	rowHeight = 22
	thickness = 14 // of a bar
	textSize  = 10
	gap       = 5  // between a bar and what is written beside it
	footer    = 30 // below the rows: numbers and the unit
)

// letter is how wide one is taken to be. Whoever looks at a page has fonts of their own; this is the mean of a wide one.
const letter = 0.6 * textSize

// Bars draws a row for each bar, from top to bottom, the quartiles as a line through its end. The scale is logarithmic where
// the largest is more than fifty times the smallest: equal steps are equal factors, and no bar begins at nothing.
func Bars(bars []Bar, unit string) ([]byte, error) { return draw(bars, unit, scaleOf(bars)) }

// Shares draws bars as Bars does, whose lengths are shares of a whole: the scale is linear.
func Shares(bars []Bar, unit string) ([]byte, error) { return draw(bars, unit, linear(bars)) }

func draw(bars []Bar, unit string, s scale) ([]byte, error) {
	if len(bars) == 0 {
		return nil, errors.New("there is nothing to plot")
	}
	var names, labels float64
	for _, b := range bars {
		names, labels = max(names, widthOf(b.Name)), max(labels, widthOf(b.Label))
	}
	names, labels = min(names, width/2), min(labels, width/4) // bars are drawn however long they are
	d := drawing{scale: s, left: names + 2*gap, right: width - labels - 2*gap, bottom: float64(len(bars) * rowHeight)}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%dpt" height="%gpt" viewBox="0 0 %[1]d %[2]g"`, width, d.bottom+footer)
	d.add(` font-family="'Liberation Sans',Arial,Helvetica,sans-serif" font-size="%d">`+"\n", textSize)
	d.axis(unit)
	for i, b := range bars {
		d.row(b, (float64(i)+0.5)*rowHeight)
	}
	d.add("</svg>\n")
	return d.Bytes(), nil
}

func widthOf(text string) float64 { return letter * float64(utf8.RuneCountInString(text)) }

// drawing is an SVG that is being written: bars go from left to right, where the scale begins and ends, rows end at bottom.
type drawing struct {
	bytes.Buffer
	scale
	left, right, bottom float64
}

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// text writes by an anchor, which is start, middle or end; y is the middle of the letters.
func (d *drawing) text(x, y float64, anchor, colour, text string) {
	const half = 0.36 * textSize // of a capital's height, which all fonts agree on
	d.add(`<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y+half, anchor, colour, html.EscapeString(text))
}

func (d *drawing) line(x1, y1, x2, y2 float64, colour string) {
	d.add(`<path d="M%.1f,%.1fL%.1f,%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

// x is where a value lies.
func (d *drawing) x(value float64) float64 { return d.left + d.share(value)*(d.right-d.left) }

// axis draws a line for each number of the scale, and the unit below them.
func (d *drawing) axis(unit string) {
	for _, n := range d.numbers() {
		d.line(d.x(n), 0, d.x(n), d.bottom, faint)
		d.text(d.x(n), d.bottom+9, "middle", quiet, number(n))
	}
	d.text((d.left+d.right)/2, d.bottom+22, "middle", quiet, unit)
}

// row draws a bar, its name, its quartiles and its label.
func (d *drawing) row(b Bar, middle float64) {
	fill := theirs
	if b.Ours {
		fill = ours
	}
	end := d.x(b.Median)
	d.text(d.left-gap, middle, "end", ink, b.Name)
	d.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>`+"\n", d.left, middle-thickness/2, end-d.left, thickness, fill)
	if b.Upper > b.Lower {
		d.line(d.x(b.Lower), middle, d.x(b.Upper), middle, ink)
		end = max(end, d.x(b.Upper))
	}
	d.text(end+gap, middle, "start", ink, b.Label)
}
