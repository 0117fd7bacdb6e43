package oci

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"boxer.dev/vfs"
)

// epoch is the time of files that tests make.
var epoch = time.Unix(1_700_000_000, 0)

func newTree(layers ...*vfs.Layer) *vfs.FS {
	tree := vfs.New(layers...)
	tree.Configure(vfs.Config{Now: func() time.Time { return epoch }})
	return tree
}

func mustDiff(t testing.TB, old, changed *vfs.FS) []vfs.Change {
	t.Helper()
	changes, err := vfs.Diff(old, changed)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sample is a tree with one of everything, and the one it was made from.
func sample(t testing.TB, s *Store) (old, changed *vfs.FS) {
	t.Helper()
	root := mustRootfs(t, s, imageOf(t, layerOf(t, tarOf(t,
		tar.Header{Name: "gone"}, tar.Header{Name: "dir/gone"}, tar.Header{Name: "dir/stays"}, tar.Header{Name: "replaced/x"},
	), Zstd)))
	old = newTree(root.Layers...)
	changed = old.Fork()
	check(t,
		changed.Remove("/gone"),
		changed.Remove("/dir/gone"),
		changed.RemoveAll("/replaced"),
		changed.Mkdir("/replaced", 0o755),
		changed.Mkdir("/new", 0o711),
		changed.WriteFile("/new/file", []byte("content"), 0o640),
		changed.Link("/new/file", "/also"),
		changed.Symlink("../new/file", "/dir/symlink"),
		changed.WriteFile("/setuid", nil, 0o755),
		changed.Chmod("/setuid", 0o755|fs.ModeSetuid),
		changed.Lchown("/setuid", 7, 3_000_000),
		changed.Chtimes("/setuid", epoch, time.Unix(1, 5000)),
		changed.WriteFile("/"+strings.Repeat("long", 50), nil, 0o644),
		changed.WriteFile("/caf\xe9", nil, 0o644),
	)
	return old, changed
}

func TestNewLayerTar(t *testing.T) {
	old, changed := sample(t, newStore(t))
	layer, err := NewLayer(mustDiff(t, old, changed), LayerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long", 50)
	want := []string{
		"also - 0640 0:0 1700000000.000000000 USTAR 7",
		"caf\xe9 - 0644 0:0 1700000000.000000000 PAX 0",
		"dir/.wh.gone - 0 0:0 0.000000000 USTAR 0",
		"dir/symlink 2 ../new/file 0777 0:0 1700000000.000000000 USTAR 0",
		".wh.gone - 0 0:0 0.000000000 USTAR 0",
		long + " - 0644 0:0 1700000000.000000000 PAX 0",
		"new/ 5 0711 0:0 1700000000.000000000 USTAR 0",
		"replaced/ 5 0755 0:0 1700000000.000000000 USTAR 0",
		"replaced/.wh..wh..opq - 0 0:0 0.000000000 USTAR 0",
		"setuid - 04755 7:3000000 1.000005000 PAX 0",
		"new/file 1 also 0640 0:0 1700000000.000000000 USTAR 0",
	}
	got := listTar(t, must(layer.Uncompressed()))
	// The times of directories that were there are their own matter.
	got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "dir/ ") || strings.HasPrefix(line, "./ ") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func listTar(t *testing.T, r io.ReadCloser) (lines []string) {
	t.Helper()
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return lines
		}
		check(t, err)
		kind := string(h.Typeflag) + " " + h.Linkname
		if h.Typeflag == tar.TypeReg {
			kind = "-"
		}
		lines = append(lines, fmt.Sprintf("%s %s %#o %d:%d %d.%09d %s %d", h.Name, strings.TrimSpace(kind), h.Mode, h.Uid, h.Gid,
			h.ModTime.Unix(), h.ModTime.Nanosecond(), h.Format, h.Size))
		if h.Uname != "" || h.Gname != "" {
			t.Errorf("%s has names of users", h.Name)
		}
	}
}

// The digest of a layer is that of its content alone: neither the order of changes, nor the number of processors, nor the day.
func TestNewLayerIsDeterministic(t *testing.T) {
	old, changed := sample(t, newStore(t))
	check(t, changed.WriteFile("/big", noise(9<<20), 0o644))
	changes := mustDiff(t, old, changed)
	for _, compression := range []Compression{Zstd, Gzip} {
		digests := map[string]bool{}
		for _, processors := range []int{1, 2, 7} {
			previous := runtime.GOMAXPROCS(processors)
			rand.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			layer, err := NewLayer(changes, LayerOptions{Compression: compression})
			runtime.GOMAXPROCS(previous)
			check(t, err)
			digests[must(layer.Digest()).String()] = true
		}
		if len(digests) != 1 {
			t.Errorf("%s: digests %v", compression, digests)
		}
	}
}

// The bytes that a version of boxer makes are those that the next one has to make. If this fails because a dependency changed
// its compression, every digest changes: say so where users read it.
func TestNewLayerDigests(t *testing.T) {
	changes := []vfs.Change{
		{Entry: vfs.Entry{Path: "dir", Mode: fs.ModeDir | 0o755, ModTime: epoch, Opaque: true}},
		{Entry: vfs.Entry{Path: "dir/link", Mode: fs.ModeSymlink | 0o777, ModTime: epoch, Symlink: "target"}},
		{Entry: vfs.Entry{Path: "gone", Whiteout: true}},
	}
	for compression, want := range map[Compression]string{
		Zstd: "155f8e02b80d8566a2d2b8c296c9a5c50684f46d4ddd82552aca3ad76427f5df",
		Gzip: "80e00ae34652bda7e1f3b75ca4135e6da8d864b6f4fd0dc21ac4a9b0c9293ac9",
	} {
		layer, err := NewLayer(changes, LayerOptions{Compression: compression, Dir: t.TempDir()})
		check(t, err)
		if got := must(layer.Digest()).Hex; got != want {
			t.Errorf("%s: digest %s, want %s", compression, got, want)
		}
	}
}

func TestCompressionDoesNotDependOnWrites(t *testing.T) {
	data := noise(1 << 20)
	for _, compression := range []Compression{Zstd, Gzip} {
		var whole, pieces bytes.Buffer
		for w, r := range map[*bytes.Buffer]io.Reader{&whole: bytes.NewReader(data), &pieces: iotest.OneByteReader(bytes.NewReader(data))} {
			compressor := must(compression.compressor(w))
			_, err := io.Copy(struct{ io.Writer }{compressor}, r)
			check(t, err, compressor.Close())
		}
		if !bytes.Equal(whole.Bytes(), pieces.Bytes()) {
			t.Errorf("%s: one write gave other bytes than many", compression)
		}
	}
}

// noise is text-like: it compresses, but not to nothing.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 1000)
	for i := range words {
		words[i] = fmt.Sprintf("%x ", r.Uint32()>>r.IntN(24))
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.Bytes()[:n]
}

func TestNewLayerRefuses(t *testing.T) {
	for name, entry := range map[string]vfs.Entry{
		"device":            {Path: "d", Mode: fs.ModeDevice},
		"socket":            {Path: "d", Mode: fs.ModeSocket},
		"whiteout as name":  {Path: "d/.wh.x", Mode: 0o644},
		"opaque as name":    {Path: "d/.wh..wh..opq", Mode: 0o644},
		"absolute path":     {Path: "/d", Mode: fs.ModeDir},
		"path with ..":      {Path: "../d", Mode: fs.ModeDir},
		"path not clean":    {Path: "d//e", Mode: fs.ModeDir},
		"nothing as path":   {Path: "", Mode: fs.ModeDir},
		"whiteout of a .wh": {Path: ".wh.x", Whiteout: true},
	} {
		if _, err := NewLayer([]vfs.Change{{Entry: entry}}, LayerOptions{Dir: t.TempDir()}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	twice := vfs.Change{Entry: vfs.Entry{Path: "d", Mode: fs.ModeDir}}
	if _, err := NewLayer([]vfs.Change{twice, twice}, LayerOptions{Dir: t.TempDir()}); err == nil {
		t.Error("a path was changed twice")
	}
}

func TestNewLayerOfNothing(t *testing.T) {
	layer, err := NewLayer(nil, LayerOptions{Compression: Gzip, Dir: t.TempDir()})
	check(t, err)
	check(t, validate.Layer(layer))
}

// Images pass go-containerregistry's own validation, which knows gzip, and ours, which knows zstd too.
func TestImagesAreValid(t *testing.T) {
	s := newStore(t)
	old, changed := sample(t, s)
	changes := mustDiff(t, old, changed)
	for _, compression := range []Compression{Zstd, Gzip} {
		layer, err := NewLayer(changes, LayerOptions{Compression: compression, Dir: s.TempDir()})
		check(t, err)
		img := imageOf(t, layer)
		check(t, Validate(img))
		if compression == Gzip {
			check(t, validate.Image(img))
		}
		name := "app:" + compression.String()
		mustPut(t, s, img, name)
		check(t, Validate(must(s.Image(name))))
	}
	if left := unlocked(tempNames(t, s)); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// What Diff tells, made into a layer, stored and opened again, gives the tree that was.
func TestRoundTrip(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { roundTrip(t, rand.New(rand.NewPCG(uint64(seed), 0))) })
	}
}

func roundTrip(t *testing.T, r *rand.Rand) {
	s := newStore(t)
	img := imageOf(t)
	tree := newTree()
	for range 3 { // a layer on a layer on a layer
		changed := tree.Fork()
		for range 30 {
			mutateTree(r, changed)
		}
		layer, err := NewLayer(mustDiff(t, tree, changed), LayerOptions{Compression: Compression(r.IntN(2)), Dir: s.TempDir()})
		check(t, err)
		img = appendLayer(t, img, layer)
		mustPut(t, s, img, "app")
		tree = newTree(mustRootfs(t, s, must(s.Image("app"))).Layers...)
		if diff := cmp.Diff(snapshot(t, changed), snapshot(t, tree)); diff != "" {
			t.Fatal(diff)
		}
		if again := mustDiff(t, tree, tree.Fork()); len(again) > 0 {
			t.Fatalf("a tree differs from itself: %v", again)
		}
	}
}

// mutateTree does something random, which may fail.
func mutateTree(r *rand.Rand, tree *vfs.FS) {
	names := []string{"a", "b", "c", "dir", "caf\xe9", strings.Repeat("n", 120), "with space"}
	random := func() string {
		p := "/"
		for range 1 + r.IntN(3) {
			p = path.Join(p, names[r.IntN(len(names))])
		}
		return p
	}
	p := random()
	switch r.IntN(12) {
	case 0, 1, 2:
		tree.WriteFile(p, noise(r.IntN(5000)), fs.FileMode(r.IntN(0o1000)))
	case 3, 4, 5:
		tree.MkdirAll(p, 0o755)
	case 6:
		tree.RemoveAll(p)
	case 7:
		tree.Rename(p, random())
	case 8:
		tree.Link(p, random())
	case 9:
		tree.Symlink(random(), p)
	case 10:
		tree.Chmod(p, fs.FileMode(r.IntN(0o1000))|fs.ModeSetgid)
		tree.Lchown(p, r.IntN(1<<30), r.IntN(1<<30))
	case 11:
		tree.Chtimes(p, epoch, time.Unix(r.Int64N(1<<33), r.Int64N(1e9)))
	}
}

// snapshot describes all of a tree but its inode numbers, which it replaces by the first path of each.
func snapshot(t *testing.T, tree *vfs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	first := map[uint64]string{}
	walk(t, tree, "/", func(name string, st vfs.Stat) {
		if first[st.Ino] == "" {
			first[st.Ino] = name
		}
		line := fmt.Sprintf("%v %d:%d %d %d", st.Mode, st.UID, st.GID, st.Mtime.UnixNano(), st.Nlink)
		switch {
		case st.Mode.IsRegular():
			data, err := tree.ReadFile(name)
			check(t, err)
			line += fmt.Sprintf(" %s %d", digestOf(data), st.Size)
		case st.Mode&fs.ModeSymlink != 0:
			line += " " + must(tree.Readlink(name))
		}
		files[name] = line + " " + first[st.Ino]
	})
	return files
}

// walk visits everything in a tree, whatever its name: io/fs allows UTF-8 only.
func walk(t *testing.T, tree *vfs.FS, name string, visit func(string, vfs.Stat)) {
	t.Helper()
	st, err := tree.Lstat(name)
	check(t, err)
	visit(name, st)
	if !st.Mode.IsDir() {
		return
	}
	entries, err := tree.ReadDir(name)
	check(t, err)
	for _, entry := range entries {
		walk(t, tree, path.Join(name, entry.Name()), visit)
	}
}

// A file of 1 GiB goes through in little memory.
func TestNewLayerStreams(t *testing.T) {
	s := newStore(t)
	old := newTree()
	changed := old.Fork()
	check(t, changed.WriteFile("/sparse", nil, 0o644), changed.Truncate("/sparse", 1<<30))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	layer, err := NewLayer(mustDiff(t, old, changed), LayerOptions{Dir: s.TempDir()})
	runtime.ReadMemStats(&after)
	check(t, err)
	if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
		t.Errorf("%d MiB were allocated", used>>20)
	}
	if size := must(layer.Size()); size > 1<<20 {
		t.Errorf("a hole takes %d bytes", size)
	}
}

func BenchmarkNewLayer(b *testing.B) {
	old := newTree()
	changed := old.Fork()
	var size int64
	for i := range 400 {
		data := noise(10_000 + i)
		size += int64(len(data))
		check(b, changed.WriteFile(fmt.Sprintf("/module%d.py", i), data, 0o644))
	}
	changes := mustDiff(b, old, changed)
	for _, compression := range []Compression{Zstd, Gzip} {
		b.Run(compression.String(), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if _, err := NewLayer(changes, LayerOptions{Compression: compression, Dir: b.TempDir()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
