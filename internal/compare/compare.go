// Package compare tells how two boxes differ: in their files, in their configuration, and in what they ask of the host.
package compare

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// Options say what is compared. The zero value compares everything but times.
type Options struct {
	Paths []string // absolute; if there are any, only files that they name or lie above are compared, and nothing else
	Times bool     // files that differ in nothing but their modification times are told, too
}

// Difference is how a second box differs from a first.
type Difference struct {
	Files         []File    `json:"files"`         // sorted by path
	Configuration []Setting `json:"configuration"` // in the order of Dockerfile's reference: ENV, ENTRYPOINT, …
	Requests      []Request `json:"requests"`      // LIMIT before ALLOW
	TimesOnly     int       `json:"times_only"`    // files left out of Files, because only their times differ

	from, to *vfs.FS
}

// None tells whether nothing was found.
func (d *Difference) None() bool {
	return len(d.Files) == 0 && len(d.Configuration) == 0 && len(d.Requests) == 0
}

// AsksForMore tells whether the second box wants something of the host that the first did not, or a wider bound.
func (d *Difference) AsksForMore() bool {
	for _, r := range d.Requests {
		if r.More {
			return true
		}
	}
	return false
}

// Boxes compares two opened boxes. Layers that they share are not read.
func Boxes(from, to *oci.Rootfs, o Options) (*Difference, error) {
	d := &Difference{from: from.FS(), to: vfs.New(sharing(from, to)...)}
	files := &fileDiff{from: d.from, to: d.to, options: o, newDirs: map[string]bool{}, found: []File{}}
	if err := files.compare(); err != nil {
		return nil, err
	}
	if err := files.reserved(); err != nil {
		return nil, err
	}
	d.Files, d.TimesOnly = files.sorted(), files.timesOnly
	d.Configuration, d.Requests = []Setting{}, []Request{}
	if len(o.Paths) > 0 {
		return d, nil
	}
	before, after := configOf(from), configOf(to)
	d.Requests = append(d.Requests, requests(before.Config.Labels, after.Config.Labels)...)
	d.Configuration = append(d.Configuration, settings(before, after)...)
	return d, nil
}

// sharing gives the layers of the second box, those of the first in place of equal ones: what is the same memory needs no
// comparison.
func sharing(from, to *oci.Rootfs) []*vfs.Layer {
	known := map[v1.Hash]*vfs.Layer{}
	for i, layer := range from.Layers {
		known[from.Config.RootFS.DiffIDs[i]] = layer
	}
	layers := make([]*vfs.Layer, len(to.Layers))
	for i, layer := range to.Layers {
		layers[i] = layer
		if same, ok := known[to.Config.RootFS.DiffIDs[i]]; ok {
			layers[i] = same
		}
	}
	return layers
}

func configOf(root *oci.Rootfs) *v1.ConfigFile {
	if root.Config == nil {
		return &v1.ConfigFile{}
	}
	return root.Config
}
