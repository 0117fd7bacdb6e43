package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t testing.TB, f *FS, name string, flag Flag) *File {
	t.Helper()
	h, err := f.Open(name, flag, 0o644)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

func TestSparseFile(t *testing.T) {
	f := New()
	h := open(t, f, "/f", O_RDWR|O_CREATE)
	const end = 5 << 30
	if _, err := h.WriteAt([]byte("end"), end); err != nil {
		t.Fatal(err)
	}
	if used := f.Used().Bytes; used > 100<<10 {
		t.Errorf("%d bytes held for a hole", used)
	}
	b := make([]byte, 10)
	if n, err := h.ReadAt(b, end-7); n != 10 || err != nil || string(b) != strings.Repeat("\x00", 7)+"end" {
		t.Errorf("ReadAt = %d, %v, %q", n, err, b)
	}
	must(t, h.Truncate(end+1))
	must(t, h.Truncate(end+10))
	if n, err := h.ReadAt(b, end); n != 10 || err != nil || string(b) != "e"+strings.Repeat("\x00", 9) {
		t.Errorf("after truncation: ReadAt = %d, %v, %q", n, err, b)
	}
}

func TestOffsetBounds(t *testing.T) {
	f := New()
	h := open(t, f, "/f", O_RDWR|O_CREATE)
	one := []byte("x")
	tests := []struct {
		name string
		do   func() error
		want syscall.Errno
	}{
		{"write at a negative offset", func() error { _, err := h.WriteAt(one, -1); return err }, syscall.EINVAL},
		{"write at the largest", func() error { _, err := h.WriteAt(one, math.MaxInt64); return err }, syscall.EFBIG},
		{"write at the limit", func() error { _, err := h.WriteAt(one, MaxFileSize); return err }, syscall.EFBIG},
		{"read at a negative offset", func() error { _, err := h.ReadAt(one, -1); return err }, syscall.EINVAL},
		{"truncate to less than nothing", func() error { return h.Truncate(-1) }, syscall.EINVAL},
		{"truncate to too much", func() error { return h.Truncate(MaxFileSize + 1) }, syscall.EFBIG},
		{"truncate by path", func() error { return f.Truncate("/f", -1) }, syscall.EINVAL},
		{"seek before the start", func() error { _, err := h.Seek(-1, io.SeekStart); return err }, syscall.EINVAL},
		{"seek from nowhere", func() error { _, err := h.Seek(0, 7); return err }, syscall.EINVAL},
		{"seek beyond everything", func() error {
			h.Seek(math.MaxInt64, io.SeekStart)
			_, err := h.Seek(1, io.SeekCurrent)
			return err
		}, syscall.EOVERFLOW},
		{"write where no file can be", func() error { _, err := h.Write(one); return err }, syscall.EFBIG},
		{"allocate nothing", func() error { return h.Allocate(0, 0) }, syscall.EINVAL},
		{"allocate before the start", func() error { return h.Allocate(-1, 2) }, syscall.EINVAL},
		{"allocate what wraps", func() error { return h.Allocate(math.MaxInt64, math.MaxInt64) }, syscall.EFBIG},
		{"bad access mode", func() error { _, err := f.Open("/f", 3, 0); return err }, syscall.EINVAL},
		{"long name", func() error { return f.Mkdir("/"+strings.Repeat("n", 256), 0o755) }, syscall.ENAMETOOLONG},
		{"long path", func() error { return f.Mkdir(strings.Repeat("/n", 2048), 0o755) }, syscall.ENAMETOOLONG},
		{"long target", func() error { return f.Symlink(strings.Repeat("t", 4096), "/s") }, syscall.ENAMETOOLONG},
		{"empty path", func() error { return f.Mkdir("", 0o755) }, syscall.ENOENT},
		{"empty target", func() error { return f.Symlink("", "/s") }, syscall.ENOENT},
		{"NUL", func() error { return f.Mkdir("/a\x00b", 0o755) }, syscall.EINVAL},
	}
	for _, tt := range tests {
		wantErrno(t, tt.name, tt.do(), tt.want)
	}
	if s, err := f.Stat("/f"); err != nil || s.Size != 0 {
		t.Errorf("size %d, %v", s.Size, err)
	}
	must(t, f.Mkdir("/"+strings.Repeat("n", 255), 0o755))
	must(t, f.WriteFile("/\xff\xfe not utf-8 \n", nil, 0o644))
}

// TestContentAgainstModel writes, truncates and reads a file over a layer and
// its forks, each beside a slice.
func TestContentAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	const size = 5*chunkSize + 1234
	base := make([]byte, size)
	for i := range base {
		base[i] = byte(i * 7)
	}
	type version struct {
		f     *FS
		model []byte
	}
	l := layerOf(t, []Entry{file("f")}, map[string]string{"f": string(base)})
	versions := []*version{{New(l), base}}
	for step := range 4000 {
		v := versions[rng.IntN(len(versions))]
		h, err := v.f.Open("/f", O_RDWR, 0)
		must(t, err)
		off := rng.IntN(7 * chunkSize)
		switch rng.IntN(8) {
		case 0:
			if len(versions) < 8 {
				versions = append(versions, &version{v.f.Fork(), bytes.Clone(v.model)})
			}
		case 1:
			must(t, h.Truncate(int64(off)))
			v.model = resize(v.model, off)
		case 2, 3, 4:
			data := bytes.Repeat([]byte{byte(step)}, rng.IntN(2*chunkSize)>>rng.IntN(12))
			if n, err := h.WriteAt(data, int64(off)); n != len(data) || err != nil {
				t.Fatal(n, err)
			}
			if len(data) > 0 && off+len(data) > len(v.model) {
				v.model = resize(v.model, off+len(data))
			}
			if len(data) > 0 {
				v.model = append(bytes.Clone(v.model[:off]), append(data, v.model[off+len(data):]...)...)
			}
		default:
			got := make([]byte, rng.IntN(2*chunkSize))
			n, _ := h.ReadAt(got, int64(off))
			want := v.model[min(off, len(v.model)):min(off+len(got), len(v.model))]
			if !bytes.Equal(got[:n], want) {
				t.Fatalf("step %d: read %d bytes at %d, %d expected", step, n, off, len(want))
			}
		}
		must(t, h.Close())
	}
	for i, v := range versions {
		if got, err := v.f.ReadFile("/f"); err != nil || !bytes.Equal(got, v.model) {
			t.Errorf("version %d: %d bytes, %v; want %d", i, len(got), err, len(v.model))
		}
	}
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return bytes.Clone(b[:n])
	}
	return append(bytes.Clone(b), make([]byte, n-len(b))...)
}

func TestDuplicatesShareOffsetAndFlags(t *testing.T) {
	f := New()
	h := open(t, f, "/f", O_RDWR|O_CREATE)
	d := h.Dup()
	io.WriteString(h, "one ")
	io.WriteString(d, "two")
	mustRead(t, f, "/f", "one two")
	must(t, d.SetFlags(O_APPEND))
	if h.Flags() != O_RDWR|O_APPEND {
		t.Errorf("flags %#x", h.Flags())
	}
	must(t, h.Close())
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	io.WriteString(d, "!")
	mustRead(t, f, "/f", "one two!")
	must(t, d.Close())
	if err := d.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := h.Dup().Stat(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("duplicate of a closed file: %v", err)
	}
}

func TestRemovedFileStaysOpen(t *testing.T) {
	l := layerOf(t, []Entry{file("layer"), dir("d")}, map[string]string{"layer": "below"})
	f := New(l)
	must(t, f.WriteFile("/own", []byte("above"), 0o644))
	used := f.Used()
	for name, want := range map[string]string{"/layer": "below", "/own": "above"} {
		h, err := f.Open(name, O_RDWR, 0)
		must(t, err)
		must(t, f.Remove(name))
		g := f.Fork()
		if b, err := io.ReadAll(h); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if _, err := h.WriteAt([]byte("MORE"), 100); err != nil {
			t.Error(err)
		}
		if s, err := h.Stat(); err != nil || s.Nlink != 0 || s.Size != 104 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if g.Used().Files > f.Used().Files-1 {
			t.Errorf("fork counts the open file: %+v of %+v", g.Used(), f.Used())
		}
		must(t, h.Close())
	}
	if now := f.Used(); now.Files >= used.Files+1 || now.Bytes > used.Bytes {
		t.Errorf("used %+v, %+v before", now, used)
	}
	d := open(t, f, "/d", O_RDONLY)
	must(t, f.Remove("/d"))
	wantErrno(t, "in a removed directory", d.MkdirAt("x", 0o755, 0), syscall.ENOENT)
	_, err := d.OpenAt("x", O_WRONLY|O_CREATE, 0o644, 0)
	wantErrno(t, "in a removed directory", err, syscall.ENOENT)
	if s, err := d.StatAt("..", 0); err != nil || s.Ino != rootIno {
		t.Errorf("..: %+v, %v", s, err)
	}
}

// TestReadDirStable reads directories in small pieces while other names come
// and go: a name that is there all the time is read exactly once.
func TestReadDirStable(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 5))
		var entries []Entry
		var stay []string
		for i := range 40 {
			entries = append(entries, file(fmt.Sprintf("d/low%02d", i)))
		}
		f := New(layerOf(t, entries, nil))
		must(t, f.Remove("/d/low05"))
		for i := range 40 {
			must(t, f.WriteFile(fmt.Sprintf("/d/up%02d", i), nil, 0o644))
		}
		for i := 0; i < 40; i += 2 {
			stay = append(stay, fmt.Sprintf("low%02d", i), fmt.Sprintf("up%02d", i))
		}
		h := open(t, f, "/d", O_RDONLY)
		seen := map[string]int{}
		for cookie := uint64(0); ; {
			ents, err := h.ReadDirAt(cookie, 1+rng.IntN(5))
			must(t, err)
			if len(ents) == 0 {
				break
			}
			for _, e := range ents {
				seen[e.Name]++
				cookie = e.Next
			}
			for range rng.IntN(6) {
				change(f, rng)
			}
			if rng.IntN(10) == 0 {
				f.Fork()
			}
		}
		for _, name := range stay {
			if seen[name] != 1 {
				t.Errorf("seed %d: %s was read %d times", seed, name, seen[name])
			}
		}
	}
}

// change makes, removes or replaces a name that does not stay.
func change(f *FS, rng *rand.Rand) {
	odd := fmt.Sprintf("/d/%s%02d", []string{"low", "up"}[rng.IntN(2)], rng.IntN(20)*2+1)
	even := fmt.Sprintf("/d/%s%02d", []string{"low", "up"}[rng.IntN(2)], rng.IntN(20)*2)
	switch rng.IntN(4) {
	case 0:
		f.Remove(odd)
	case 1:
		f.WriteFile(odd, nil, 0o644)
	case 2:
		f.WriteFile("/d/tmp", nil, 0o644)
		f.Rename("/d/tmp", even) // replaced, but there all the time
	case 3:
		f.Chmod(even, 0o600)
	}
}

func TestAtBeneath(t *testing.T) {
	f := New(layerOf(t, []Entry{
		file("outside"), file("d/in"), dir("d/sub"), symlink("d/abs", "/d/in"), symlink("d/up", "../outside"),
		symlink("d/stay", "sub/../in"), symlink("d/back", "../d/in"), symlink("top", "/outside"), symlink("overtop", "../../outside"),
	}, nil))
	d := open(t, f, "/d", O_RDONLY)
	r := f.Root()
	defer r.Close()
	tests := []struct {
		from *File
		path string
		want error
	}{
		{d, "in", nil},
		{d, "sub/../in", nil},
		{d, "stay", nil},
		{d, ".", nil},
		{d, "sub/..", nil},
		{d, "..", syscall.EPERM},
		{d, "../d/in", syscall.EPERM},
		{d, "sub/../../outside", syscall.EPERM},
		{d, "/d/in", syscall.EPERM},
		{d, "abs", syscall.EPERM},
		{d, "up", syscall.EPERM},
		{d, "back", syscall.EPERM},
		{d, "abs/", syscall.EPERM},
		{r, "top", nil},
		{r, "d/abs", nil},
		{r, "d/up", nil},
		{r, "overtop", nil},
		{r, "..", syscall.EPERM},
		{r, "d/../../outside", syscall.EPERM},
		{r, "/outside", syscall.EPERM},
	}
	for _, tt := range tests {
		if _, err := tt.from.StatAt(tt.path, AtBeneath); !errors.Is(err, tt.want) {
			t.Errorf("%s from %s: %v; want %v", tt.path, tt.from.Name(), err, tt.want)
		}
	}
	for what, err := range map[string]error{
		"rename out":  d.RenameAt("in", d, "../gone", AtBeneath),
		"rename in":   d.RenameAt("../outside", d, "x", AtBeneath),
		"link out":    d.LinkAt("in", d, "../gone", AtBeneath),
		"mkdir":       d.MkdirAt("../new", 0o755, AtBeneath),
		"unlink":      d.UnlinkAt("../outside", AtBeneath),
		"rmdir":       d.RmdirAt("../d/sub", AtBeneath),
		"symlink":     d.SymlinkAt("x", "/new", AtBeneath),
		"chmod":       d.ChmodAt("up", 0o600, AtBeneath),
		"chown":       d.ChownAt("up", 1, 1, AtBeneath),
		"chtimes":     d.ChtimesAt("abs", time.Now(), time.Now(), AtBeneath),
		"open to new": func() error { _, err := d.OpenAt("up", O_WRONLY|O_CREATE, 0o644, AtBeneath); return err }(),
	} {
		wantErrno(t, what, err, syscall.EPERM)
	}
}

// TestRemovedParents: ".." of a removed directory leads where it did, also when
// that was removed, and shows nothing of what the layers had there.
func TestRemovedParents(t *testing.T) {
	f := New(layerOf(t, []Entry{file("low/a/b/x")}, nil))
	must(t, f.MkdirAll("/own/a/b", 0o755))
	for _, top := range []string{"/low", "/own"} {
		h, err := f.Open(top+"/a/b", O_RDONLY, 0)
		must(t, err)
		must(t, f.RemoveAll(top))
		_, err = h.StatAt("../b", 0)
		wantErrno(t, "in a removed parent", err, syscall.ENOENT)
		wantErrno(t, "made in a removed parent", h.MkdirAt("../c", 0o755, 0), syscall.ENOENT)
		if s, err := h.StatAt("../..", 0); err != nil || s.Nlink != 0 {
			t.Errorf("../..: %+v, %v", s, err)
		}
		if s, err := h.StatAt("../../..", 0); err != nil || s.Ino != rootIno {
			t.Errorf("../../..: %+v, %v", s, err)
		}
		must(t, h.Close())
	}
	if len(f.orphans) != 0 || len(f.open) != 0 {
		t.Errorf("left behind: %v, %v", f.orphans, f.open)
	}
	if used := f.Used(); used.Files != 1 {
		t.Errorf("used %+v", used)
	}
}

func TestMetadata(t *testing.T) {
	f := New(layerOf(t, []Entry{file("f"), symlink("l", "f")}, nil))
	f.Configure(frozen())
	mode := fs.FileMode(0o751) | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	must(t, f.Chmod("/l", mode))
	must(t, f.Chown("/l", 10, -1))
	must(t, f.Lchown("/l", -1, 20))
	at, mt := time.Unix(-5, 7), time.Date(9999, 1, 2, 3, 4, 5, 6, time.UTC)
	must(t, f.Chtimes("/f", at, mt))
	s, err := f.Stat("/f")
	must(t, err)
	if s.Mode != mode || s.UID != 10 || s.GID != 0 || !s.Atime.Equal(at) || !s.Mtime.Equal(mt) || !s.Ctime.Equal(epoch) {
		t.Errorf("Stat = %+v", s)
	}
	if s, err := f.Lstat("/l"); err != nil || s.GID != 20 || s.UID != 0 || s.Size != 1 {
		t.Errorf("Lstat = %+v, %v", s, err)
	}
	info := s.FileInfo()
	if info.Name() != "f" || info.Mode() != mode || info.Sys().(Stat).UID != 10 {
		t.Errorf("FileInfo = %v", info)
	}
}

// TestInodeNumbers: numbers depend on the layers and what was done alone.
func TestInodeNumbers(t *testing.T) {
	l := layerOf(t, []Entry{file("a"), file("d/b"), hardlink("d/c", "a")}, nil)
	make := func() map[string]uint64 {
		f := New(l)
		must(t, f.WriteFile("/new", nil, 0o644))
		must(t, f.Chmod("/d/b", 0o600))
		must(t, f.Rename("/d/b", "/moved"))
		inos := map[string]uint64{}
		must(t, fs.WalkDir(f.Fork().IOFS(), ".", func(p string, d fs.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			inos[p] = info.Sys().(Stat).Ino
			return err
		}))
		return inos
	}
	first := make()
	if diff := cmp.Diff(first, make()); diff != "" {
		t.Errorf("(-first +second)\n%s", diff)
	}
	if first["a"] != first["d/c"] || first["a"] == first["moved"] {
		t.Errorf("numbers %v", first)
	}
	before, err := New(l).Stat("/d/b")
	must(t, err)
	if first["moved"] != before.Ino {
		t.Errorf("number changed from %d to %d", before.Ino, first["moved"])
	}
}

// TestConcurrentUse is for the race detector: one tree, its forks and an open
// file are used by several goroutines.
func TestConcurrentUse(t *testing.T) {
	f := New(layerOf(t, []Entry{file("d/f"), file("d/g")}, map[string]string{"d/f": strings.Repeat("f", 100_000)}))
	h := open(t, f, "/d/f", O_RDWR)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			g := f
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			c := &changer{rng: rng}
			for range 200 {
				c.f = g
				c.change()
				h.WriteAt([]byte("x"), rng.Int64N(200_000))
				h.ReadAt(make([]byte, 100), rng.Int64N(200_000))
				h.SetFlags(O_APPEND * Flag(rng.IntN(2)))
				h.Dup().Close()
				g.ReadDir("/")
				if rng.IntN(20) == 0 {
					g = f.Fork()
				}
			}
			Diff(f, g)
		})
	}
	wg.Wait()
	if _, err := f.ReadFile("/d/g"); err != nil && !errors.Is(err, fs.ErrNotExist) && !slices.Contains([]error{syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP}, errors.Unwrap(err)) {
		t.Error(err)
	}
}
