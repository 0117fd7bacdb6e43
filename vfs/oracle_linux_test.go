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
	"slices"
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

// subject runs operations: a tree or the machine.
type subject interface {
	run(o operation) string
	closeAll()
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

type treeSubject struct {
	f     *FS
	files [slots]*File
}

func (s *treeSubject) closeAll() {
	for i, f := range s.files {
		if f != nil {
			f.Close()
		}
		s.files[i] = nil
	}
}

func (s *treeSubject) run(o operation) string {
	if o.op <= opFstat {
		return s.runFile(o)
	}
	f, a, b := s.f, "/"+o.a, "/"+o.b
	root := f.Root()
	defer root.Close()
	switch o.op {
	case opTruncate:
		return result(f.Truncate(a, int64(o.off)), "")
	case opMkdir:
		return result(f.Mkdir(a, o.mode), "")
	case opUnlink:
		return result(root.UnlinkAt(a, 0), "")
	case opRmdir:
		return result(root.RmdirAt(a, 0), "")
	case opRename:
		return result(f.Rename(a, b), "")
	case opLink:
		return result(f.Link(a, b), "")
	case opSymlink:
		return result(f.Symlink(o.a, b), "")
	case opReadlink:
		target, err := f.Readlink(a)
		return result(err, "%q", target)
	case opStat:
		st, err := f.Stat(a)
		return describe(st, err)
	case opLstat:
		st, err := f.Lstat(a)
		return describe(st, err)
	case opChmod:
		return result(f.Chmod(a, o.mode), "")
	default:
		ents, err := f.ReadDir(a)
		var list []string
		for _, e := range ents {
			list = append(list, fmt.Sprint(e.Name(), e.Type()))
		}
		return result(err, "%v", list)
	}
}

// describe tells of a file what does not depend on the machine.
func describe(s Stat, err error) string {
	if s.IsDir() {
		s.Size = 0
	}
	return result(err, "%v links %d size %d", s.Mode, s.Nlink, s.Size)
}

func (s *treeSubject) runFile(o operation) string {
	if o.op == opOpen {
		if s.files[o.slot] != nil {
			s.files[o.slot].Close()
		}
		f, err := s.f.Open("/"+o.a, o.flag, o.mode)
		s.files[o.slot] = f
		return result(err, "")
	}
	f := s.files[o.slot]
	if f == nil {
		return "not open"
	}
	switch o.op {
	case opWrite:
		n, err := f.Write([]byte(o.contents))
		return result(err, "%d", n)
	case opRead:
		b := make([]byte, o.n)
		n, err := f.Read(b)
		return result(err, "%q", b[:n])
	case opPread:
		b := make([]byte, o.n)
		n, err := f.ReadAt(b, int64(o.off))
		return result(err, "%q", b[:n])
	case opPwrite:
		n, err := f.WriteAt([]byte(o.contents), int64(o.off))
		return result(err, "%d", n)
	case opSeek:
		if f.Type().IsDir() {
			return "directory" // offsets of directories are each system's own
		}
		pos, err := f.Seek(int64(o.off)-1000, o.n%3)
		return result(err, "%d", pos)
	case opFtruncate:
		return result(f.Truncate(int64(o.off)), "")
	case opClose:
		s.files[o.slot] = nil
		return result(f.Close(), "")
	default:
		st, err := f.Stat()
		return describe(st, err)
	}
}

type hostSubject struct {
	root string
	fds  [slots]int // one more than the descriptor, 0 if closed
}

func (s *hostSubject) closeAll() {
	for i, fd := range s.fds {
		if fd != 0 {
			unix.Close(fd - 1)
		}
		s.fds[i] = 0
	}
}

func (s *hostSubject) run(o operation) string {
	if o.op <= opFstat {
		return s.runFile(o)
	}
	a, b := s.root+"/"+o.a, s.root+"/"+o.b
	mode := uint32(o.mode.Perm())
	switch o.op {
	case opTruncate:
		return result(unix.Truncate(a, int64(o.off)), "")
	case opMkdir:
		return result(unix.Mkdir(a, mode), "")
	case opUnlink:
		return result(unix.Unlink(a), "")
	case opRmdir:
		return result(unix.Rmdir(a), "")
	case opRename:
		return result(unix.Rename(a, b), "")
	case opLink:
		return result(unix.Link(a, b), "")
	case opSymlink:
		return result(unix.Symlink(o.a, b), "")
	case opReadlink:
		buf := make([]byte, 4096)
		n, err := unix.Readlink(a, buf)
		return result(err, "%q", buf[:max(n, 0)])
	case opStat, opLstat:
		return s.stat(a, o.op == opLstat)
	case opChmod:
		return result(unix.Chmod(a, mode), "")
	default:
		fd, err := unix.Open(a, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return result(err, "")
		}
		f := os.NewFile(uintptr(fd), a)
		defer f.Close()
		ents, err := f.ReadDir(-1)
		slices.SortFunc(ents, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		var list []string
		for _, e := range ents {
			list = append(list, fmt.Sprint(e.Name(), e.Type()))
		}
		return result(err, "%v", list)
	}
}

func (s *hostSubject) stat(p string, nofollow bool) string {
	var st unix.Stat_t
	flags := 0
	if nofollow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	err := unix.Fstatat(unix.AT_FDCWD, p, &st, flags)
	return describeHost(&st, err)
}

func describeHost(st *unix.Stat_t, err error) string {
	if err != nil {
		return result(err, "")
	}
	mode := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	}
	return describe(Stat{Mode: mode, Nlink: uint32(st.Nlink), Size: st.Size}, nil)
}

func (s *hostSubject) runFile(o operation) string {
	if o.op == opOpen {
		if s.fds[o.slot] != 0 {
			unix.Close(s.fds[o.slot] - 1)
		}
		fd, err := unix.Open(s.root+"/"+o.a, hostFlags(o.flag), uint32(o.mode.Perm()))
		s.fds[o.slot] = fd + 1
		return result(err, "")
	}
	fd := s.fds[o.slot] - 1
	if fd < 0 {
		return "not open"
	}
	switch o.op {
	case opWrite:
		n, err := unix.Write(fd, []byte(o.contents))
		return result(err, "%d", n)
	case opRead:
		b := make([]byte, o.n)
		n, err := unix.Read(fd, b)
		return result(err, "%q", b[:max(n, 0)])
	case opPread:
		b := make([]byte, o.n)
		n, err := unix.Pread(fd, b, int64(o.off))
		return result(err, "%q", b[:max(n, 0)])
	case opPwrite:
		n, err := unix.Pwrite(fd, []byte(o.contents), int64(o.off))
		return result(err, "%d", n)
	case opSeek:
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return "directory"
		}
		pos, err := unix.Seek(fd, int64(o.off)-1000, o.n%3)
		return result(err, "%d", pos)
	case opFtruncate:
		return result(unix.Ftruncate(fd, int64(o.off)), "")
	case opClose:
		s.fds[o.slot] = 0
		return result(unix.Close(fd), "")
	default:
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		return describeHost(&st, err)
	}
}

func hostFlags(flag Flag) int {
	m := unix.O_CLOEXEC
	for ours, theirs := range map[Flag]int{
		O_WRONLY: unix.O_WRONLY, O_RDWR: unix.O_RDWR, O_APPEND: unix.O_APPEND, O_CREATE: unix.O_CREAT,
		O_EXCL: unix.O_EXCL, O_TRUNC: unix.O_TRUNC, O_DIRECTORY: unix.O_DIRECTORY, O_NOFOLLOW: unix.O_NOFOLLOW,
	} {
		if ours&accessMode != 0 && flag&accessMode == ours || ours&accessMode == 0 && flag&ours != 0 {
			m |= theirs
		}
	}
	return m
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

func FuzzTreeAgainstHost(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomProgram(seed, 30))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		compare(t, program[:min(len(program), 8*200)], &treeSubject{f: New()}, nil)
	})
}
