// Package plot draws figures of several contenders beside each other, as SVG for a page.
package plot

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Bar is what one contender reached, in the plot's unit.
type Bar struct {
	Name                 string
	Median, Lower, Upper float64 // the quartiles are the median where there are none
	Label                string  // at the end of the bar: "20.1 ms"
	Ours                 bool    // it is the one that the plot is about
}

var (
	ours   = color.RGBA{R: 0x25, G: 0x63, B: 0xeb, A: 0xff}
	theirs = color.RGBA{R: 0x94, G: 0xa3, B: 0xb8, A: 0xff}
	ink    = color.RGBA{R: 0x0f, G: 0x17, B: 0x2a, A: 0xff}
	quiet  = color.RGBA{R: 0x64, G: 0x74, B: 0x8b, A: 0xff}
	lines  = color.RGBA{R: 0xe2, G: 0xe8, B: 0xf0, A: 0xff}
)

// Sizes in points.
const (
	width     = 620
	rowHeight = 21
	frame     = 34 // above and below the rows
	textSize  = 10
	spare     = 16 // beside names, for fonts that are wider than the one that they are measured with
)

// Bars draws a row for each bar, from top to bottom, the quartiles as a line through its end. The scale is logarithmic where
// the largest is more than fifty times the smallest: equal steps are equal factors, and no bar begins at nothing.
func Bars(bars []Bar, unit string) ([]byte, error) { return draws(bars, unit, scaleOf(bars)) }

// Shares draws bars as Bars does, whose lengths are shares of a whole: the scale is linear.
func Shares(bars []Bar, unit string) ([]byte, error) { return draws(bars, unit, linear(bars)) }

func draws(bars []Bar, unit string, scale scale) ([]byte, error) {
	if len(bars) == 0 {
		return nil, fmt.Errorf("there is nothing to plot")
	}
	p := plot.New()
	p.BackgroundColor = color.Transparent
	scale.apply(p, unit)
	p.Add(grid{scale}, rows{bars, scale})
	names := make([]string, len(bars))
	for i, b := range bars {
		names[len(bars)-1-i] = b.Name
	}
	p.NominalY(names...)
	p.Y.Tick.Label.Font = sans()
	p.Y.Tick.Label.Color = ink
	p.Y.Padding = spare
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Min, p.Y.Max = -0.5, float64(len(bars))-0.5
	return svg(p, float64(len(bars))*rowHeight+frame)
}

func sans() font.Font { return font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize} }

// svg draws a plot. It names fonts of the same widths as the one that texts are measured with, and whatever a system has.
func svg(p *plot.Plot, height float64) ([]byte, error) {
	canvas := vgsvg.New(width, vg.Length(height))
	p.Draw(draw.New(canvas))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("drawing: %w", err)
	}
	drawing := out.String()
	drawing = drawing[strings.Index(drawing, "<svg"):] // a page has no XML declaration within
	drawing = strings.ReplaceAll(drawing, "font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
	return []byte(drawing), nil
}

// scaleOf chooses the axis.
func scaleOf(bars []Bar) scale {
	least, most := math.Inf(1), 0.0
	for _, b := range bars {
		least, most = min(least, b.Lower, b.Median), max(most, b.Upper, b.Median)
	}
	if least > 0 && most/least > 50 {
		return scale{log: true, min: math.Pow(10, math.Floor(math.Log10(least)-0.3)), max: most * math.Pow(most/least, 0.2)}
	}
	return linear(bars)
}

// linear is an axis from zero, with room for labels.
func linear(bars []Bar) scale {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Upper, b.Median)
	}
	if most == 0 {
		most = 1
	}
	return scale{max: most * 1.2}
}

type scale struct {
	log      bool
	min, max float64
}

func (s scale) apply(p *plot.Plot, unit string) {
	if s.log {
		p.X.Scale = plot.LogScale{}
		p.X.Tick.Marker = powers{}
	}
	p.X.Min, p.X.Max = s.min, s.max
	p.X.Label.Text = unit
	p.X.Label.TextStyle = text.Style{Color: quiet, Font: sans(), Handler: plot.DefaultTextHandler, XAlign: draw.XCenter, YAlign: draw.YBottom}
	p.X.Tick.Label.Font, p.X.Tick.Label.Color = sans(), quiet
	p.X.LineStyle.Width, p.X.Tick.LineStyle.Width = 0, 0
}

// powers marks powers of ten.
type powers struct{}

func (powers) Ticks(least, most float64) (ticks []plot.Tick) {
	for n := math.Pow(10, math.Ceil(math.Log10(least)-1e-9)); n <= most; n *= 10 {
		ticks = append(ticks, plot.Tick{Value: n, Label: fmt.Sprintf("%.6g", n)})
	}
	return ticks
}

// grid draws a line for each labelled tick.
type grid struct{ scale }

func (g grid) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if !tick.IsMinor() {
			c.StrokeLine2(draw.LineStyle{Color: lines, Width: 0.7}, x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
		}
	}
}

// rows draws the bars, their quartiles and labels.
type rows struct {
	bars []Bar
	scale
}

func (r rows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	label := text.Style{Color: ink, Font: sans(), Handler: plot.DefaultTextHandler, YAlign: draw.YCenter}
	for i, b := range r.bars {
		middle := y(float64(len(r.bars) - 1 - i))
		left, end := c.Min.X, x(b.Median)
		fill := theirs
		if b.Ours {
			fill = ours
		}
		const half = rowHeight * 0.32
		c.FillPolygon(fill, []vg.Point{{X: left, Y: middle - half}, {X: end, Y: middle - half}, {X: end, Y: middle + half}, {X: left, Y: middle + half}})
		if b.Upper > b.Lower {
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1}, x(b.Lower), middle, x(b.Upper), middle)
		}
		c.FillText(label, vg.Point{X: max(end, x(b.Upper)) + 4, Y: middle}, b.Label)
	}
}

var _ plot.Plotter = rows{}
