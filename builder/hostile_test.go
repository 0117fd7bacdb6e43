package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// openTree returns a context over files of the given names.
func openTree(t testing.TB, names ...string) (*contextTree, string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		writeFile(t, filepath.Join(dir, name), []byte(name))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	tree, err := openContext(root, DefaultEpoch)
	if err != nil {
		t.Fatal(err)
	}
	return tree, dir
}

// TestLeafIsASymlink is the hole of checking a file's directory and then opening what is no longer the file (librefang #4054).
func TestLeafIsASymlink(t *testing.T) {
	tree, dir := openTree(t, "file")
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, []byte("file"))
	if _, err := tree.lstat("file"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "file")), os.Symlink(secret, filepath.Join(dir, "file"))); err != nil {
		t.Fatal(err)
	}
	if f, err := tree.open("file"); err == nil {
		f.Close()
		t.Error("a file outside of the context was opened")
	}
}

// TestFileBecomesAPipe is the hole of a build that a context can make wait for ever.
func TestFileBecomesAPipe(t *testing.T) {
	tree, dir := openTree(t)
	if err := makeFIFO(filepath.Join(dir, "pipe")); err != nil {
		t.Skip("no named pipes on this system: ", err)
	}
	if f, err := tree.open("pipe"); err == nil {
		f.Close()
		t.Error("a pipe was opened for reading")
	}
	if err := makeFIFO(filepath.Join(dir, ".boxignore")); err != nil {
		t.Fatal(err)
	}
	if _, err := openContext(tree.root, DefaultEpoch); err == nil {
		t.Error("a pipe was read for ignore rules")
	}
}

// TestFileChangesWhileRead is the hole of a layer whose entry and contents disagree.
func TestFileChangesWhileRead(t *testing.T) {
	for size, text := range map[int64]string{3: "longer", 9: "shorter"} {
		r := &exactReader{r: strings.NewReader(text), left: size}
		if _, err := new(bytes.Buffer).ReadFrom(r); !errors.Is(err, errChanged) {
			t.Errorf("%d bytes announced, %q read: %v", size, text, err)
		}
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(&exactReader{r: strings.NewReader("exact"), left: 5}); err != nil || b.String() != "exact" {
		t.Errorf("got %q, %v", &b, err)
	}
}

// TestSymlinkLeadsOutOfTheBox is the hole of a destination link that ends on the host.
func TestSymlinkLeadsOutOfTheBox(t *testing.T) {
	tree, _ := openTree(t, "payload")
	outside := t.TempDir()
	text := fmt.Sprintf("FROM scratch\nRUN symlink %s /abs && symlink ../../../../..%s /rel\nCOPY payload /abs/\nCOPY payload /rel/x\n", outside, outside)
	res, err := Build(t.Context(), Options{Boxfile: mustParse(t, text), Context: tree.root, Run: testRun})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("the host got %v (%v)", left, err)
	}
	root, err := newStore(t).Rootfs(res.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"payload", "x"} {
		if _, err := root.FS().Stat(filepath.Join(outside, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestOddNames copies names that no text encoding knows, and names that would change a message or a rule.
func TestOddNames(t *testing.T) {
	names := []string{"new\nline", "\x1b[31mred", "tab\tbed", "ünïcode", "-rf", "$HOME", "a*b", "[x]", "back\\slash", strings.Repeat("n", 255)}
	if runtime.GOOS == "linux" {
		names = append(names, "\xff\xfe", "a\x80b")
	}
	tree, dir := openTree(t)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			if runtime.GOOS == "windows" {
				continue
			}
			t.Fatal(err)
		}
	}
	for _, boxfile := range []string{"FROM scratch\nCOPY . /d/\n", "FROM scratch\nCOPY * /d/\n", "FROM scratch\nCOPY ** /d/\n"} {
		res, err := Build(t.Context(), Options{Boxfile: mustParse(t, boxfile), Context: tree.root})
		if err != nil {
			t.Fatal(err)
		}
		root, err := newStore(t).Rootfs(res.Image)
		if err != nil {
			t.Fatal(err)
		}
		box := root.FS()
		for _, name := range names {
			if runtime.GOOS == "windows" {
				if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
					continue
				}
			}
			data, err := box.ReadFile("/d/" + name)
			if err != nil || string(data) != name {
				t.Errorf("%q: %q, %v", name, data, err)
			}
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestArchiveThroughSymlink is the hole of an archive that links a name to somewhere else and then writes beneath the name.
func TestArchiveThroughSymlink(t *testing.T) {
	outside := t.TempDir()
	tree, dir := openTree(t)
	makeTar(t, dir, "a.tar", []string{"link>" + outside, "link/payload", "up>../../../../..", "up" + outside + "/payload2"})
	res, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD a.tar /x/\n"), Context: tree.root})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("the host got %v (%v)", left, err)
	}
	root, err := newStore(t).Rootfs(res.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"payload", "payload2"} {
		if _, err := root.FS().Lstat(filepath.Join(outside, name)); err != nil {
			t.Errorf("%s is not where the links of the box lead: %v", name, err)
		}
	}
}

// TestDamagedArchive unpacks archives cut short and altered: an error or a file, never a panic.
func TestDamagedArchive(t *testing.T) {
	tree, dir := openTree(t)
	for _, kind := range []string{".tar", ".tar.gz", ".tar.zst"} {
		makeTar(t, dir, "a"+kind, []string{"x", "y/z", "l>x"})
		whole, err := os.ReadFile(filepath.Join(dir, "a"+kind))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(whole); i += 1 + len(whole)/40 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 0x55
			for _, data := range [][]byte{whole[:i], damaged} {
				writeFile(t, filepath.Join(dir, "damaged"), data)
				_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD damaged /x/\n"), Context: tree.root})
				var placed *Error
				if err != nil && !errors.As(err, &placed) {
					t.Errorf("%s, byte %d: %v (%T)", kind, i, err, err)
				}
			}
		}
	}
}

// TestBigFileStreams copies a file much larger than what the build may allocate.
func TestBigFileStreams(t *testing.T) {
	const size, allowed = 256 << 20, 96 << 20
	tree, dir := openTree(t, "big")
	if err := os.Truncate(filepath.Join(dir, "big"), size); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nCOPY big /\n"), Context: tree.root})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > allowed {
		t.Errorf("copying %d MB allocated %d MB", size>>20, got>>20)
	}
	if res.Steps[0].Size == 0 {
		t.Error("the step has no size")
	}
}

// hostileTree is a small context with something of everything that has ever misled a build.
func hostileTree(t testing.TB) (*contextTree, string) {
	t.Helper()
	names := []string{"a.txt", "dir/b.py", "dir/sub/c.py", ".boxignore", "[x]", "-rf", "dir/.wh.gone"}
	if runtime.GOOS != "windows" {
		names = append(names, "A.TXT", "new\nline", "\x1b[31m", "*")
	}
	if runtime.GOOS == "linux" {
		names = append(names, "\xff\xfe")
	}
	tree, dir := openTree(t, names...)
	makeTar(t, dir, "t.tar", []string{"x/", "x/y", "l>x", "l/z", "h=x/y"})
	makeTar(t, dir, "out.tar", []string{"l>" + dir, "l/written", "../climbed"})
	writeFile(t, filepath.Join(dir, "broken.tar.gz"), []byte("\x1f\x8b\x08broken"))
	for name, target := range map[string]string{
		"link": "dir", "out": "../..", "abs": "/etc/passwd", "loop": "loop", "dangling": "nothing", "dir/up": "..", "dir/self": ".",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeFIFO(filepath.Join(dir, "dir", "pipe")); err != nil {
		t.Logf("no named pipe: %v", err)
	}
	return tree, dir
}

// FuzzBuild builds random Boxfiles in a hostile context. No input makes it panic or write to the context, all errors have a
// place, and what is built once is built the same again.
func FuzzBuild(f *testing.F) {
	tree, dir := hostileTree(f)
	for _, seed := range []string{
		"COPY . /\nCOPY dir /dir\nCOPY dir/sub /dir/b.py", "ADD t.tar link /x/\nADD t.tar /x/x", "COPY **/*.py [a-b]* /y/\nWORKDIR ../$a",
		"ENV a=${b:-$c} d=$a\nUSER $a\nEXPOSE 1-3", "RUN x\nFROM 0\nCOPY --from=0 / /z", "COPY <<a <<b /\n$x\na\ny\nb",
		"COPY --chown=1:2 --chmod=u=g,+X dir link/../.. /l\nARG a=1 b\nLABEL a=$a", "ADD out.tar /\nCOPY out abs loop dangling /x/",
		"COPY --parents ./dir/./**/*.py link/sub /p/\nCOPY --parents --exclude=*.py . /q", "ADD --link --unpack=false t.tar a.txt /x/../y/",
		"ONBUILD COPY . /o\nONBUILD RUN x\nFROM 0\nFROM scratch AS b\nONBUILD ENV a=b\nFROM b\nLABEL c=$a", "COPY --from=named . /n\nFROM named\nCOPY --from=b / /",
		"HEALTHCHECK --start-interval=1s CMD x\nHEALTHCHECK NONE\nSHELL [\"a\"]\nCMD b", "RUN <<EOF\n#!/bin/x\nEOF\nRUN <<-A cat <<B\n\tx\n\tA\ny\nB",
		"COPY * ** /s/\nCOPY -rf [[]x] /t\nCOPY --exclude=!a --exclude=** . /u", "ENV p=/a/b.c q=${p##*/} r=${p%.*} s=${p//\\//-}\nCOPY a.txt $q$r$s",
	} {
		f.Add(seed)
	}
	run := func(r RunRequest) error {
		_, err := r.FS.Lstat("/ran")
		if errors.Is(err, fs.ErrNotExist) {
			err = r.FS.WriteFile("/ran", []byte(strings.Join(r.Args, " ")), 0o644)
		}
		return err
	}
	names := func() string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		return strings.Join(sortedNames(entries), "\x00")
	}
	before := names()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "://") || strings.Contains(text, "@") {
			return // nothing is fetched here
		}
		var digests []string
		for range 2 {
			parsed, err := Parse("Boxfile", strings.NewReader("FROM scratch\n"+text))
			if err != nil {
				return
			}
			opts := Options{Boxfile: parsed, Context: tree.root, Resolve: nothingToResolve, Contexts: map[string]NamedContext{"named": {Dir: tree.root}}}
			opts.Run = func(_ context.Context, r RunRequest) (int, error) { return 0, run(r) }
			res, err := Build(t.Context(), opts)
			var placed *Error
			if err != nil && !errors.As(err, &placed) {
				t.Fatalf("error without a place: %v (%T)", err, err)
			}
			if err != nil {
				break
			}
			digests = append(digests, res.Digest.String())
		}
		if len(digests) == 2 && digests[0] != digests[1] {
			t.Fatalf("built twice: %v", digests)
		}
		if after := names(); after != before {
			t.Fatalf("the context has changed: %q", after)
		}
	})
}

func BenchmarkCopy(b *testing.B) {
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf("d%d/e%d/f%d.py", i%10, i%100, i))
	}
	tree, _ := openTree(b, names...)
	opts := Options{Boxfile: mustParse(b, "FROM scratch\nCOPY . /app/\n"), Context: tree.root, TempDir: b.TempDir()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(b.Context(), opts); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIgnore(b *testing.B) {
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf("node_modules/p%d/f%d.js", i%100, i))
	}
	tree, dir := openTree(b, names...)
	writeFile(b, filepath.Join(dir, ".boxignore"), []byte("node_modules\n**/*.pyc\n!src/keep.pyc\n"))
	opts := Options{Boxfile: mustParse(b, "FROM scratch\nCOPY . /app/\n"), Context: tree.root, TempDir: b.TempDir()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(b.Context(), opts); err != nil {
			b.Fatal(err)
		}
	}
}
