package vfs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The oracle: programs of file operations run both on a tree and on a directory
// of this machine, and every result must be the same, errors included.

// operation is one step of a program. What of it counts depends on op.
type operation struct {
	op       int
	a, b     string // paths, relative to the root
	slot     int    // of open files
	flag     Flag
	n, off   int
	mode     fs.FileMode
	contents string
}

const (
	opOpen = iota
	opWrite
	opRead
	opPread
	opPwrite
	opSeek
	opFtruncate
	opClose
	opFstat
	opTruncate
	opMkdir
	opUnlink
	opRmdir
	opRename
	opLink
	opSymlink
	opReadlink
	opStat
	opLstat
	opChmod
	opReadDir
)

var opNames = []string{
	"open", "write", "read", "pread", "pwrite", "seek", "ftruncate", "close", "fstat", "truncate", "mkdir",
	"unlink", "rmdir", "rename", "link", "symlink", "readlink", "stat", "lstat", "chmod", "readdir",
}

func (o operation) String() string {
	return fmt.Sprintf("%s %q %q slot %d flag %#x n %d off %d mode %o", opNames[o.op], o.a, o.b, o.slot, o.flag, o.n, o.off, o.mode)
}

const slots = 4

// weighted favours what makes something for the rest to meet.
var weighted = [32]int{
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
	opOpen, opOpen, opOpen, opMkdir, opMkdir, opMkdir, opRename, opSymlink, opLink, opWrite, opPwrite,
}

// decode makes an operation of eight bytes.
func decode(b []byte) operation {
	flags := []Flag{O_RDONLY, O_WRONLY, O_RDWR, O_RDWR}
	o := operation{
		op:   weighted[b[0]&31],
		a:    decodePath(b[1], b[2]),
		b:    decodePath(b[3], b[4]),
		slot: int(b[5]) % slots,
		flag: flags[b[6]&3],
		n:    int(b[7]),
		off:  int(binary.LittleEndian.Uint16(b[5:])),
		mode: 0o700 | fs.FileMode(b[7])&0o77,
	}
	for i, f := range []Flag{O_APPEND, O_CREATE, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW} {
		if b[6]>>(2+i)&1 != 0 {
			o.flag |= f
		}
	}
	if b[7]&7 == 7 {
		o.off *= 37 // across chunks
	}
	o.contents = strings.Repeat(string(rune('A'+b[7]%26)), o.n)
	return o
}

// decodePath makes a path of few names, so that programs meet themselves. It
// never leads above the root: there, the machine and a tree differ.
func decodePath(x, y byte) string {
	names := []string{"a", "b", "c", "d"}
	p := names[x&3]
	for range []int{0, 0, 1, 2}[x>>2&3] {
		switch y & 7 {
		case 4:
			p += "/."
		case 5:
			p += "/../" + names[x>>4&3]
		case 6:
			p += "//" + names[x>>4&3]
		default:
			p += "/" + names[y&3]
		}
		y >>= 2
	}
	if x>>6 == 3 {
		p += "/"
	}
	return p
}

func result(err error, format string, args ...any) string {
	if err == nil || err == io.EOF {
		return fmt.Sprintf(format, args...)
	}
	for {
		if e, ok := err.(syscall.Errno); ok {
			return unix.ErrnoName(e)
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err.Error()
		}
		err = u.Unwrap()
	}
}

// oracle returns an empty directory of this machine that counts the links of
// directories as POSIX file systems traditionally do.
func oracle(t testing.TB) *hostSubject {
	t.Helper()
	old := unix.Umask(0)
	t.Cleanup(func() { unix.Umask(old) })
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "probe"), 0o755))
	var st unix.Stat_t
	must(t, unix.Stat(dir, &st))
	must(t, os.Remove(filepath.Join(dir, "probe")))
	if st.Nlink != 3 {
		t.Fatalf("%s is on a file system that does not count the links of directories; set TMPDIR to one that does (ext4, xfs, tmpfs)", dir)
	}
	must(t, os.Chmod(dir, 0o755))
	return &hostSubject{root: dir}
}

// compare runs a program on a tree and on the machine. Between operations the
// tree is sometimes replaced by a fork, or by layers of what changed.
func compare(t testing.TB, program []byte, tree *treeSubject, next func(step int)) {
	t.Helper()
	host := oracle(t)
	defer host.closeAll()
	defer tree.closeAll()
	var log []string
	for step := 0; len(program) >= 8; step++ {
		o := decode(program)
		program = program[8:]
		want, got := host.run(o), tree.run(o)
		log = append(log, fmt.Sprintf("%v: %.80s", o, want))
		if got != want {
			t.Fatalf("step %d differs: %v\n got %.300s\nwant %.300s\n%s", step, o, got, want, strings.Join(log[max(0, len(log)-40):], "\n"))
		}
		if next != nil {
			if step%97 == 96 {
				host.closeAll()
			}
			next(step)
		}
	}
	if diff := cmp.Diff(hostTree(t, host.root), hostTreeOf(t, tree.f)); diff != "" {
		t.Fatalf("at the end (-host +tree)\n%s", diff)
	}
}

// hostTree describes a directory of this machine.
func hostTree(t testing.TB, root string) map[string]string {
	t.Helper()
	return describeTree(t, os.DirFS(root).(fs.ReadLinkFS), func(p string) uint64 {
		var st unix.Stat_t
		must(t, unix.Lstat(filepath.Join(root, p), &st))
		return st.Ino
	})
}

func hostTreeOf(t testing.TB, f *FS) map[string]string {
	t.Helper()
	return describeTree(t, f.IOFS().(fs.ReadLinkFS), func(p string) uint64 {
		s, err := f.Lstat("/" + p)
		must(t, err)
		return s.Ino
	})
}

func describeTree(t testing.TB, fsys fs.ReadLinkFS, ino func(p string) uint64) map[string]string {
	t.Helper()
	tree, groups := map[string]string{}, map[uint64]string{}
	must(t, fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := fsys.Lstat(p)
		if err != nil {
			return err
		}
		line := info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			b, err := fs.ReadFile(fsys, p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d bytes %x", len(b), sha256.Sum256(b))
		case fs.ModeSymlink:
			target, err := fsys.ReadLink(p)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		if !d.IsDir() {
			if groups[ino(p)] == "" {
				groups[ino(p)] = p
			}
			line += " with " + groups[ino(p)]
		}
		tree[p] = line
		return nil
	}))
	return tree
}

func randomProgram(seed uint64, ops int) []byte {
	rng := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, ops*8)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestTreeAgainstHost(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			compare(t, randomProgram(seed, 3000), &treeSubject{f: New()}, nil)
		})
	}
}

// TestForksAndLayersAgainstHost is TestTreeAgainstHost on trees that are forked
// and turned into layers on the way.
func TestForksAndLayersAgainstHost(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var layers []*Layer
			base := New()
			tree := &treeSubject{f: base.Fork()}
			var forks []*FS
			var dumps []map[string]string
			compare(t, randomProgram(100+seed, 3000), tree, func(step int) {
				if step%97 != 96 {
					return
				}
				tree.closeAll()
				if step%2 == 0 {
					forks = append(forks, tree.f)
					dumps = append(dumps, dump(t, tree.f))
					tree.f = tree.f.Fork()
					return
				}
				changes, err := Diff(base, tree.f)
				must(t, err)
				layers = append(layers, layerFrom(t, changes))
				base = New(layers...)
				tree.f = base.Fork()
			})
			for i, f := range forks {
				if diff := cmp.Diff(dumps[i], dump(t, f)); diff != "" {
					t.Errorf("fork %d changed (-then +now)\n%s", i, diff)
				}
			}
		})
	}
}

// TestHostDirAgainstHost runs programs through a mounted directory.
func TestHostDirAgainstHost(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Chmod(dir, 0o755))
			root, err := os.OpenRoot(dir)
			must(t, err)
			defer root.Close()
			f := New()
			must(t, f.Mount("/", HostDir(root, false), MountOptions{}))
			compare(t, randomProgram(200+seed, 1500), &treeSubject{f: f}, nil)
		})
	}
}

// TestSubtreeAgainstHost runs programs through a mounted directory of another tree.
func TestSubtreeAgainstHost(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			other := New()
			must(t, other.Mkdir("/mounted", 0o755))
			f := New()
			must(t, f.Mount("/", Subtree(other, "/mounted"), MountOptions{}))
			compare(t, randomProgram(300+seed, 3000), &treeSubject{f: f}, nil)
		})
	}
}

func FuzzTreeAgainstHost(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomProgram(seed, 30))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		compare(t, program[:min(len(program), 8*200)], &treeSubject{f: New()}, nil)
	})
}
