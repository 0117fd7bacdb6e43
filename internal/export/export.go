// Package export writes a built box to where `boxer build --output` says: into the store, an archive, or a directory.
package export

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boxer.dev/internal/hint"
)

// Types of outputs.
const (
	Image     = "image"     // the store
	OCI       = "oci"       // an OCI image layout: in a tar archive, or a directory
	Tar       = "tar"       // a tar archive of the box's files
	Local     = "local"     // a directory of the box's files
	Exe       = "exe"       // an executable that carries the box
	Wasm      = "wasm"      // a WebAssembly module with the box in it
	CacheOnly = "cacheonly" // nowhere: the build is all that is wanted
)

// Stdout is the destination that is standard output.
const Stdout = "-"

// Output is one --output.
type Output struct {
	Type   string
	Dest   string // path, or Stdout; empty: none
	Layout bool   // of OCI: a directory, not an archive
	Boxer  string // of Exe: the boxer executable to be extended; empty: the one that runs
	Names  []string
}

// ToStdout tells whether the output is written to standard output.
func (o Output) ToStdout() bool { return o.Dest == Stdout }

// Parse reads an --output as docker buildx does: KEY=VALUE,… or the name of a directory, or - for a tar archive on standard
// output.
func Parse(spec string) (Output, error) {
	fields, err := csv.NewReader(strings.NewReader(spec)).Read()
	if err != nil {
		return Output{}, fmt.Errorf("--output %q: %w", spec, err)
	}
	if len(fields) == 1 && !strings.Contains(fields[0], "=") {
		if fields[0] == Stdout {
			return Output{Type: Tar, Dest: Stdout}, nil
		}
		return Output{Type: Local, Dest: fields[0]}, nil
	}
	var o Output
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return Output{}, hint.To(fmt.Errorf("--output %q: %q is no KEY=VALUE", spec, field), "write type=local,dest=DIR")
		}
		if err := o.set(strings.ToLower(strings.TrimSpace(key)), value); err != nil {
			return Output{}, fmt.Errorf("--output %q: %w", spec, err)
		}
	}
	if err := o.check(); err != nil {
		return Output{}, fmt.Errorf("--output %q: %w", spec, err)
	}
	return o, nil
}

func (o *Output) set(key, value string) error {
	switch key {
	case "type":
		o.Type = value
	case "dest":
		o.Dest = value
	case "boxer":
		o.Boxer = value
	case "name":
		o.Names = append(o.Names, value)
	case "tar":
		tar, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("tar=%s: true or false", value)
		}
		o.Layout = !tar
	case "push":
		return hint.To(errors.New("a build does not push"), "boxer push NAME, once it is built")
	case "compression":
		return hint.To(errors.New("one compression serves all outputs"), "boxer build --compression %s", value)
	default:
		return hint.To(fmt.Errorf("unknown key %q", key), "keys are type, dest, name, tar and boxer")
	}
	return nil
}

func (o *Output) check() error {
	switch o.Type {
	case Image, CacheOnly:
		if o.Dest != "" {
			return fmt.Errorf("type=%s has no dest", o.Type)
		}
	case OCI, Tar:
		if o.Dest == "" {
			o.Dest = Stdout
		}
	case Exe:
		if o.Dest == "" || o.Dest == Stdout {
			return hint.To(errors.New("a file is needed"), "type=exe,dest=FILE")
		}
	case Wasm:
		if o.Dest == "" {
			return hint.To(errors.New("a file is needed"), "type=wasm,dest=FILE")
		}
	case Local:
		if o.Dest == "" || o.Dest == Stdout {
			return hint.To(errors.New("a directory is needed"), "type=local,dest=DIR; type=tar goes to standard output")
		}
	case "":
		return hint.To(errors.New("no type"), "types are local, tar, oci, exe, wasm, image and cacheonly")
	case "docker":
		return hint.To(errors.New("boxer writes no archives of that type"), "type=oci, which docker load reads too")
	case "registry":
		return hint.To(errors.New("a build does not push"), "boxer push NAME, once it is built")
	default:
		return hint.To(fmt.Errorf("unknown type %q", o.Type), "types are local, tar, oci, exe, wasm, image and cacheonly")
	}
	switch {
	case o.Boxer != "" && o.Type != Exe:
		return fmt.Errorf("type=%s has no boxer", o.Type)
	case o.Layout && (o.Type != OCI || o.Dest == Stdout):
		return hint.To(errors.New("tar=false is for a directory"), "type=oci,tar=false,dest=DIR")
	case len(o.Names) > 0 && o.Type != OCI && o.Type != Image:
		return fmt.Errorf("type=%s has no name", o.Type)
	}
	return nil
}

// ParseAll reads several, which must not get in each other's way. None at all is the store.
func ParseAll(specs []string) ([]Output, error) {
	if len(specs) == 0 {
		return []Output{{Type: Image}}, nil
	}
	var outputs []Output
	for _, spec := range specs {
		o, err := Parse(spec)
		if err != nil {
			return nil, err
		}
		same := func(other Output) bool { return o.Dest != "" && other.Dest == o.Dest }
		if slices.ContainsFunc(outputs, same) {
			return nil, fmt.Errorf("--output %q: another one goes to %s", spec, o.Dest)
		}
		outputs = append(outputs, o)
	}
	return outputs, nil
}
