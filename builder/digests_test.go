package builder

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// digestedDir is a directory whose files are digested by one process after the other.
type digestedDir struct {
	t           *testing.T
	dir, memory string
	root        *os.Root
}

func newDigestedDir(t *testing.T) *digestedDir {
	t.Helper()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skipf("nothing is remembered on %s: it tells no time of change", runtime.GOOS)
	}
	d := &digestedDir{t: t, dir: t.TempDir(), memory: t.TempDir()}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	d.root = root
	return d
}

// write makes a file that looks as if it had not been touched for long, as far as a program can make it look so.
func (d *digestedDir) write(name, text string) {
	d.t.Helper()
	writeFile(d.t, filepath.Join(d.dir, name), []byte(text))
	old := time.Unix(1_000_000_000, 1)
	if err := os.Chtimes(filepath.Join(d.dir, name), old, old); err != nil {
		d.t.Fatal(err)
	}
}

// digest digests a file as a new process would at a time, and tells whether it was remembered before.
func (d *digestedDir) digest(name string, settled bool) (sum fileDigest, remembered bool) {
	d.t.Helper()
	tree, err := openContext(d.root, DefaultEpoch)
	if err != nil {
		d.t.Fatal(err)
	}
	defer tree.dirs.close()
	tree.digests = openDigests(d.memory, d.root)
	file, err := tree.lstat(name)
	if err != nil {
		d.t.Fatal(err)
	}
	known, ok := tree.digests.known[name]
	tree.digests.now = func() time.Time { return time.Unix(0, file.id.change) }
	if settled {
		tree.digests.now = func() time.Time { return time.Unix(0, file.id.change).Add(time.Minute) }
	}
	if sum, err = tree.digest(d.t.Context(), name, file); err != nil {
		d.t.Fatal(err)
	}
	if err := tree.digests.save(); err != nil {
		d.t.Fatal(err)
	}
	return sum, ok && known.id == file.id
}

// want digests a file and wants what it holds.
func (d *digestedDir) want(name, text string, remembered bool) {
	d.t.Helper()
	sum, was := d.digest(name, true)
	if sum != sha256.Sum256([]byte(text)) {
		d.t.Errorf("%s does not have the digest of %q", name, text)
	}
	if was != remembered {
		d.t.Errorf("%s with %q: remembered %t", name, text, was)
	}
}

func TestDigestsAreRemembered(t *testing.T) {
	d := newDigestedDir(t)
	d.write("dir/a", "one")
	d.write("b", "two")
	d.want("dir/a", "one", false)
	d.want("b", "two", false)
	d.want("dir/a", "one", true)
	d.want("b", "two", true)
}

// Each way of changing a file that keeps its size and its time of modification.
func TestChangesAreNoticed(t *testing.T) {
	for name, change := range map[string]func(*digestedDir){
		"written in place": func(d *digestedDir) { d.write("a", "two") },
		"replaced": func(d *digestedDir) {
			d.write("b", "two")
			if err := os.Rename(filepath.Join(d.dir, "b"), filepath.Join(d.dir, "a")); err != nil {
				t.Fatal(err)
			}
		},
		"made anew": func(d *digestedDir) {
			if err := os.Remove(filepath.Join(d.dir, "a")); err != nil {
				t.Fatal(err)
			}
			d.write("a", "two")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDigestedDir(t)
			d.write("a", "one")
			d.want("a", "one", false)
			before := d.changeTime("a")
			for change(d); d.changeTime("a") == before; { // until the file system's clock has ticked
				change(d)
			}
			d.want("a", "two", false)
		})
	}
}

func (d *digestedDir) changeTime(name string) int64 {
	d.t.Helper()
	info, err := os.Lstat(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return identify(info).change
}

// A file that was read in the tick in which it was changed may be changed again without a trace: it is not remembered.
func TestRacilyReadFilesAreNotRemembered(t *testing.T) {
	d := newDigestedDir(t)
	d.write("a", "one")
	for range 2 {
		if sum, remembered := d.digest("a", false); remembered || sum != sha256.Sum256([]byte("one")) {
			t.Errorf("remembered %t, digest %x", remembered, sum)
		}
	}
	d.want("a", "one", false)
	d.want("a", "one", true)
}

func TestSettled(t *testing.T) {
	const second = int64(time.Second)
	for name, test := range map[string]struct {
		id   fileID
		read int64
		want bool
	}{
		"long ago":                  {fileID{mtime: 1*second + 1, change: 2*second + 1}, 100 * second, true},
		"now":                       {fileID{mtime: 1*second + 1, change: 100*second + 1}, 100*second + 2, false},
		"a tick ago":                {fileID{change: 100*second + 1}, 100*second + int64(10*time.Millisecond), false},
		"half a second ago":         {fileID{change: 100*second + 1}, 100*second + second/2, true},
		"the same in whole seconds": {fileID{change: 100 * second}, 100*second + second/2, false},
		"after FAT's two seconds":   {fileID{change: 100 * second}, 104 * second, true},
		"in the future":             {fileID{mtime: 200*second + 1}, 100 * second, false},
	} {
		if got := test.id.settled(time.Unix(0, test.read)); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Whatever lies where digests are kept, they are right.
func TestDamagedDigests(t *testing.T) {
	d := newDigestedDir(t)
	d.write("a", "one")
	d.want("a", "one", false)
	files, err := filepath.Glob(filepath.Join(d.memory, "*.files"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 1
		var digests fileDigests
		digests.known = map[string]knownDigest{}
		if digests.parse(damaged); len(digests.known) > 0 {
			t.Fatalf("a file with byte %d flipped is believed", i)
		}
		if digests.parse(whole[:i]); len(digests.known) > 0 {
			t.Fatalf("a file cut to %d bytes is believed", i)
		}
	}
	if err := os.WriteFile(files[0], whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	d.want("a", "one", false)
	d.want("a", "one", true)
}

// Files that are gone do not stay for ever.
func TestDigestsOfGoneFilesAreForgotten(t *testing.T) {
	d := newDigestedDir(t)
	digests := openDigests(d.memory, d.root)
	for _, name := range []string{"a", "b", "c", "d"} {
		digests.known[name] = knownDigest{id: fileID{inode: 1}}
	}
	digests.seen["a"], digests.fresh = true, true
	if err := digests.save(); err != nil {
		t.Fatal(err)
	}
	if kept := openDigests(d.memory, d.root).known; len(kept) != 2 || kept["a"].id.inode != 1 {
		t.Errorf("kept %v", kept)
	}
}

// Directories that are not built any more do not leave their digests for ever.
func TestUnusedDigestsAreRemoved(t *testing.T) {
	d := newDigestedDir(t)
	old, recent := filepath.Join(d.memory, "old.files"), filepath.Join(d.memory, "recent.files")
	for name, age := range map[string]time.Duration{old: keepDigests + 24*time.Hour, recent: 24 * time.Hour} {
		writeFile(t, name, nil)
		at := time.Now().Add(-age)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	d.write("a", "one")
	d.want("a", "one", false)
	if _, err := os.Stat(old); err == nil {
		t.Error("the old file is there")
	}
	if _, err := os.Stat(recent); err != nil {
		t.Error(err)
	}
	d.want("a", "one", true)
}

func FuzzDigests(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 'a'})
	f.Add(append([]byte{1, 0, 0, 0, 'a'}, make([]byte, 72)...))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		d := fileDigests{known: map[string]knownDigest{}}
		d.parse(append(append([]byte(digestsMagic), sum[:]...), body...))
		if n := len(d.known); n*(4+72) > len(body) {
			t.Errorf("%d digests in %d bytes", n, len(body))
		}
	})
}
