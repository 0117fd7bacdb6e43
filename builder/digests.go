package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// fileDigests remembers digests of the files in a directory of the host, from build to build: a file that has the inode, size
// and times that it had is not read again.
//
// Times alone do not tell that a file is as it was: one that is changed twice within a tick of the file system's clock has the
// same time after both. So a digest is remembered only if the file had been left alone for longer than a tick when it was
// read; else it is read again next time. (Git calls the problem racy: https://git-scm.com/docs/racy-git)
type fileDigests struct {
	name string // of the file that they are kept in; empty: nowhere
	now  func() time.Time

	lock  sync.Mutex
	known map[string]knownDigest
	seen  map[string]bool
	fresh bool // there are some that the file does not have
}

// knownDigest is the digest of a file that was what id says.
type knownDigest struct {
	id  fileID
	sum fileDigest
}

// fileID is what changes when a file does. The change time is the system's own: nobody can set it back.
type fileID struct {
	device, inode       uint64
	size, mtime, change int64 // bytes; nanoseconds since 1970
}

// known is whether the system tells all that is needed.
func (id fileID) known() bool { return id.inode != 0 }

// settled is whether a file that was read at a time had not been changed in the tick before. File systems that tell times in
// seconds are given more than the longest tick there is, the two seconds of FAT.
func (id fileID) settled(read time.Time) bool {
	last := max(id.mtime, id.change)
	tick := 100 * time.Millisecond
	if last%int64(time.Millisecond) == 0 {
		tick = 3 * time.Second
	}
	return read.UnixNano()-last > int64(tick)
}

const digestsMagic = "boxer file digests 1\n"

// openDigests reads what is remembered of a directory. What cannot be read is forgotten.
func openDigests(dir string, root *os.Root) *fileDigests {
	d := &fileDigests{now: time.Now, known: map[string]knownDigest{}, seen: map[string]bool{}}
	abs, err := filepath.Abs(root.Name())
	if dir == "" || err != nil {
		return d
	}
	d.name = filepath.Join(dir, fmt.Sprintf("%x.files", sha256.Sum256([]byte(abs))))
	if data, err := os.ReadFile(d.name); err == nil {
		d.parse(data)
	}
	return d
}

// parse reads the file: a magic, a digest of what follows, and for each file the length of its name, the name, id and digest.
func (d *fileDigests) parse(data []byte) {
	body, ok := bytes.CutPrefix(data, []byte(digestsMagic))
	if !ok || len(body) < sha256.Size || sha256.Sum256(body[sha256.Size:]) != [sha256.Size]byte(body[:sha256.Size]) {
		return
	}
	r := bytes.NewReader(body[sha256.Size:])
	for {
		var length uint32
		if binary.Read(r, binary.LittleEndian, &length) != nil || int64(length) > int64(r.Len()) {
			return
		}
		name := make([]byte, length)
		_, _ = io.ReadFull(r, name) // its length was compared
		var k knownDigest
		if !k.read(r) {
			return
		}
		d.known[string(name)] = k
	}
}

// numbers are the fields of an id in the order of the file.
func (id *fileID) numbers() []*int64 {
	return []*int64{&id.size, &id.mtime, &id.change}
}

func (k *knownDigest) read(r io.Reader) bool {
	var raw [5*8 + sha256.Size]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return false
	}
	k.id.device, k.id.inode = binary.LittleEndian.Uint64(raw[0:]), binary.LittleEndian.Uint64(raw[8:])
	for i, n := range k.id.numbers() {
		*n = int64(binary.LittleEndian.Uint64(raw[16+8*i:]))
	}
	copy(k.sum[:], raw[40:])
	return true
}

func (k *knownDigest) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, k.id.device)
	b = binary.LittleEndian.AppendUint64(b, k.id.inode)
	for _, n := range k.id.numbers() {
		b = binary.LittleEndian.AppendUint64(b, uint64(*n))
	}
	return append(b, k.sum[:]...)
}

// digest is that of a file of the directory, read only if need be.
func (d *fileDigests) digest(ctx context.Context, t *contextTree, name string, file sourceFile) (fileDigest, error) {
	d.lock.Lock()
	k, ok := d.known[name]
	d.seen[name] = true
	d.lock.Unlock()
	if ok && file.id.known() && k.id == file.id {
		return k.sum, nil
	}
	read := d.now()
	sum, err := digestFile(ctx, t, name)
	if err != nil || !file.id.known() || !file.id.settled(read) {
		return sum, err
	}
	if after, err := t.lstat(name); err == nil && after.id == file.id {
		d.lock.Lock()
		d.known[name], d.fresh = knownDigest{file.id, sum}, true
		d.lock.Unlock()
	}
	return sum, nil
}

// save keeps what is known for the next build. Files that this build did not come upon may be gone, or be those of another
// target: of them no more are kept than of the others.
func (d *fileDigests) save() error {
	if d.name == "" || !d.fresh {
		return nil
	}
	body := make([]byte, 0, 100*len(d.known))
	unseen := len(d.seen)
	for name, k := range d.known {
		if !d.seen[name] {
			if unseen--; unseen < 0 {
				continue
			}
		}
		body = append(binary.LittleEndian.AppendUint32(body, uint32(len(name))), name...)
		body = k.append(body)
	}
	sum := sha256.Sum256(body)
	if err := replaceFile(d.name, []byte(digestsMagic), sum[:], body); err != nil {
		return fmt.Errorf("remembering digests of files: %w", err)
	}
	return removeUnused(filepath.Dir(d.name), d.now().Add(-keepDigests))
}

// keepDigests is how long digests of a directory are kept that has not changed, or is gone.
const keepDigests = 60 * 24 * time.Hour

// removeUnused removes files that were written before a time.
func removeUnused(dir string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(filepath.Join(dir, entry.Name())) // somebody else may have been faster
		}
	}
	return nil
}

// replaceFile writes a file as a whole. It is not flushed: what a power failure leaves is recognised.
func replaceFile(name string, parts ...[]byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "*.tmp")
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := f.Write(part); err != nil {
			return errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	if err := f.Close(); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil && !errors.Is(err, fs.ErrPermission) { // Windows: somebody is reading it
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
