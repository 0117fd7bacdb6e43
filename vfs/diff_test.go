package vfs

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dump describes everything of a tree that a layer can hold: the reference that
// Diff and layers are measured by.
func dump(t testing.TB, f *FS) map[string]string {
	t.Helper()
	tree, groups := map[string]string{}, map[uint64]string{}
	err := fs.WalkDir(f.IOFS(), ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		s, err := f.Lstat("/" + p)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%v %d:%d %d", s.Mode, s.UID, s.GID, s.Mtime.UnixNano())
		if !s.IsDir() {
			if _, ok := groups[s.Ino]; !ok {
				groups[s.Ino] = p
			}
			line += fmt.Sprintf(" links %d with %s", s.Nlink, groups[s.Ino])
		} else {
			line += fmt.Sprintf(" links %d", s.Nlink)
		}
		switch s.Mode.Type() {
		case 0:
			b, err := f.ReadFile("/" + p)
			if err != nil {
				return err
			}
			if len(b) > 64 {
				b = fmt.Appendf(nil, "%d bytes %x", len(b), sha256.Sum256(b))
			}
			line += fmt.Sprintf(" %q", b)
		case fs.ModeSymlink:
			target, err := f.Readlink("/" + p)
			if err != nil {
				return err
			}
			line += " -> " + target
		case fs.ModeDir:
		default:
			line += fmt.Sprintf(" device %d", s.Rdev)
		}
		tree[p] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// layerFrom writes changes as a layer.
func layerFrom(t testing.TB, changes []Change) *Layer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "layer")
	w, err := CreateLayer(file)
	must(t, err)
	for _, c := range changes {
		var r io.ReadCloser
		if c.Mode.IsRegular() && !c.Whiteout && c.HardLink == "" {
			r, err = c.Open()
			must(t, err)
		}
		must(t, w.Add(c.Entry, r))
		if r != nil {
			must(t, r.Close())
		}
	}
	must(t, w.Close())
	l, err := OpenLayer(file)
	must(t, err)
	return l
}

func paths(changes []Change) []string {
	list := []string{}
	for _, c := range changes {
		s := c.Path
		if c.Opaque {
			s += " opaque"
		}
		if c.Whiteout {
			s += " whiteout"
		}
		if c.HardLink != "" {
			s += " = " + c.HardLink
		}
		list = append(list, s)
	}
	return list
}

// frozen returns a configuration whose clock stands still, so that only what a
// test means to change changes.
func frozen() Config { return Config{Now: func() time.Time { return epoch }} }

func TestDiffIsMinimal(t *testing.T) {
	base := layerOf(t, []Entry{
		dir("d"), file("d/a"), file("d/b"), dir("d/sub"), file("d/sub/x"), file("f"), symlink("s", "f"),
		file("l1"), hardlink("l2", "l1"), hardlink("l3", "l1"), dir("empty"),
	}, map[string]string{"d/a": "aaa", "f": "fff", "l1": "link"})
	root := dir(".")
	root.ModTime = epoch
	base2 := layerOf(t, []Entry{root}, nil)
	tests := []struct {
		name   string
		change func(f *FS) error
		want   []string
	}{
		{"nothing", func(f *FS) error { return nil }, nil},
		{"written with the same bytes", func(f *FS) error { return f.WriteFile("/d/a", []byte("aaa"), 0) }, nil},
		{"chmod to the same mode", func(f *FS) error { return f.Chmod("/f", 0o644) }, nil},
		{"chmod", func(f *FS) error { return f.Chmod("/d/a", 0o600) }, []string{"d/a"}},
		{"chown of a directory", func(f *FS) error { return f.Chown("/d", 5, -1) }, []string{"d"}},
		{"one byte", func(f *FS) error { return f.WriteFile("/d/a", []byte("aab"), 0) }, []string{"d/a"}},
		{"deleted", func(f *FS) error { return f.Remove("/d/a") }, []string{"d/a whiteout"}},
		{"directory deleted", func(f *FS) error { return f.RemoveAll("/d") }, []string{"d whiteout"}},
		{"made and deleted", func(f *FS) error {
			must(t, f.WriteFile("/new", nil, 0o600))
			return f.Remove("/new")
		}, nil},
		{"file to directory", func(f *FS) error {
			must(t, f.Remove("/f"))
			return f.Mkdir("/f", 0o755)
		}, []string{"f"}},
		{"directory to file", func(f *FS) error {
			must(t, f.RemoveAll("/d"))
			return f.WriteFile("/d", nil, 0o600)
		}, []string{"d"}},
		{"directory replaced", func(f *FS) error {
			must(t, f.RemoveAll("/d"))
			must(t, f.Mkdir("/d", 0o755))
			return f.WriteFile("/d/c", nil, 0o600)
		}, []string{"d opaque", "d/c"}},
		{"directory replaced by the same", func(f *FS) error {
			must(t, f.RemoveAll("/empty"))
			return f.Mkdir("/empty", 0o755)
		}, nil},
		{"renamed directory", func(f *FS) error { return f.Rename("/d/sub", "/sub") },
			[]string{"d/sub whiteout", "sub", "sub/x"}},
		{"a link removed", func(f *FS) error { return f.Remove("/l2") }, []string{"l2 whiteout"}},
		{"a link added", func(f *FS) error { return f.Link("/l1", "/l4") },
			[]string{"l1", "l2 = l1", "l3 = l1", "l4 = l1"}},
		{"a link written", func(f *FS) error { return f.WriteFile("/l2", []byte("new"), 0) },
			[]string{"l1", "l2 = l1", "l3 = l1"}},
		{"a link replaced by a copy", func(f *FS) error {
			must(t, f.Remove("/l2"))
			return f.WriteFile("/l2", []byte("link"), 0o644)
		}, []string{"l2"}},
		{"two links of a file parted from it", func(f *FS) error {
			must(t, f.Remove("/l1"))
			must(t, f.WriteFile("/l1", []byte("link"), 0o644))
			return nil
		}, []string{"l2", "l3 = l2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old := New(base, base2)
			f := old.Fork()
			f.Configure(frozen())
			must(t, tt.change(f))
			changes, err := Diff(old, f)
			must(t, err)
			if diff := cmp.Diff(append([]string{}, tt.want...), paths(changes)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			applied := New(base, base2, layerFrom(t, changes))
			if diff := cmp.Diff(dump(t, f), dump(t, applied)); diff != "" {
				t.Errorf("applied (-want +got)\n%s", diff)
			}
		})
	}
}

// changer makes random changes to a tree.
type changer struct {
	rng *rand.Rand
	f   *FS
	now int64
}

func (c *changer) path() string {
	depth := 1 + c.rng.IntN(3)
	p := ""
	for range depth {
		p += "/" + string(rune('a'+c.rng.IntN(4)))
	}
	return p
}

// existing returns a path that is there most of the time.
func (c *changer) existing() string {
	p := "/"
	for range 1 + c.rng.IntN(4) {
		ents, err := c.f.ReadDir(p)
		if err != nil || len(ents) == 0 {
			break
		}
		e := ents[c.rng.IntN(len(ents))]
		p = path.Join(p, e.Name())
		if !e.IsDir() {
			break
		}
	}
	return p
}

// change does one thing, which may fail.
func (c *changer) change() {
	c.now += int64(c.rng.IntN(2))
	data := []byte(strings.Repeat("x", c.rng.IntN(5)))
	switch c.rng.IntN(14) {
	case 0, 1:
		c.f.WriteFile(c.path(), data, 0o644)
	case 2:
		c.f.WriteFile(c.existing(), data, 0o644)
	case 3, 4:
		c.f.Mkdir(c.path(), 0o755)
	case 5:
		c.f.Remove(c.existing())
	case 6:
		if c.rng.IntN(4) == 0 {
			c.f.RemoveAll(c.existing())
		}
	case 7:
		c.f.Rename(c.existing(), c.path())
	case 8:
		c.f.Rename(c.existing(), c.existing())
	case 9, 10:
		c.f.Link(c.existing(), c.path())
	case 11:
		c.f.Symlink(c.path(), c.path())
	case 12:
		c.f.Chmod(c.existing(), fs.FileMode(0o600+c.rng.IntN(2)*0o44))
	case 13:
		c.f.Lchown(c.existing(), c.rng.IntN(2), -1)
	}
}

// TestDiffApplied stacks random changes as layers and compares with the tree
// that was changed, and with the same tree reached from nothing.
func TestDiffApplied(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := &changer{rng: rand.New(rand.NewPCG(seed, 7)), now: epoch.Unix()}
			clock := Config{Now: func() time.Time { return time.Unix(c.now, 0) }}
			var layers []*Layer
			for range 6 {
				old := New(layers...)
				c.f = old.Fork()
				c.f.Configure(clock)
				for range 25 {
					c.change()
				}
				changes, err := Diff(old, c.f)
				must(t, err)
				before := dump(t, old)
				want := dump(t, c.f)
				layers = append(layers, layerFrom(t, changes))
				if diff := cmp.Diff(want, dump(t, New(layers...))); diff != "" {
					t.Fatalf("after %d layers: %v (-want +got)\n%s\nbefore: %v", len(layers), paths(changes), diff, before)
				}
				checkMinimal(t, before, want, changes)
				again, err := Diff(c.f, New(layers...))
				must(t, err)
				if len(again) != 0 {
					t.Fatalf("equal trees differ: %v", paths(again))
				}
			}
			all, err := Diff(New(), New(layers...))
			must(t, err)
			if diff := cmp.Diff(dump(t, New(layers...)), dump(t, New(layerFrom(t, all)))); diff != "" {
				t.Fatalf("in one layer (-want +got)\n%s", diff)
			}
		})
	}
}

// checkMinimal checks that nothing is given again that is the same and linked
// to nothing.
func checkMinimal(t *testing.T, before, after map[string]string, changes []Change) {
	t.Helper()
	for _, c := range changes {
		line, ok := before[c.Path]
		opaque := c.Opaque || slices.ContainsFunc(changes, func(o Change) bool {
			return o.Opaque && (o.Path == "." || strings.HasPrefix(c.Path, o.Path+"/"))
		})
		if ok && line == after[c.Path] && strings.Contains(line, "links 1 ") && !opaque {
			t.Errorf("%s did not change: %s", c.Path, line)
		}
	}
}

func TestDiffContents(t *testing.T) {
	old := New()
	f := old.Fork()
	must(t, f.WriteFile("/f", []byte("first"), 0o644))
	changes, err := Diff(old, f)
	must(t, err)
	must(t, f.WriteFile("/f", []byte("later"), 0o644))
	for _, c := range changes {
		if c.Path != "f" {
			if _, err := c.Open(); err == nil {
				t.Errorf("%s opened", c.Path)
			}
			continue
		}
		r, err := c.Open()
		must(t, err)
		if b, err := io.ReadAll(r); err != nil || string(b) != "first" {
			t.Errorf("contents %q, %v", b, err)
		}
		must(t, r.Close())
	}
}
