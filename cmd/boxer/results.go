package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/spf13/pflag"

	"boxer.dev/internal/export"
	"boxer.dev/oci"
)

// resultOptions are the flags of `boxer build` that say what becomes of the box.
type resultOptions struct {
	outputs             []string
	load                bool
	iidFile, metadata   string
	labels, annotations []string
}

func resultFlags(flags *pflag.FlagSet, o *resultOptions) {
	flags.StringArrayVarP(&o.outputs, "output", "o", nil, "write it to `DIR`, - or type=tar|oci|exe|wasm|local|image,dest=F")
	flags.BoolVar(&o.load, "load", false, "keep the box even if --output writes it elsewhere")
	flags.StringVar(&o.iidFile, "iidfile", "", "write the box's id to a `file`")
	flags.StringVar(&o.metadata, "metadata-file", "", "write digests and names to a `file`, as JSON")
	flags.StringArrayVar(&o.labels, "label", nil, "add a label: `KEY=VALUE`")
	flags.StringArrayVar(&o.annotations, "annotation", nil, "annotate the box's manifest: `KEY=VALUE`")
}

// results is what becomes of the box, checked before anything is built.
type results struct {
	tags                []string
	outputs             []export.Output
	labels, annotations map[string]string
	iidFile, metadata   string
	stdout              io.Writer
	module              func(root *oci.Rootfs) ([]byte, error) // makes one of the box
	silent              bool                                   // nothing is printed, not even what --quiet leaves
	// taken is given the box when it is where it is to be; nil: nobody wants it.
	taken func(*oci.Store, v1.Image, *oci.Rootfs) error
}

func (a *app) results(o resultOptions, tags []string) (_ *results, err error) {
	r := &results{tags: tags, iidFile: o.iidFile, metadata: o.metadata, stdout: a.stdout, labels: map[string]string{}}
	if r.outputs, err = export.ParseAll(o.outputs); err != nil {
		return nil, err
	}
	keeps := func(o export.Output) bool { return o.Type == export.Image }
	if o.load && !slices.ContainsFunc(r.outputs, keeps) {
		r.outputs = append(r.outputs, export.Output{Type: export.Image})
	}
	for _, label := range o.labels {
		key, value, _ := strings.Cut(label, "=")
		if key == "" {
			return nil, &usageError{err: fmt.Errorf("--label %q has no key", label)}
		}
		r.labels[key] = value
	}
	if r.annotations, err = annotations(o.annotations); err != nil {
		return nil, err
	}
	return r, r.check()
}

func (r *results) check() error {
	for _, output := range r.outputs {
		for _, name := range slices.Concat(r.tags, output.Names) {
			if err := taggable(name); err != nil {
				return err
			}
		}
	}
	if _, ok := descriptor(r.stdout); ok && r.toStdout() || slices.ContainsFunc(r.outputs, isTerminal) {
		return withHint(errors.New("an archive does not belong on a terminal"), "name a file, -o type=tar,dest=FILE, or redirect the output")
	}
	// A build that fails leaves none behind that speak of another.
	for _, name := range []string{r.iidFile, r.metadata} {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// isTerminal tells whether an output's destination is a terminal's name, such as /dev/tty.
func isTerminal(o export.Output) bool {
	if info, err := os.Stat(o.Dest); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	file, err := os.OpenFile(o.Dest, os.O_WRONLY, 0)
	if err != nil {
		return false // writing to it says why
	}
	defer file.Close()
	_, ok := descriptor(file)
	return ok
}

func (r *results) toStdout() bool { return slices.ContainsFunc(r.outputs, export.Output.ToStdout) }

// annotations reads --annotation as docker buildx does: [LEVEL,…:]KEY=VALUE, where a level may have [PLATFORM] behind it. A box
// has the level of the manifest only.
func annotations(flags []string) (map[string]string, error) {
	read := map[string]string{}
	for _, flag := range flags {
		key, value, ok := strings.Cut(flag, "=")
		levels, rest, leveled := strings.Cut(key, ":")
		if leveled {
			key = rest
		} else {
			levels = "manifest"
		}
		if !ok || key == "" {
			return nil, &usageError{err: fmt.Errorf("--annotation %q is no KEY=VALUE", flag)}
		}
		for level := range strings.SplitSeq(levels, ",") {
			level, _, _ = strings.Cut(level, "[")
			switch level {
			case "manifest":
			case "index", "manifest-descriptor", "index-descriptor":
				return nil, withHint(fmt.Errorf("--annotation %q: a box has no %s to annotate", flag, level), "annotate its manifest: manifest:%s=%s", key, value)
			default:
				return nil, &usageError{err: fmt.Errorf("--annotation %q: unknown level %q", flag, level)}
			}
		}
		read[key] = value
	}
	return read, nil
}

// deliver hands a box over.
func (r *results) deliver(store *oci.Store, img v1.Image, root *oci.Rootfs) error {
	for _, output := range r.outputs {
		if err := r.write(output, store, img, root); err != nil {
			return fmt.Errorf("writing the box (type=%s): %w", output.Type, err)
		}
	}
	if r.iidFile != "" {
		id := root.Digest.String()
		if err := export.File(r.iidFile, func(w io.Writer) error { _, err := io.WriteString(w, id); return err }); err != nil {
			return fmt.Errorf("writing --iidfile: %w", err)
		}
	}
	if r.metadata != "" {
		if err := export.File(r.metadata, func(w io.Writer) error { return r.writeMetadata(w, img) }); err != nil {
			return fmt.Errorf("writing --metadata-file: %w", err)
		}
	}
	if r.taken != nil {
		return r.taken(store, img, root)
	}
	return nil
}

func (r *results) write(o export.Output, store *oci.Store, img v1.Image, root *oci.Rootfs) error {
	names := slices.Concat(r.tags, o.Names)
	switch o.Type {
	case export.Image:
		_, err := store.Put(img, names...)
		return err
	case export.Local:
		return export.Files(o.Dest, root.FS())
	case export.Tar:
		return r.file(o, func(w io.Writer) error { return oci.WriteTar(w, root.FS()) })
	case export.Exe:
		return writeExecutable(o, img)
	case export.Wasm:
		return r.file(o, func(w io.Writer) error { return r.writeModule(w, root) })
	case export.OCI:
		named := []oci.NamedImage{{Image: img}}
		for i, name := range names {
			named = append(named[:i], oci.NamedImage{Name: name, Image: img})
		}
		if o.Layout {
			return export.LayoutDir(o.Dest, named...)
		}
		return r.file(o, func(w io.Writer) error { return oci.Save(w, named...) })
	}
	return nil
}

func (r *results) file(o export.Output, write func(io.Writer) error) error {
	if o.ToStdout() {
		return write(r.stdout)
	}
	return export.File(o.Dest, write)
}

// metadata is what buildx writes of a build.
type metadata struct {
	ConfigDigest string        `json:"containerimage.config.digest"`
	Descriptor   v1.Descriptor `json:"containerimage.descriptor"`
	Digest       string        `json:"containerimage.digest"`
	Name         string        `json:"image.name,omitempty"` // full names, between commas
}

func (r *results) writeMetadata(w io.Writer, img v1.Image) error {
	described, err := partial.Descriptor(img)
	if err != nil {
		return err
	}
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	var names []string
	for _, tag := range r.tags {
		name, err := oci.Normalize(tag)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(metadata{
		ConfigDigest: config.String(),
		Descriptor:   v1.Descriptor{MediaType: described.MediaType, Digest: described.Digest, Size: described.Size},
		Digest:       described.Digest.String(), Name: strings.Join(names, ","),
	})
}
