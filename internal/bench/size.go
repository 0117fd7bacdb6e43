package bench

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Size says what `boxer bench size` measures with.
type Size struct {
	Boxer   string // the executable of boxer
	Home    string // its BOXER_HOME; empty: the user's
	Root    string // the tar file of a container's root with Python; empty or not there: containers are left out
	TempDir string // for the app; empty: the host's default
}

// The app: one file, which changes in one line.
const appText = "import json, sqlite3\nprint(json.dumps({'version': %d, 'sqlite': sqlite3.sqlite_version}))\n"

const appBoxfile = "FROM python:3.13\nCOPY app.py /app/app.py\nCMD [\"python\", \"/app/app.py\"]\n"

// Run pushes an app as a box and as a container image to a registry in this process, which counts, and again after it has changed.
func (z Size) Run(ctx context.Context) (_ *Section, err error) {
	s := &Section{Name: "size", Title: "Size", How: []string{
		"An app of one file on Python is pushed to a registry in this process, which counts the bytes that it is sent; then one line of the app changes, and it is pushed again.",
		"The container image is a root of Debian packages (debootstrap's smallest variant and python3, without documentation) and the app's layer, compressed by gzip as docker push does.",
	}}
	registry, err := newCountingRegistry()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, registry.server.Close()) }()
	box, err := z.box(ctx, registry)
	if err != nil {
		return nil, err
	}
	image, missing := &moved{}, ""
	if _, err := os.Stat(z.Root); z.Root == "" || err != nil {
		missing = "no root of a container: `boxer bench --install-rivals` makes one"
	} else if image, err = z.image(ctx, registry); err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		key, what, unit string
		scale           float64
		of              func(*moved) int64
	}{
		{"compressed", "The image of an app, compressed", "MB", 1e-6, func(m *moved) int64 { return m.compressed }},
		{"unpacked", "The image of an app, unpacked", "MB", 1e-6, func(m *moved) int64 { return m.unpacked }},
		{"first_push", "Bytes sent to a registry that has nothing", "MB", 1e-6, func(m *moved) int64 { return m.first }},
		{"changed_push", "Bytes sent after the app has changed", "KB", 1e-3, func(m *moved) int64 { return m.changed }},
	} {
		ours := float64(kind.of(box))
		c := Comparison{Key: kind.key, What: kind.what, Unit: kind.unit, Scale: kind.scale}
		c.Entries = []Entry{{Who: "boxer", Figure: figure(Sample{ours})}, {Who: "container", Missing: missing}}
		if missing == "" {
			theirs := float64(kind.of(image))
			c.Entries[1].Figure, c.Entries[1].Ratio = figure(Sample{theirs}), exact(theirs, ours)
		}
		s.Comparisons = append(s.Comparisons, c)
	}
	if info, err := os.Stat(z.Boxer); err == nil {
		s.add(Line{Key: "executable_bytes", What: "boxer itself, Python included", Unit: "MB", Scale: 1e-6, Figure: figure(Sample{float64(info.Size())})})
	}
	return s, nil
}

// moved is how large an image is and what moved of it, in bytes.
type moved struct{ compressed, unpacked, first, changed int64 }

// box builds and pushes the app as a box.
func (z Size) box(ctx context.Context, to *countingRegistry) (_ *moved, err error) {
	dir, err := os.MkdirTemp(z.TempDir, "boxer-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, "Boxfile"), []byte(appBoxfile), 0o644); err != nil {
		return nil, err
	}
	ref := to.host() + "/box:latest"
	m := &moved{}
	for version, sent := range []*int64{&m.first, &m.changed} {
		if err := os.WriteFile(filepath.Join(dir, "app.py"), fmt.Appendf(nil, appText, version), 0o644); err != nil {
			return nil, err
		}
		before := to.received.Load()
		for _, args := range [][]string{{"build", "-q", "-t", ref, dir}, {"push", "-q", ref}, {"rm", ref}} {
			if err := z.boxer(ctx, args...); err != nil {
				return nil, err
			}
		}
		*sent = to.received.Load() - before
	}
	return m, m.weigh(ctx, ref)
}

func (z Size) boxer(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, z.Boxer, args...)
	cmd.Env = os.Environ()
	if z.Home != "" {
		cmd.Env = append(cmd.Env, "BOXER_HOME="+z.Home)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("boxer %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// image makes and pushes the app as a container image.
func (z Size) image(ctx context.Context, to *countingRegistry) (*moved, error) {
	root, err := tarball.LayerFromFile(z.Root, tarball.WithCompressionLevel(6))
	if err != nil {
		return nil, fmt.Errorf("reading the root of a container: %w", err)
	}
	ref, err := name.ParseReference(to.host() + "/container:latest")
	if err != nil {
		return nil, err
	}
	m := &moved{}
	for version, sent := range []*int64{&m.first, &m.changed} {
		layer, err := appLayer(fmt.Appendf(nil, appText, version))
		if err != nil {
			return nil, err
		}
		image, err := mutate.AppendLayers(empty.Image, root, layer)
		if err != nil {
			return nil, err
		}
		before := to.received.Load()
		if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
			return nil, fmt.Errorf("pushing the container image: %w", err)
		}
		*sent = to.received.Load() - before
	}
	return m, m.weigh(ctx, ref.String())
}

// appLayer is a layer with the app.
func appLayer(text []byte) (v1.Layer, error) {
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: "app/app.py", Mode: 0o644, Size: int64(len(text))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
}

// weigh reads an image from its registry.
func (m *moved) weigh(ctx context.Context, ref string) error {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return err
	}
	image, err := remote.Image(parsed, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		size, err := layer.Size()
		if err != nil {
			return err
		}
		contents, err := layer.Uncompressed()
		if err != nil {
			return err
		}
		unpacked, err := io.Copy(io.Discard, contents)
		if err = errors.Join(err, contents.Close()); err != nil {
			return err
		}
		m.compressed, m.unpacked = m.compressed+size, m.unpacked+unpacked
	}
	return nil
}

// countingRegistry is a registry that counts the bytes of bodies that it is sent.
type countingRegistry struct {
	server   http.Server
	address  net.Addr
	received atomic.Int64
}

func newCountingRegistry() (*countingRegistry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &countingRegistry{address: listener.Addr()}
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	r.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		request.Body = &countedBody{request.Body, &r.received}
		store.ServeHTTP(w, request)
	})
	go r.server.Serve(listener)
	return r, nil
}

func (r *countingRegistry) host() string { return r.address.String() }

type countedBody struct {
	io.ReadCloser
	count *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}
