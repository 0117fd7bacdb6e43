package compare

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime/capability"
	"boxer.dev/vfs"
)

// opened makes a box of trees, each a layer of the changes since the one before.
func opened(t testing.TB, config v1.Config, trees ...*vfs.FS) *oci.Rootfs {
	t.Helper()
	root := &oci.Rootfs{Config: &v1.ConfigFile{Config: config}}
	before := vfs.New()
	for i, tree := range trees {
		changes, err := vfs.Diff(before, tree)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "layer")
		w, err := vfs.CreateLayer(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			content, _ := change.Open()
			if err := w.Add(change.Entry, content); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		layer, err := vfs.OpenLayer(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { layer.Close() })
		root.Layers = append(root.Layers, layer)
		root.Config.RootFS.DiffIDs = append(root.Config.RootFS.DiffIDs, v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%p-%d", tree, i)})
		before = tree
	}
	return root
}

// write makes a tree by lines: "dir/", "file=contents", "link->target".
func write(t testing.TB, on *vfs.FS, lines ...string) *vfs.FS {
	t.Helper()
	tree := on.Fork()
	for _, line := range lines {
		var err error
		if name, target, ok := strings.Cut(line, "->"); ok {
			err = errors.Join(tree.MkdirAll(path.Dir(name), 0o755), tree.Symlink(target, name))
		} else if name, text, ok := strings.Cut(line, "="); ok {
			err = errors.Join(tree.MkdirAll(path.Dir(name), 0o755), tree.WriteFile(name, []byte(text), 0o644))
		} else {
			err = tree.MkdirAll(line, 0o755)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return tree
}

func told(d *Difference) (lines []string) {
	for _, f := range d.Files {
		lines = append(lines, strings.TrimSpace(f.Change+" "+f.Path+" "+strings.Join(f.What, ",")))
	}
	return lines
}

func TestFiles(t *testing.T) {
	base := write(t, vfs.New(), "/etc/motd=hello", "/etc/gone=x", "/app/a/b/c=1", "/app/a/d=2", "/lib->usr/lib", "/usr/lib/x=x", "/same=s")
	changed := write(t, base, "/etc/motd=other", "/new/file=n")
	for _, err := range []error{
		changed.Remove("/etc/gone"), changed.RemoveAll("/app"), changed.Chmod("/same", 0o600), changed.Chown("/same", 5, 6),
		changed.Remove("/lib"), changed.Mkdir("/lib", 0o755), changed.WriteFile("/lib/x", []byte("y"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := Boxes(opened(t, v1.Config{}, base), opened(t, v1.Config{}, base, changed), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"D /app", "D /app/a", "D /app/a/b", "D /app/a/b/c", "D /app/a/d", "D /etc/gone", "C /etc/motd contents,time",
		"C /lib kind,mode,time", "A /lib/x", "A /new", "A /new/file", "C /same mode,owner",
	}
	if diff := cmp.Diff(want, told(d)); diff != "" {
		t.Error(diff)
	}
	d, err = Boxes(opened(t, v1.Config{}, base), opened(t, v1.Config{}, base, changed), Options{Paths: []string{"/etc/", "/app/a/b"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"D /app/a/b", "D /app/a/b/c", "D /etc/gone", "C /etc/motd contents,time"}, told(d)); diff != "" {
		t.Error(diff)
	}
}

// TestAgainstWalk compares random trees with what walking both gives, over layers that are shared and that are not.
func TestAgainstWalk(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		base := scramble(t, rng, vfs.New(), 30)
		one, two := scramble(t, rng, base, 12), scramble(t, rng, base, 12)
		if seed%3 == 0 {
			two = scramble(t, rng, vfs.New(), 30)
		}
		d, err := Boxes(opened(t, v1.Config{}, base, one), opened(t, v1.Config{}, base, two), Options{Times: true})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		before, after := walk(t, one), walk(t, two)
		for name, was := range before {
			if is, ok := after[name]; !ok {
				want = append(want, "D "+name)
			} else if is != was {
				want = append(want, "C "+name)
			}
		}
		for name := range after {
			if _, ok := before[name]; !ok {
				want = append(want, "A "+name)
			}
		}
		slices.SortFunc(want, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
		var got []string
		for _, f := range d.Files {
			got = append(got, f.Change+" "+f.Path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// scramble does random things to a tree of few names, so that they meet.
func scramble(t *testing.T, rng *rand.Rand, on *vfs.FS, steps int) *vfs.FS {
	tree := on.Fork()
	name := func() string {
		parts := make([]string, 1+rng.IntN(3))
		for i := range parts {
			parts[i] = string(rune('a' + rng.IntN(3)))
		}
		return "/" + strings.Join(parts, "/")
	}
	for range steps { // those that cannot be done are not
		switch p := name(); rng.IntN(7) {
		case 0, 1:
			_ = tree.MkdirAll(p, 0o755)
		case 2:
			_ = tree.WriteFile(p, []byte{byte(rng.IntN(3))}, 0o644)
		case 3:
			_ = tree.Symlink(name(), p)
		case 4:
			_ = tree.RemoveAll(p)
		case 5:
			_ = tree.Link(p, name())
		case 6:
			_ = tree.Chmod(p, 0o700)
		}
	}
	at := time.Unix(0, 0)
	if err := tree.Chtimes("/", at, at); err != nil {
		t.Fatal(err)
	}
	for p := range walk(t, tree) { // directories' times would change with what is in them
		if st, err := tree.Lstat(p); err != nil {
			t.Fatal(err)
		} else if st.Mode.Type() != fs.ModeSymlink {
			if err := tree.Chtimes(p, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	return tree
}

// walk describes everything in a tree but the times of symbolic links, which nothing sets.
func walk(t *testing.T, tree *vfs.FS) map[string]string {
	all := map[string]string{}
	var visit func(dir string)
	visit = func(dir string) {
		entries, err := tree.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			p := path.Join(dir, entry.Name())
			st, err := tree.Lstat(p)
			if err != nil {
				t.Fatal(err)
			}
			text := st.Mode.String() + st.Mtime.String()
			switch {
			case st.IsDir():
				visit(p)
			case st.Mode.IsRegular():
				data, err := tree.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				text += string(data)
			default:
				text, err = tree.Readlink(p)
				if err != nil {
					t.Fatal(err)
				}
				text += st.Mtime.String()
			}
			all[p] = text
		}
	}
	visit("/")
	return all
}

func TestRequests(t *testing.T) {
	for _, test := range []struct {
		from, to string // LIMIT | ALLOW
		want     []Request
	}{
		{"memory=64M|", "memory=64M|", nil},
		{"memory=64M|", "memory=128M|", []Request{{"LIMIT", "memory=64M", "memory=128M", true}}},
		{"memory=64M|", "memory=1M|", []Request{{"LIMIT", "memory=64M", "memory=1M", false}}},
		{"readonly|", "|", []Request{{"LIMIT", "readonly", "", true}}},
		{"|", "readonly|", []Request{{"LIMIT", "", "readonly", false}}},
		{"|mount=/d:ro", "|mount=/d", []Request{{"ALLOW", "mount=/d:ro", "mount=/d", true}}},
		{"|mount=/d", "|mount=/d:ro", []Request{{"ALLOW", "mount=/d", "mount=/d:ro", false}}},
		{"|clock,optional", "|clock", []Request{{"ALLOW", "clock,optional", "clock", true}}},
		{"|env=A", "|net=h:1,optional", []Request{{"ALLOW", "env=A", "", false}, {"ALLOW", "", "net=h:1,optional", true}}},
	} {
		labels := func(s string) map[string]string {
			limit, allow, _ := strings.Cut(s, "|")
			return map[string]string{capability.LimitLabel: limit, capability.AllowLabel: allow}
		}
		if diff := cmp.Diff(test.want, requests(labels(test.from), labels(test.to))); diff != "" {
			t.Errorf("%s to %s: %s", test.from, test.to, diff)
		}
	}
}

// TestTerminalEscapes: nothing that a box brings along reaches the terminal as control characters, in whatever place.
func TestTerminalEscapes(t *testing.T) {
	const evil = "x\x1b[2J\u009b\u202ey\n"
	base := vfs.New()
	tree := write(t, base, "/"+evil+"=text", "/l->a")
	if err := errors.Join(tree.Remove("/l"), tree.Symlink(evil, "/l")); err != nil {
		t.Fatal(err)
	}
	config := v1.Config{
		Env: []string{evil + "=" + evil}, Labels: map[string]string{evil: evil, capability.AllowLabel: evil}, User: evil, Cmd: []string{evil},
		WorkingDir: evil, OnBuild: []string{evil}, Volumes: map[string]struct{}{evil: {}}, ExposedPorts: map[string]struct{}{evil: {}},
	}
	d, err := Boxes(opened(t, v1.Config{}, write(t, base, "/l->a")), opened(t, config, tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := errors.Join(d.Write(&text), d.WritePatch(context.Background(), &text)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\u009b\u202e") || !strings.Contains(text.String(), "ENV") {
		t.Errorf("%q", text.String())
	}
}

// BenchmarkBoxes compares boxes that share a layer of 5,000 files.
func BenchmarkBoxes(b *testing.B) {
	base := vfs.New()
	for i := range 5000 {
		dir := fmt.Sprintf("/lib/%d", i%100)
		if err := errors.Join(base.MkdirAll(dir, 0o755), base.WriteFile(fmt.Sprintf("%s/%d", dir, i), make([]byte, 10_000), 0o644)); err != nil {
			b.Fatal(err)
		}
	}
	from, to := opened(b, v1.Config{}, base), opened(b, v1.Config{}, base, write(b, base, "/app/x=1"))
	for b.Loop() {
		if d, err := Boxes(from, to, Options{}); err != nil || len(d.Files) != 2 {
			b.Fatal(err, len(d.Files))
		}
	}
}
