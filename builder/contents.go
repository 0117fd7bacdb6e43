package builder

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// What COPY and ADD read is digested before anything is copied, and then taken as it was seen: should somebody change files in
// the meantime, a layer and the key that it is kept under still belong together.

// contents returns a digest of all that is to be copied. request is what decides which files those are. Where the cache knows
// what it led to, a stage's files are not looked at, and what has a checksum is not fetched. Without a cache there is nothing to
// digest for.
func (c *copying) contents(ctx context.Context, request []string) (string, error) {
	s := c.stage
	if s.build.opts.Cache == nil {
		return "", c.findAll(ctx)
	}
	var from []string
	switch {
	case c.origin != nil:
		from = c.origin.ids
	case c.remote.checksum != "":
		from = c.remote.list()
	default:
		return c.digestAll(ctx)
	}
	key := s.build.cacheKey(seed{}.with("contents", slices.Concat(from, request)...))
	if kept, about := s.lookUp(key); kept != nil {
		c.expected = about.Contents
		return about.Contents, nil
	}
	contents, err := c.digestAll(ctx)
	if err == nil {
		s.keep(key, "contents of "+strings.TrimSpace(shownFlag("from", c.image)+describe(c.what)), stepRecord{Contents: contents}, nil)
	}
	return contents, err
}

// checkFetched makes sure that what was fetched only now is what the cache said: a server may tell another time than it did.
func (c *copying) checkFetched(ctx context.Context) error {
	if c.expected == "" || c.origin != nil {
		return nil
	}
	contents, err := c.digestAll(ctx)
	c.changed = contents != c.expected
	return err
}

// digestAll finds and digests everything.
func (c *copying) digestAll(ctx context.Context) (string, error) {
	if err := c.findAll(ctx); err != nil {
		return "", err
	}
	d := digesting{ctx: ctx, hash: sha256.New()}
	trees := map[sourceTree]*seenTree{}
	for i := range c.found {
		m := &c.found[i]
		seen, ok := trees[m.from]
		if !ok {
			seen = &seenTree{sourceTree: m.from, files: map[string]*seenFile{}}
			trees[m.from] = seen
			c.seen = append(c.seen, seen)
		}
		m.from, d.tree = seen, seen
		if err := d.match(c, m); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", d.hash.Sum(nil)), nil
}

// unchanged tells whether all that was copied was as it had been when it was digested.
func (c *copying) unchanged() bool {
	if c.changed {
		return false
	}
	for _, seen := range c.seen {
		if seen.changed.Load() {
			return false
		}
	}
	return true
}

// digesting is a digest being made of what a walk comes upon.
type digesting struct {
	ctx    context.Context
	hash   hash.Hash
	tree   *seenTree
	buffer []byte
	files  int64
}

func (d *digesting) match(c *copying, m *match) error {
	d.write("source", m.base, m.file.attributes, strconv.FormatBool(m.plain))
	if m.file.isDir() {
		walk := walking{from: m.from, include: m.include, exclude: c.exclude, to: d}
		return walk.contents(d.ctx, &directory{path: m.path, made: true})
	}
	if !m.file.mode.IsRegular() {
		return nil // copying says what is wrong with it
	}
	return d.file(&directory{path: m.path}, m.file)
}

// write adds one file to the digest, unmistakably.
func (d *digesting) write(kind, name string, a attributes, what string) {
	b := d.buffer[:0]
	for _, s := range []string{kind, name, what} {
		b = append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
	}
	for _, n := range []uint32{uint32(a.mode), a.uid, a.gid} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(a.mtime.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(a.mtime.Nanosecond()))
	d.hash.Write(b)
	d.buffer = b
}

func (d *digesting) directory(dir *directory, file sourceFile) error {
	d.write("directory", dir.name, file.attributes, "")
	return nil
}

func (d *digesting) symlink(at *directory, file sourceFile, target string) error {
	d.write("symlink", at.name, file.attributes, target)
	return nil
}

func (d *digesting) file(at *directory, file sourceFile) error {
	d.files++
	if err := tooMany(d.files, at.path); err != nil {
		return err
	}
	sum, err := d.tree.digest(d.ctx, at.path, file)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(at.path), bare(err))
	}
	d.write("file", at.name, file.attributes, string(sum[:]))
	return nil
}

func (d *digesting) other(at *directory, file sourceFile) {
	d.write("other", at.name, attributes{mode: file.mode}, "")
}

// seenTree is a tree as it was when it was digested.
type seenTree struct {
	sourceTree
	files   map[string]*seenFile
	changed atomic.Bool // something was read that is no longer what was digested
}

type seenFile struct {
	sourceFile
	names  []string // of a directory
	target string   // of a symlink
	sum    *fileDigest
}

type fileDigest [sha256.Size]byte

// see returns what is known of a name.
func (t *seenTree) see(name string) (*seenFile, error) {
	if f, ok := t.files[name]; ok {
		return f, nil
	}
	file, err := t.sourceTree.lstat(name)
	if err != nil {
		return nil, err
	}
	f := &seenFile{sourceFile: file}
	t.files[name] = f
	return f, nil
}

func (t *seenTree) lstat(name string) (sourceFile, error) {
	f, err := t.see(name)
	if err != nil {
		return sourceFile{}, err
	}
	return f.sourceFile, nil
}

func (t *seenTree) readlink(name string) (string, error) {
	f, err := t.see(name)
	if err == nil && f.target == "" && f.mode.Type() == fs.ModeSymlink {
		f.target, err = t.sourceTree.readlink(name)
	}
	if err != nil {
		return "", err
	}
	return f.target, nil
}

func (t *seenTree) readdir(name string) ([]string, error) {
	f, err := t.see(name)
	if err == nil && f.names == nil {
		f.names, err = t.sourceTree.readdir(name)
	}
	if err != nil {
		return nil, err
	}
	return f.names, nil
}

// remembering is a tree that may know a file's digest without reading it.
type remembering interface {
	digest(ctx context.Context, name string, file sourceFile) (fileDigest, error)
}

// digest is that of a regular file's data.
func (t *seenTree) digest(ctx context.Context, name string, file sourceFile) (fileDigest, error) {
	f, err := t.see(name)
	if err != nil {
		return fileDigest{}, err
	}
	if f.sum != nil {
		return *f.sum, nil
	}
	var sum fileDigest
	if r, ok := t.sourceTree.(remembering); ok {
		sum, err = r.digest(ctx, name, file)
	} else {
		sum, err = digestFile(ctx, t.sourceTree, name)
	}
	if err == nil {
		f.sum = &sum
	}
	return sum, err
}

func digestFile(ctx context.Context, t sourceTree, name string) (sum fileDigest, err error) {
	r, err := t.open(name)
	if err != nil {
		return sum, err
	}
	defer r.Close()
	h := sha256.New()
	if err := readInto(h, &cancelledReader{ctx, r}); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

var readBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// readInto is io.Copy without a buffer for each file.
func readInto(h hash.Hash, r io.Reader) error {
	buffer := readBuffers.Get().(*[64 << 10]byte)
	defer readBuffers.Put(buffer)
	for {
		n, err := r.Read(buffer[:])
		h.Write(buffer[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// cancelledReader ends with ctx.
type cancelledReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelledReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// open opens a file and notes, when it has been read, whether it is what was digested.
func (t *seenTree) open(name string) (io.ReadCloser, error) {
	r, err := t.sourceTree.open(name)
	if f, ok := t.files[name]; ok && err == nil && f.sum != nil {
		r = &comparingReader{ReadCloser: r, hash: sha256.New(), want: *f.sum, tree: t}
	}
	return r, err
}

// comparingReader compares what is read with a digest.
type comparingReader struct {
	io.ReadCloser
	hash hash.Hash
	want fileDigest
	tree *seenTree
}

func (c *comparingReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.hash.Write(p[:n])
	return n, err
}

// Close reads what was not wanted, such as what follows an archive's end.
func (c *comparingReader) Close() error {
	err := readInto(c.hash, c.ReadCloser)
	if err != nil || fileDigest(c.hash.Sum(nil)) != c.want {
		c.tree.changed.Store(true)
	}
	return c.ReadCloser.Close()
}
