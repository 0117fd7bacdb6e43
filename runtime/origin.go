package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"
	"weak"

	"boxer.dev/internal/wasm"
	"boxer.dev/vfs"
)

// Computing the digest of a large program takes longer than starting it. Programs lie in layers, which do not change, so
// the digest is remembered: in memory by the place in the layer, and in the cache on disk by what tells that place in any
// process, the layer's diff id.

// source is a module and how it is told from others.
type source struct {
	name   string
	data   []byte
	mapped bool // data is a view of a layer, to be copied if it has to outlive the run
	digest digest
	form   form
	meters metering
}

// maxTableEntries bounds the tables of a program, which hold 8 bytes of the host's memory for each entry. CPython has some
// ten thousand.
const maxTableEntries = 1 << 20

// metered gives the module as it is compiled: checked, since the engine would allocate by the module's word and compile
// for as long as it takes, its tables bounded, and counting what it has to.
func (s source) metered() ([]byte, error) {
	m, err := wasm.Parse(s.data)
	if err == nil {
		err = m.CheckCode()
	}
	if err == nil {
		err = m.CheckEffort()
	}
	metered := s.data
	if err == nil {
		metered, err = m.BoundTables(maxTableEntries)
	}
	if err == nil {
		metered, err = s.meters.of(metered)
	}
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	if s.mapped && &metered[0] == &s.data[0] { // the bytes have to outlive the run
		metered = append([]byte(nil), metered...)
	}
	return metered, nil
}

// origin is a place in a layer. The pointer keeps nothing alive, and no later layer is equal to it.
type origin struct {
	layer        weak.Pointer[vfs.Layer]
	offset, size int64
}

// digests remembers what modules lie where.
type digests struct {
	mutex sync.Mutex
	known map[origin]digest
}

func (d *digests) get(at origin) (digest, bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	known, ok := d.known[at]
	return known, ok
}

func (d *digests) set(at origin, is digest) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.known == nil {
		d.known = map[origin]digest{}
	}
	d.known[at] = is
}

// layered makes the source of a module that lies in a layer. diffID is that of the layer, or "" if it is not known.
func (e *Engine) layered(name string, layer *vfs.Layer, offset int64, contents []byte, diffID string) source {
	s := source{name: name, data: contents, mapped: true}
	at := origin{weak.Make(layer), offset, int64(len(contents))}
	known, ok := e.digests.get(at)
	if !ok {
		known = e.recall(diffID, offset, contents)
		e.digests.set(at, known)
	}
	s.digest = known
	return s
}

// recall finds the digest on disk, or computes it and leaves it there.
func (e *Engine) recall(diffID string, offset int64, contents []byte) digest {
	codes := e.cache()
	if codes == nil || diffID == "" || e.sealed.Load() {
		return sha256.Sum256(contents)
	}
	// The head is there because offsets are those of the layer's opened form, which may change with boxer's version.
	place := sha256.New()
	place.Write([]byte(diffID))
	place.Write(binary.LittleEndian.AppendUint64(nil, uint64(offset)))
	place.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(contents))))
	place.Write(contents[:min(len(contents), wasm.HeadSize)])
	key := digest(place.Sum(nil))
	if known, err := codes.readDigest(key); err == nil {
		return known
	}
	is := digest(sha256.Sum256(contents))
	if err := codes.writeDigest(key, is); err != nil {
		e.warn(err)
	}
	return is
}

// readDigest reads what writeDigest wrote: a digest and its CRC-32C.
func (c *codeCache) readDigest(key digest) (d digest, err error) {
	data, err := os.ReadFile(c.path(key, ".digest"))
	if err != nil {
		return d, err
	}
	if len(data) != len(d)+4 || crc32.Checksum(data[:len(d)], castagnoli) != binary.LittleEndian.Uint32(data[len(d):]) {
		return d, errDamaged
	}
	return digest(data[:len(d)]), nil
}

func (c *codeCache) writeDigest(key, d digest) error {
	file, err := os.CreateTemp(c.dir, "*.tmp")
	if err != nil {
		return fmt.Errorf("writing to the cache: %w", err)
	}
	_, err = file.Write(binary.LittleEndian.AppendUint32(d[:len(d):len(d)], crc32.Checksum(d[:], castagnoli)))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.path(key, ".digest"))
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("writing to the cache: %w", err)
	}
	return nil
}
