package oci

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"boxer.dev/internal/lockfile"
	"boxer.dev/vfs"
)

// Rootfs is an image opened for use.
type Rootfs struct {
	Digest v1.Hash
	Config *v1.ConfigFile
	Layers []*vfs.Layer // lowest first
}

// FS is a new tree over the image's layers.
func (r *Rootfs) FS() *vfs.FS { return vfs.New(r.Layers...) }

// Close lets go of the layers. Trees over them keep working, as vfs.Layer's Close says.
func (r *Rootfs) Close() error {
	var errs []error
	for _, layer := range r.Layers {
		if layer != nil {
			errs = append(errs, layer.Close())
		}
	}
	return errors.Join(errs...)
}

// Rootfs opens an image, which need not be in the store. Layers that have not been opened before are unpacked; their content
// must have the diff id that the image's config gives, and stay within Limits. Other processes that want the same layer wait.
func (s *Store) Rootfs(img v1.Image) (_ *Rootfs, err error) {
	r := &Rootfs{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening image: %w", errors.Join(err, r.Close()))
		}
	}()
	if r.Digest, err = img.Digest(); err != nil {
		return nil, err
	}
	if r.Config, err = img.ConfigFile(); err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	if len(layers) != len(r.Config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%w: %d layers and %d diff ids", ErrCorrupt, len(layers), len(r.Config.RootFS.DiffIDs))
	}
	if err := s.openLayers(r, layers); err != nil {
		return nil, err
	}
	return r, nil
}

func (s *Store) openLayers(r *Rootfs, layers []v1.Layer) error {
	r.Layers = make([]*vfs.Layer, len(layers))
	b := newBudget(s.Limits)
	var group errgroup.Group
	group.SetLimit(2) // a decompressor may need over 128 MiB
	for i, layer := range layers {
		diffID := r.Config.RootFS.DiffIDs[i]
		if _, err := blobName(diffID); err != nil {
			return errors.Join(err, group.Wait())
		}
		// Whatever is wrong with the file, unpacking replaces it.
		if opened, err := vfs.OpenLayer(s.layerPath(diffID)); err == nil {
			r.Layers[i] = opened
			continue
		}
		group.Go(func() (err error) {
			if r.Layers[i], err = s.firstOpen(layer, diffID, b); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (s *Store) layerPath(diffID v1.Hash) string { return filepath.Join(s.layerDir(), diffID.Hex) }

// openLayer opens a layer, unpacking it if need be.
func (s *Store) openLayer(layer v1.Layer, diffID v1.Hash, b *budget) (*vfs.Layer, error) {
	if opened, err := vfs.OpenLayer(s.layerPath(diffID)); err == nil {
		return opened, nil
	}
	return s.firstOpen(layer, diffID, b)
}

// firstOpen makes a layer's opened form, unless somebody else is just doing it.
func (s *Store) firstOpen(layer v1.Layer, diffID v1.Hash, b *budget) (*vfs.Layer, error) {
	using, err := lockfile.Shared(s.lockFile())
	if err != nil {
		return nil, err
	}
	defer using.Close()
	unpacking, err := lockfile.Exclusive(filepath.Join(s.tempDir(), diffID.Hex+".lock"))
	if err != nil {
		return nil, err
	}
	defer unpacking.Close()
	name := s.layerPath(diffID)
	if opened, err := vfs.OpenLayer(name); err == nil { // somebody else was first
		return opened, nil
	}
	if err := s.unpackLayer(layer, diffID, name, b); err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	return vfs.OpenLayer(name)
}

// unpackLayer writes a layer's opened form.
func (s *Store) unpackLayer(layer v1.Layer, diffID v1.Hash, name string, b *budget) error {
	temp := s.tempName()
	if err := s.unpackTo(temp, layer, diffID, b); err != nil {
		return err
	}
	file, err := os.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := publish(file, name); err != nil {
		return err
	}
	return syncDir(s.layerDir())
}

func (s *Store) unpackTo(temp string, layer v1.Layer, diffID v1.Hash, b *budget) error {
	writer, err := vfs.CreateLayer(temp)
	if err != nil {
		return err
	}
	if err := readLayer(layer, diffID, writer, b); err != nil {
		return errors.Join(err, writer.Abort(), removeIfThere(temp))
	}
	if err := writer.Close(); err != nil {
		return errors.Join(err, removeIfThere(temp))
	}
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); !notExist(err) {
		return err
	}
	return nil
}

// readLayer unpacks a layer's tar and checks it against its diff id.
func readLayer(layer v1.Layer, diffID v1.Hash, out layerSink, b *budget) error {
	if mediaType, err := layer.MediaType(); err != nil {
		return err
	} else if !mediaType.IsLayer() {
		return fmt.Errorf("%q is no layer", mediaType)
	}
	blob, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer blob.Close()
	plain, err := decompress(&compressedReader{blob, b})
	if err != nil {
		return fmt.Errorf("decompressing: %w", err)
	}
	defer plain.Close()
	hash := sha256.New()
	if err := unpack(io.TeeReader(&plainReader{plain, b}, hash), out, b); err != nil {
		return err
	}
	if got := sumOf(hash); got != diffID {
		return fmt.Errorf("%w: diff id is %s, not %s", ErrCorrupt, got, diffID)
	}
	return nil
}
