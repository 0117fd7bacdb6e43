package progress

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/builder"
)

// Built is what a finished build tells of its box.
type Built struct {
	Digest v1.Hash  // of the manifest
	Config v1.Hash  // digest of the configuration
	Names  []string // as they were given
	Size   int64    // bytes of all that the box consists of, compressed
	Layers []Layer  // lowest first
	Steps  []builder.Step
}

// Layer is a layer of a finished box.
type Layer struct {
	Digest   v1.Hash
	Size     int64 // bytes, compressed
	Unpacked int64 // bytes of its files
	Base     bool  // it is the base's, and shared with everything made of it
}

// String says what was built, on one line.
func (b *Built) String() string {
	const shortID = 12 // hexadecimal digits, as docker has it
	name := b.Digest.Hex
	if len(name) > shortID {
		name = name[:shortID]
	}
	if len(b.Names) > 0 {
		name = strings.Join(b.Names, ", ") + " " + name
	}
	var own, unpacked int64
	for _, layer := range b.Layers {
		unpacked += layer.Unpacked
		if !layer.Base {
			own += layer.Size
		}
	}
	return fmt.Sprintf("built %s: %s, of which %s its own; %s unpacked", name, size(b.Size), size(own), size(unpacked))
}

// news tells whether the build did anything that the one before had not done.
func (b *Built) news() bool {
	for _, step := range b.Steps {
		if !step.Cached {
			return true
		}
	}
	return false
}

// base adds up the layers of the base.
func (b *Built) base() (count int, sum Layer) {
	for _, layer := range b.Layers {
		if layer.Base {
			count++
			sum.Size += layer.Size
			sum.Unpacked += layer.Unpacked
		}
	}
	return count, sum
}

func describeBase(count int) string {
	if count == 1 {
		return "base, 1 layer, shared"
	}
	return fmt.Sprintf("base, %d layers, shared", count)
}

// layer is the layer of the box that a step left.
func (b *Built) layer(s *builder.Step) (Layer, bool) {
	for _, layer := range b.Layers {
		if !layer.Base && layer.Digest == s.Layer {
			return layer, true
		}
	}
	return Layer{}, false
}

// table lists steps with their times and what they added to the box.
func (b *Built) table(w io.Writer) {
	const widest = 60 // columns of a step's text
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	defer table.Flush()
	fmt.Fprintf(table, "STEP\tTIME\tSIZE\tUNPACKED\n")
	if count, sum := b.base(); count > 0 {
		fmt.Fprintf(table, "%s\t\t%s\t%s\n", describeBase(count), size(sum.Size), size(sum.Unpacked))
	}
	for i := range b.Steps {
		step := &b.Steps[i]
		took := seconds(step.Duration)
		if step.Cached {
			took = "cached"
		}
		fmt.Fprintf(table, "%s\t%s", clip(label(step), widest, "..."), took)
		if layer, ok := b.layer(step); ok {
			fmt.Fprintf(table, "\t%s\t%s", size(layer.Size), size(layer.Unpacked))
		}
		fmt.Fprintln(table)
	}
}
