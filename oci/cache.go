package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/lockfile"
	"boxer.dev/vfs"
)

// Cache keeps what steps of builds left, under keys that stand for all that it follows from. A record is a small file,
// cache/KEY; the layer that it tells of is a blob of the store, as in an image. Garbage collection spares what records name.
//
// Records are written without a flush to the disk, since one that is lost or damaged costs time only: it is not used.
type Cache struct {
	store    *Store
	imported map[string]importedRecord // of other caches, by key
}

// Cache returns the store's cache of builds.
func (s *Store) Cache() *Cache { return &Cache{store: s, imported: map[string]importedRecord{}} }

// CacheKey is a digest of what a record follows from.
type CacheKey [32]byte

func (k CacheKey) String() string { return hex.EncodeToString(k[:]) }

// CacheRecord is what a step left.
type CacheRecord struct {
	Key   string          `json:"key"`
	Text  string          `json:"text,omitempty"` // what was carried out, for people
	Layer *CachedLayer    `json:"layer,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"` // of the builder
	Made  time.Time       `json:"made"`

	Used time.Time `json:"-"` // last, to the hour
}

// CachedLayer is a layer of a record.
type CachedLayer struct {
	MediaType types.MediaType `json:"mediaType"`
	Digest    v1.Hash         `json:"digest"`
	Size      int64           `json:"size"`
	DiffID    v1.Hash         `json:"diffID"`
}

// maxRecord bounds a record's file: the largest that can come about has the text of a here-document in it.
const maxRecord = 4 << 20

func (s *Store) cacheDir() string { return filepath.Join(s.dir, "cache") }

func (c *Cache) file(key string) string { return filepath.Join(c.store.cacheDir(), key) }

// Get returns the record of a key, or nil. Of another cache's record the layer is fetched. ErrCorrupt says that there was one
// that cannot be used; it is gone.
func (c *Cache) Get(key CacheKey) (*CacheRecord, error) {
	record, err := c.read(key.String())
	if err == nil {
		return record, nil
	}
	if !notExist(err) {
		return nil, errors.Join(err, c.Forget(key))
	}
	other, ok := c.imported[key.String()]
	if !ok {
		return nil, nil
	}
	record = &CacheRecord{Text: other.record.Text, Data: other.record.Data}
	if err := c.Put(key, record, other.layer); err != nil {
		return nil, fmt.Errorf("fetching from the cache: %w", err)
	}
	return record, nil
}

// read reads a record and makes sure that its layer is there.
func (c *Cache) read(key string) (*CacheRecord, error) {
	record, err := c.parse(key)
	if err != nil {
		return nil, err
	}
	if record.Layer != nil {
		if err := c.check(record.Layer); err != nil {
			return nil, err
		}
	}
	if now := time.Now(); now.Sub(record.Used) > time.Hour {
		_ = os.Chtimes(c.file(key), now, now) // at worst it is removed too early
	}
	return record, nil
}

func (c *Cache) parse(key string) (*CacheRecord, error) {
	file, err := os.Open(c.file(key))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, sumSize+maxRecord))
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("{")) {
		return nil, fs.ErrNotExist // as boxer kept them before it summed them
	}
	record := &CacheRecord{Used: info.ModTime()}
	if data = unsummed(data); data == nil || json.Unmarshal(data, record) != nil || record.Key != key {
		return nil, fmt.Errorf("%w: record %.12s of the build cache", ErrCorrupt, key)
	}
	return record, nil
}

// A record is kept as a line with its SHA-256, in hexadecimal digits, and then JSON: a build goes by what it says, and by
// whether it says that there is a layer.
const sumSize = 2*sha256.Size + 1

func summed(data []byte) []byte { return fmt.Appendf(nil, "%x\n%s", sha256.Sum256(data), data) }

// unsummed gives what was summed; nil if the sum is another.
func unsummed(file []byte) []byte {
	if len(file) < sumSize || !bytes.Equal(summed(file[sumSize:]), file) {
		return nil
	}
	return file[sumSize:]
}

// check compares a layer's blob with the record. Its digest is not computed, as little as that of an image's: it was when the
// blob got its name, and is again when it is unpacked or sent.
func (c *Cache) check(layer *CachedLayer) error {
	name, err := c.store.blobPath(layer.Digest)
	if err != nil {
		return err
	}
	if _, err := blobName(layer.DiffID); err != nil {
		return err
	}
	info, err := os.Stat(name)
	if notExist(err) {
		return fmt.Errorf("%w: layer %s of the build cache is missing", ErrCorrupt, layer.Digest)
	}
	if err == nil && info.Size() != layer.Size {
		return fmt.Errorf("%w: layer %s of the build cache is damaged", ErrCorrupt, layer.Digest)
	}
	return err
}

// Put stores a record with its layer, nil if there is none.
func (c *Cache) Put(key CacheKey, record *CacheRecord, layer v1.Layer) error {
	using, err := lockfile.Shared(c.store.lockFile())
	if err != nil {
		return err
	}
	defer using.Close()
	record.Key, record.Made = key.String(), time.Now().UTC().Truncate(time.Second)
	record.Used, record.Layer = record.Made, nil
	if layer != nil {
		if record.Layer, err = c.putLayer(layer); err != nil {
			return err
		}
	}
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if len(data) >= maxRecord {
		return fmt.Errorf("record %.12s: %w", record.Key, ErrTooLarge)
	}
	return c.write(record.Key, summed(data))
}

func (c *Cache) putLayer(layer v1.Layer) (*CachedLayer, error) {
	var cached CachedLayer
	var err error
	if cached.DiffID, err = layer.DiffID(); err != nil {
		return nil, err
	}
	if cached.Digest, err = layer.Digest(); err != nil {
		return nil, err
	}
	if cached.Size, err = layer.Size(); err != nil {
		return nil, err
	}
	if cached.MediaType, err = layer.MediaType(); err != nil {
		return nil, err
	}
	return &cached, c.store.writeLayer(layer)
}

func (c *Cache) write(key string, data []byte) error {
	if err := os.MkdirAll(c.store.cacheDir(), 0o777); err != nil {
		return err
	}
	file, err := c.store.createTemp()
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return replace(file.Name(), c.file(key))
}

// Forget removes a record, if it is there.
func (c *Cache) Forget(key CacheKey) error { return removeIfThere(c.file(key.String())) }

// Discard removes a record whose layer could not be opened, and the layer too if it is damaged, so that it is made anew.
func (c *Cache) Discard(key CacheKey) error {
	record, err := c.parse(key.String())
	if err != nil {
		return c.Forget(key)
	}
	delete(c.imported, key.String())
	if record.Layer != nil {
		if err := c.discardLayer(record.Layer); err != nil {
			return err
		}
	}
	return c.Forget(key)
}

func (c *Cache) discardLayer(layer *CachedLayer) error {
	name, err := c.store.blobPath(layer.Digest)
	if err != nil {
		return err
	}
	blob, _, err := openBlob(c.store.layout, layer.Digest)
	if err != nil {
		return nil
	}
	defer blob.Close()
	if _, err := io.Copy(io.Discard, verify(blob, layer.Digest, layer.Size)); err != nil {
		return removeIfThere(name)
	}
	return nil
}

// Records returns all records, those used last first. Damaged ones are left out.
func (c *Cache) Records() ([]*CacheRecord, error) {
	entries, err := os.ReadDir(c.store.cacheDir())
	if notExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var records []*CacheRecord
	for _, entry := range entries {
		if record, err := c.parse(entry.Name()); err == nil {
			records = append(records, record)
		}
	}
	slices.SortStableFunc(records, func(a, b *CacheRecord) int { return b.Used.Compare(a.Used) })
	return records, nil
}

// Layer is the layer of a record that Get returned; nil if it has none.
func (c *Cache) Layer(record *CacheRecord) v1.Layer {
	if record.Layer == nil {
		return nil
	}
	return &cachedLayer{c.store, *record.Layer}
}

// Open opens a record's layer for use, unpacking it if need be.
func (c *Cache) Open(record *CacheRecord) (*vfs.Layer, error) {
	return c.store.openLayer(c.Layer(record), record.Layer.DiffID, newBudget(c.store.Limits))
}

// cachedLayer is a layer of the store that no image need have.
type cachedLayer struct {
	store *Store
	CachedLayer
}

func (l *cachedLayer) Digest() (v1.Hash, error)             { return l.CachedLayer.Digest, nil }
func (l *cachedLayer) DiffID() (v1.Hash, error)             { return l.CachedLayer.DiffID, nil }
func (l *cachedLayer) Size() (int64, error)                 { return l.CachedLayer.Size, nil }
func (l *cachedLayer) MediaType() (types.MediaType, error)  { return l.CachedLayer.MediaType, nil }
func (l *cachedLayer) Uncompressed() (io.ReadCloser, error) { return Uncompressed(l) }

func (l *cachedLayer) Compressed() (io.ReadCloser, error) {
	file, _, err := openBlob(l.store.layout, l.CachedLayer.Digest)
	if err != nil {
		return nil, fmt.Errorf("opening layer: %w", err)
	}
	return verify(file, l.CachedLayer.Digest, l.CachedLayer.Size), nil
}
