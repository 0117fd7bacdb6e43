package vfs

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

// DeviceSet is what the devices of a run are made of. The zero value works:
// input is empty, output is discarded, randomness is the host's.
type DeviceSet struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Random         io.Reader // of random and urandom; nil: crypto/rand
	Terminal       bool      // whether /dev/tty is there: Stdin and Stdout
}

// Devices returns the source of a directory, for /dev, that holds null, zero,
// full, random, urandom, stdin, stdout, stderr and tty.
func Devices(d DeviceSet) Source {
	if d.Random == nil {
		d.Random = rand.Reader
	}
	return &devices{set: d}
}

type devices struct{ set DeviceSet }

func (d *devices) attach(m *mountPoint) (external, fs.FileMode, error) {
	return &deviceDir{refuses{syscall.EROFS}, m, d.set}, fs.ModeDir, nil
}

type deviceKind int

const (
	devNull deviceKind = iota
	devZero
	devFull
	devRandom
	devURandom
	devStdin
	devStdout
	devStderr
	devTTY
)

// deviceKinds holds the name, the permissions and the number of each device,
// as Linux has them (Documentation/admin-guide/devices.txt).
var deviceKinds = []struct {
	name  string
	perm  fs.FileMode
	major uint64
	minor uint64
}{
	devNull:    {"null", 0o666, 1, 3},
	devZero:    {"zero", 0o666, 1, 5},
	devFull:    {"full", 0o666, 1, 7},
	devRandom:  {"random", 0o666, 1, 8},
	devURandom: {"urandom", 0o666, 1, 9},
	devStdin:   {"stdin", 0o600, 136, 0},
	devStdout:  {"stdout", 0o600, 136, 1},
	devStderr:  {"stderr", 0o600, 136, 2},
	devTTY:     {"tty", 0o666, 5, 0},
}

const deviceType = fs.ModeDevice | fs.ModeCharDevice

func (k deviceKind) ino() uint64 { return uint64(k) + 2 }

// stream reports whether the device is one of the run's streams.
func (k deviceKind) stream() bool { return k >= devStdin }

type deviceDir struct {
	refuses
	point *mountPoint
	set   DeviceSet
}

func (d *deviceDir) mount() *mountPoint   { return d.point }
func (d *deviceDir) above() (spot, error) { return d.point.fs.spotOf(d.point.up) }
func (d *deviceDir) stat() (Stat, error) {
	return statDevice(d.point, fs.ModeDir|0o755, rootIno, 0), nil
}

func (d *deviceDir) lookup(name string) (external, fs.FileMode, error) {
	for k := range deviceKinds {
		if deviceKinds[k].name == name {
			return &device{refuses{syscall.EPERM}, d, deviceKind(k)}, deviceType, nil
		}
	}
	return nil, 0, syscall.ENOENT
}

func (d *deviceDir) open(Flag) (handle, error) {
	var ents []DirEntry
	for k, kind := range deviceKinds {
		ents = append(ents, DirEntry{Name: kind.name, Ino: deviceKind(k).ino(), Type: deviceType})
	}
	slices.SortFunc(ents, func(a, b DirEntry) int { return int(a.Ino) - int(b.Ino) })
	return fixedDir{ext: d, entries: ents}, nil
}

func statDevice(p *mountPoint, mode fs.FileMode, ino, rdev uint64) Stat {
	t := p.made.time()
	s := Stat{Mode: mode, Ino: ino, Dev: p.dev, Nlink: 1, Atime: t, Mtime: t, Ctime: t, Rdev: rdev}
	if mode.IsDir() {
		s.Nlink = 2
	}
	return s
}

// device is one device, and its open file: it has no state of its own.
type device struct {
	refuses
	dir  *deviceDir
	kind deviceKind
}

func (d *device) mount() *mountPoint { return d.dir.point }
func (d *device) file() external     { return d }

func (d *device) stat() (Stat, error) {
	k := deviceKinds[d.kind]
	return statDevice(d.dir.point, deviceType|k.perm, d.kind.ino(), k.major<<8|k.minor), nil
}

func (d *device) open(flag Flag) (handle, error) {
	switch {
	case d.kind == devTTY && !d.dir.set.Terminal:
		return nil, syscall.ENXIO
	case d.kind == devStdin && flag.writable():
		return nil, syscall.EACCES
	case (d.kind == devStdout || d.kind == devStderr) && flag.readable():
		return nil, syscall.EACCES
	}
	return d, nil
}

func (d *device) read(p []byte) (int, error) {
	switch d.kind {
	case devZero, devFull:
		clear(p)
		return len(p), nil
	case devRandom, devURandom:
		n, err := io.ReadFull(d.dir.set.Random, p)
		return n, streamError(err)
	case devStdin, devTTY:
		if d.dir.set.Stdin == nil {
			return 0, nil
		}
		n, err := d.dir.set.Stdin.Read(p)
		return n, streamError(err)
	}
	return 0, nil
}

func (d *device) write(p []byte) (int, error) {
	var w io.Writer
	switch d.kind {
	case devFull:
		return 0, syscall.ENOSPC
	case devStdout, devTTY:
		w = d.dir.set.Stdout
	case devStderr:
		w = d.dir.set.Stderr
	}
	if w == nil {
		return len(p), nil
	}
	n, err := w.Write(p)
	return n, streamError(err)
}

// streamError drops the end of the input, which a read of nothing says, and
// keeps what the streams of the embedding program report.
func streamError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func (d *device) readAt(p []byte, _ int64) (int, error) {
	if d.kind.stream() {
		return 0, syscall.ESPIPE
	}
	return d.read(p)
}

func (d *device) writeAt(p []byte, _ int64) (int, error) {
	if d.kind.stream() {
		return 0, syscall.ESPIPE
	}
	return d.write(p)
}

func (d *device) seek(int64, int) (int64, error) {
	if d.kind.stream() {
		return 0, syscall.ESPIPE
	}
	return 0, nil
}

func (d *device) allocate(int64) error                 { return syscall.ENODEV }
func (d *device) setAppend(bool) error                 { return nil }
func (d *device) list() ([]DirEntry, error)            { return nil, syscall.ENOTDIR }
func (d *device) sync() error                          { return syscall.EINVAL }
func (d *device) close() error                         { return nil }
func (d *device) chmod(perm fs.FileMode) error         { return d.refuses.chmod(perm) }
func (d *device) chown(uid, gid int) error             { return d.refuses.chown(uid, gid) }
func (d *device) chtimes(atime, mtime time.Time) error { return d.refuses.chtimes(atime, mtime) }
