package oci

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/lockfile"
	"boxer.dev/vfs"
)

// ExamineOptions say how closely Examine looks.
type ExamineOptions struct {
	// Deep reads every byte and compares digests; otherwise sizes have to do. Opened layers are made once more, and compared.
	Deep bool
	// Known are images outside of the store whose layers may have been opened in it.
	Known []v1.Image
	// Repair removes what is damaged, so that pulling, building or loading the image again replaces it. It waits for nobody: the
	// error is ErrBusy while another process writes to the store.
	Repair bool
}

// Examination is what Examine found.
type Examination struct {
	Images, Blobs, Layers int   // with at least one name or entry; that images have; opened forms
	Bytes                 int64 // of these blobs and opened forms
	Compared              int   // opened forms that Deep found to be what their layers give; of others there is no layer, or it is damaged
	Damages               []Damage
	Unfinished            int   // downloads that broke off
	UnfinishedBytes       int64 // of them
}

// Damage is a part of the store that is not as it should be.
type Damage struct {
	Image string // its name or digest, familiar; empty for opened layers, which are made anew when they are needed
	Err   error
	// Origin is a repository that has what is missing, "" if none is known.
	Origin string
	// Repaired is whether what was wrong has been removed.
	Repaired bool
}

// Examine looks whether every image of the store has its manifest, its configuration and all layers, and whether layers that
// were opened still can be. What images do not need is not looked at. The error is about what cannot be looked at.
func (s *Store) Examine(o ExamineOptions) (*Examination, error) {
	lock := lockfile.Shared
	if o.Repair {
		lock = lockfile.TryExclusive
	}
	held, err := lock(s.lockFile())
	if errors.Is(err, lockfile.ErrLocked) {
		return nil, ErrBusy
	}
	if err != nil {
		return nil, err
	}
	defer held.Close()
	_, index, err := readIndex(s.layout)
	if err != nil {
		return nil, fmt.Errorf("examining image store: %w", err)
	}
	e := &examiner{store: s, options: o, seen: map[v1.Hash]bool{}, layers: map[v1.Hash]v1.Layer{}, found: &Examination{}}
	for _, img := range o.Known {
		e.known(img)
	}
	for _, m := range index.Manifests {
		if !e.seen[m.Digest] {
			e.image(m)
		}
	}
	if err := e.openedLayers(); err != nil {
		return nil, err
	}
	return e.found, e.unfinished()
}

type examiner struct {
	store   *Store
	options ExamineOptions
	seen    map[v1.Hash]bool
	layers  map[v1.Hash]v1.Layer // by diff id
	found   *Examination
}

func (e *examiner) image(m v1.Descriptor) {
	e.found.Images++
	damaged := func(blob v1.Hash, err error) {
		damage := Damage{Image: cmp.Or(Familiar(nameOf(m)), m.Digest.String()), Err: err}
		if origins := e.store.Origins(blob); len(origins) > 0 {
			damage.Origin = origins[0]
		}
		if name, nameErr := e.store.blobPath(blob); nameErr == nil && e.options.Repair {
			damage.Repaired = removeIfThere(name) == nil
		}
		e.found.Damages = append(e.found.Damages, damage)
	}
	e.seen[m.Digest] = true
	img, err := resolve(e.store.layout, m, 0)
	if err != nil {
		damaged(m.Digest, err)
		return
	}
	e.count(int64(len(img.raw)))
	if config, err := img.config(); err != nil {
		damaged(img.manifest.Config.Digest, err)
	} else {
		e.count(int64(len(config.raw)))
		e.known(img)
	}
	for n, d := range img.manifest.Layers {
		if e.seen[d.Digest] {
			continue
		}
		e.seen[d.Digest] = true
		if err := e.blob(&storedLayer{img, n}); err != nil {
			damaged(d.Digest, fmt.Errorf("layer %d: %w", n, err))
		}
	}
	e.referrers(img.digest, cmp.Or(Familiar(nameOf(m)), m.Digest.String()))
}

// referrers looks at the artifacts about an image. Repairing forgets those that are damaged.
func (e *examiner) referrers(subject v1.Hash, image string) {
	list, err := e.store.Referrers(subject)
	if err != nil {
		damage := Damage{Image: image, Err: err}
		if name, err := e.store.referrerFile(subject); err == nil && e.options.Repair {
			damage.Repaired = removeIfThere(name) == nil
		}
		e.found.Damages = append(e.found.Damages, damage)
		return
	}
	for _, d := range list {
		if e.seen[d.Digest] {
			continue
		}
		e.seen[d.Digest] = true
		if err := e.artifact(d); err != nil {
			damage := Damage{Image: image, Err: fmt.Errorf("what is attached to it, of type %q: %w", d.ArtifactType, err)}
			damage.Repaired = e.options.Repair && e.store.Detach(subject, d.Digest) == nil
			e.found.Damages = append(e.found.Damages, damage)
			continue
		}
		e.referrers(d.Digest, image)
	}
}

func (e *examiner) artifact(d v1.Descriptor) error {
	a, err := e.store.Artifact(d.Digest)
	if err != nil {
		return err
	}
	e.count(int64(len(a.raw)))
	for _, blob := range a.Blobs() {
		file, size, err := openBlob(e.store.layout, blob.Digest)
		if err != nil {
			return err
		}
		content := verify(file, blob.Digest, blob.Size)
		if !e.seen[blob.Digest] {
			e.count(size)
		}
		e.seen[blob.Digest] = true
		if size != blob.Size {
			err = fmt.Errorf("%w: blob %s has %d bytes of %d", ErrCorrupt, blob.Digest, size, blob.Size)
		} else if e.options.Deep {
			_, err = io.Copy(io.Discard, content)
		}
		if err := errors.Join(err, content.Close()); err != nil {
			return err
		}
	}
	return nil
}

// known notes an image's layers by their diff ids.
func (e *examiner) known(img v1.Image) {
	config, err := img.ConfigFile()
	if err != nil {
		return
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != len(config.RootFS.DiffIDs) {
		return
	}
	for i, diffID := range config.RootFS.DiffIDs {
		e.layers[diffID] = layers[i]
	}
}

func (e *examiner) count(bytes int64) {
	e.found.Blobs++
	e.found.Bytes += bytes
}

// blob looks at a layer's blob.
func (e *examiner) blob(layer *storedLayer) error {
	d := layer.descriptor()
	file, size, err := openBlob(layer.image.layout, d.Digest)
	if err != nil {
		return err
	}
	content := verify(file, d.Digest, d.Size)
	defer content.Close()
	e.count(size)
	if size != d.Size {
		return fmt.Errorf("%w: blob %s has %d bytes of %d", ErrCorrupt, d.Digest, size, d.Size)
	}
	if e.options.Deep {
		_, err = io.Copy(io.Discard, content)
	}
	return err
}

// openedLayers looks at the opened forms. They are derived, so that damage to them is no loss.
func (e *examiner) openedLayers() error {
	entries, err := os.ReadDir(e.store.layerDir())
	if err != nil {
		return fmt.Errorf("examining image store: %w", err)
	}
	for _, entry := range entries {
		name := filepath.Join(e.store.layerDir(), entry.Name())
		e.found.Layers++
		if info, err := entry.Info(); err == nil {
			e.found.Bytes += info.Size()
		}
		opened, err := vfs.OpenLayer(name)
		if err == nil {
			err = opened.Close()
		}
		if err == nil && e.options.Deep {
			err = e.compare(name, v1.Hash{Algorithm: "sha256", Hex: entry.Name()})
		}
		if err != nil {
			damage := Damage{Err: fmt.Errorf("opened layer: %w", err)}
			damage.Repaired = e.options.Repair && removeIfThere(name) == nil
			e.found.Damages = append(e.found.Damages, damage)
		}
	}
	return nil
}

// compare makes the opened form of a layer once more. What is wrong with the layer itself is told of its image.
func (e *examiner) compare(name string, diffID v1.Hash) error {
	layer, ok := e.layers[diffID]
	if !ok {
		return nil
	}
	temp := e.store.tempName()
	if err := e.store.unpackTo(temp, layer, diffID, newBudget(e.store.Limits)); err != nil {
		var local *fs.PathError
		if errors.As(err, &local) && !errors.Is(err, fs.ErrNotExist) {
			return err // a full disk, or one that may not be written to
		}
		return nil
	}
	same, err := sameFiles(temp, name)
	err = errors.Join(err, removeIfThere(temp))
	if err == nil && !same {
		err = fmt.Errorf("%w: %s is not what its layer gives", ErrCorrupt, diffID)
	}
	if err == nil {
		e.found.Compared++
	}
	return err
}

func sameFiles(a, b string) (bool, error) {
	var sums [2][sha256.Size]byte
	for i, name := range []string{a, b} {
		file, err := os.Open(name)
		if err != nil {
			return false, err
		}
		hash := sha256.New()
		_, err = io.Copy(hash, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return false, err
		}
		hash.Sum(sums[i][:0])
	}
	return sums[0] == sums[1], nil
}

func (e *examiner) unfinished() error {
	entries, err := os.ReadDir(e.store.tempDir())
	if err != nil {
		return fmt.Errorf("examining image store: %w", err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && filepath.Ext(entry.Name()) == partialSuffix && info.Mode().Type() == fs.FileMode(0) {
			e.found.Unfinished++
			e.found.UnfinishedBytes += info.Size()
		}
	}
	return nil
}
