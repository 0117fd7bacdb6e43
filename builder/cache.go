package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// The build cache. What an instruction does to a stage's files follows from
//
//   - the files so far: the diff ids of the layers beneath, and the commands that were run in between;
//   - the instruction with its variables replaced, and what of the configuration bears on it;
//   - what it reads: names, kinds, modes, owners and contents of files;
//   - what carries it out: Options.Identity.
//
// All that goes into a key; what is kept under it is the layer, or that there is none. The configuration is computed in every
// build. Since keys are made of contents and not of how they came about, an instruction that is carried out anew and leaves
// the same layer as before does not make later ones be carried out again.

// cacheFormat changes when keys or records get another meaning.
const cacheFormat = "1"

// stepRecord is what the cache keeps of a step besides its layer.
type stepRecord struct {
	Warnings []string  `json:"warnings,omitempty"`
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Contents string    `json:"contents,omitempty"` // of sources: see copying.contents
}

// cacheKey makes a key of what an outcome follows from. The outcome is bytes: how they are packed counts.
func (b *build) cacheKey(inputs seed) oci.CacheKey {
	return oci.CacheKey(inputs.with("cache", cacheFormat, b.opts.Identity, strconv.FormatInt(b.epoch.Unix(), 10), b.opts.Compression.String()))
}

// change carries out what an instruction does to the stage's files, unless the cache has the outcome. inputs stands for all
// that it follows from.
func (s *stage) change(ctx context.Context, inputs seed, createdBy string, carryOut func() (*madeLayer, error)) error {
	if s.build.opts.Cache == nil {
		layer, err := carryOut()
		if err != nil {
			return err
		}
		return s.add(layer, createdBy)
	}
	key := s.build.cacheKey(inputs)
	defer s.build.underWay.take(key)()
	layer, ok := s.recall(key)
	if ok {
		return s.add(layer, createdBy)
	}
	warned := len(s.node.warnings)
	s.unsure = false
	layer, err := carryOut()
	if err != nil {
		return err
	}
	if s.unsure {
		return s.add(layer, createdBy)
	}
	record := stepRecord{}
	for _, w := range s.node.warnings[warned:] {
		record.Warnings = append(record.Warnings, w.Text)
	}
	if s.step != nil {
		record.Snapshot = s.step.Snapshot
	}
	return s.add(s.keep(key, createdBy, record, layer), createdBy)
}

// recall looks a step up in the cache.
func (s *stage) recall(key oci.CacheKey) (*madeLayer, bool) {
	kept, about := s.lookUp(key)
	if kept == nil {
		return nil, false
	}
	if s.step != nil {
		s.step.Cached, s.step.Snapshot = true, about.Snapshot
	}
	for _, text := range about.Warnings {
		s.warn(text)
	}
	if kept.Layer == nil {
		return nil, true
	}
	return s.build.cachedLayer(key, kept), true
}

// lookUp returns a record of the cache, or nil. A cache that cannot be used is warned of, and costs time only.
func (s *stage) lookUp(key oci.CacheKey) (*oci.CacheRecord, *stepRecord) {
	if s.uncached() {
		return nil, nil
	}
	kept, err := s.build.opts.Cache.Get(key)
	about := &stepRecord{}
	if err == nil && kept != nil && len(kept.Data) > 0 {
		err = json.Unmarshal(kept.Data, about)
	}
	if err != nil {
		s.warn(fmt.Sprintf("%v: it is made anew", err))
		return nil, nil
	}
	if kept != nil {
		s.records = append(slices.Clip(s.records), kept)
		s.build.recorded(kept)
	}
	return kept, about
}

// keep stores what a step left, and returns the layer as it is stored: the build's own copy can go.
func (s *stage) keep(key oci.CacheKey, text string, about stepRecord, layer *madeLayer) *madeLayer {
	data, err := json.Marshal(about)
	record := &oci.CacheRecord{Text: text, Data: data}
	if err == nil {
		var packed v1.Layer
		if layer != nil {
			packed = layer.Layer
		}
		err = s.build.opts.Cache.Put(key, record, packed)
	}
	if err != nil {
		s.warn(fmt.Sprintf("not kept in the build cache: %v", err))
		return layer
	}
	s.records = append(slices.Clip(s.records), record)
	s.build.recorded(record)
	if layer == nil {
		return nil
	}
	return &madeLayer{Layer: s.build.opts.Cache.Layer(record), diffID: layer.diffID, open: layer.open}
}

// recorded notes that the build has made, or made use of, a record.
func (b *build) recorded(record *oci.CacheRecord) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.records = append(b.records, record)
}

// uncached is whether the stage is to be built without looking into the cache.
func (s *stage) uncached() bool {
	if s.build.opts.NoCache {
		return true
	}
	return slices.ContainsFunc(s.build.opts.NoCacheFilter, func(name string) bool {
		return strings.EqualFold(name, s.node.src.Name) || name == strconv.Itoa(s.node.index)
	})
}

// cachedLayer is a layer of the cache. It is opened when an instruction that is not in the cache looks at files.
func (b *build) cachedLayer(key oci.CacheKey, record *oci.CacheRecord) *madeLayer {
	open := sync.OnceValues(func() ([]*vfs.Layer, error) {
		opened, err := b.opts.Cache.Open(record)
		if err != nil {
			return nil, &staleError{key, err}
		}
		b.closeLater(opened.Close)
		return []*vfs.Layer{opened}, nil
	})
	return &madeLayer{Layer: b.opts.Cache.Layer(record), diffID: record.Layer.DiffID, open: open}
}

// staleError says that a layer of the cache turned out to be damaged after the build had relied on it.
type staleError struct {
	key oci.CacheKey
	err error
}

func (e *staleError) Error() string {
	return fmt.Sprintf("opening a layer of the build cache: %v", e.err)
}
func (e *staleError) Unwrap() error { return e.err }

// discardStale makes sure that a build which failed for the cache's sake does not fail for the same reason again.
func discardStale(opts Options, err error) bool {
	var stale *staleError
	if !errors.As(err, &stale) || opts.Cache.Discard(stale.key) != nil {
		return false
	}
	opts.Progress.Warn(Warning{Text: stale.Error() + ": the build begins again without it"})
	return true
}

// keyLocks let equal instructions of stages that are built at the same time be carried out once.
type keyLocks struct {
	lock sync.Mutex
	keys map[oci.CacheKey]*sync.Mutex
}

// take waits for a key and returns what gives it back.
func (l *keyLocks) take(key oci.CacheKey) (release func()) {
	l.lock.Lock()
	if l.keys == nil {
		l.keys = map[oci.CacheKey]*sync.Mutex{}
	}
	one, ok := l.keys[key]
	if !ok {
		one = &sync.Mutex{}
		l.keys[key] = one
	}
	l.lock.Unlock()
	one.Lock()
	return one.Unlock
}
