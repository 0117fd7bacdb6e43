package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"boxer.dev/runtime/memory"
	"boxer.dev/vfs"
)

// Memory images lie in layers, as the files /.boxer/MODULE.image that no tree shows, MODULE being the digest of the module
// whose memory it is. The topmost layer that has one decides; a whiteout means none.

// ImageName is the name, below /.boxer of a layer, of a memory image of the module.
func ImageName(module memory.Digest) string { return module.String() + imageSuffix }

const imageSuffix = ".image"

// images are the memory images of a box. They are opened when a program is first run.
type images struct {
	mutex sync.Mutex
	known map[imageKey]*boxImage
}

// imageKey asks for the topmost image of a module in so many layers.
type imageKey struct {
	module digest
	layers int
}

// boxImage is an image of a box.
type boxImage struct {
	*memory.Image
	at     int                 // of its layer: the number of layers below
	layers map[*vfs.Layer]bool // those that it speaks of: its own and the ones below
}

// image gives the topmost memory image of a module that the box has in its lowest layers and that speaks of the box's tree;
// nil if there is none. Of images that cannot be used the engine warns.
func (b *Box) image(module digest, layers int) *boxImage {
	b.images.mutex.Lock()
	defer b.images.mutex.Unlock()
	key := imageKey{module, layers}
	if known, ok := b.images.known[key]; ok {
		return known
	}
	found := b.findImage(module, b.tree.Layers()[:layers])
	if b.images.known == nil {
		b.images.known = map[imageKey]*boxImage{}
	}
	b.images.known[key] = found
	return found
}

// Captured gives the names by which programs were called of which the box has memory images: those of the topmost layer
// first.
func (b *Box) Captured() (programs []string, err error) {
	decided := map[string]bool{}
	for _, layer := range slices.Backward(b.tree.Layers()) {
		var names []string
		err := layer.ReservedNames(func(name string, whiteout bool) {
			if strings.HasSuffix(name, imageSuffix) && !decided[name] && !whiteout {
				names = append(names, name)
			}
			decided[name] = true
		})
		if err != nil {
			return nil, err
		}
		slices.Sort(names)
		for _, name := range names {
			stored, err := layer.ReservedFile(name)
			if err != nil {
				return nil, err
			}
			image, err := memory.Parse(stored)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", name, err)
			}
			programs = append(programs, image.Program)
		}
	}
	return programs, nil
}

func (b *Box) findImage(module digest, layers []*vfs.Layer) *boxImage {
	for {
		at, stored, err := topImage(layers, memory.Digest(module))
		if err != nil {
			b.engine.warn(fmt.Errorf("looking for a memory image: %w", err))
		}
		if err != nil || stored == nil {
			return nil
		}
		top := at == len(layers)-1 && len(layers) == b.layers
		found, err := b.engine.openImage(layers[:at], memory.Digest(module), stored)
		if err != nil {
			b.engine.warn(fmt.Errorf("starting without the memory image: %w", err))
		} else if i := newBoxImage(found, layers[:at+1]); top && b.pristine || i.speaksOf(b.tree) {
			return i
		}
		layers = layers[:at]
	}
}

func newBoxImage(found *memory.Image, layers []*vfs.Layer) *boxImage {
	i := &boxImage{Image: found, at: len(layers) - 1, layers: map[*vfs.Layer]bool{}}
	for _, layer := range layers {
		i.layers[layer] = true
	}
	return i
}

// topImage finds the topmost image of a module in a stack of layers; stored is nil if there is none.
func topImage(layers []*vfs.Layer, module memory.Digest) (at int, stored []byte, err error) {
	name := ImageName(module)
	for at := len(layers) - 1; at >= 0; at-- {
		stored, err := layers[at].ReservedFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return at, stored, err
	}
	return -1, nil, nil
}

// openImage opens a stored image whose parents lie in layers.
func (e *Engine) openImage(layers []*vfs.Layer, module memory.Digest, stored []byte) (*memory.Image, error) {
	d, err := memory.DigestOf(stored)
	if err != nil {
		return nil, err
	}
	e.imageMutex.Lock()
	defer e.imageMutex.Unlock()
	return e.openDigest(layers, module, stored, d)
}

func (e *Engine) openDigest(layers []*vfs.Layer, module memory.Digest, stored []byte, d memory.Digest) (i *memory.Image, err error) {
	i, ok := e.images[d]
	if !ok {
		if e.sealed.Load() || e.alone.Load() {
			return nil, errSealed
		}
		cache := memory.Cache{Dir: e.options.CacheDir}
		if i, err = cache.Lookup(d); err != nil {
			i, err = e.layOut(cache, layers, stored)
		}
		if err != nil {
			return nil, err
		}
		e.images[d] = i
	}
	if i.Module != module {
		return nil, fmt.Errorf("%w: of module %s", memory.ErrForeign, i.Module)
	}
	return i, nil
}

// layOut opens an image for the first time on this machine.
func (e *Engine) layOut(cache memory.Cache, layers []*vfs.Layer, stored []byte) (*memory.Image, error) {
	s, err := memory.Parse(stored)
	if err != nil {
		return nil, err
	}
	var parent *memory.Image
	for wanted := s.Parent; wanted != nil && parent == nil; {
		at, below, err := topImage(layers, s.Module)
		if err != nil {
			return nil, err
		}
		if below == nil {
			return nil, fmt.Errorf("%w: it differs from an image that is not there", memory.ErrForeign)
		}
		d, err := memory.DigestOf(below)
		if err != nil {
			return nil, err
		}
		layers = layers[:at]
		if d == *wanted {
			if parent, err = e.openDigest(layers, s.Module, below, d); err != nil {
				return nil, err
			}
		}
	}
	return cache.Open(s, parent)
}

// speaksOf reports whether what was read when the image was captured is still so in a tree.
func (i *boxImage) speaksOf(tree *vfs.FS) bool {
	for _, name := range i.Files {
		if !i.holds(tree, name) {
			return false
		}
	}
	for _, name := range i.Absent {
		if _, err := tree.Stat(name); err == nil {
			return false
		}
	}
	return true
}

// holds reports whether a file's contents are those that a layer of the image's gives it.
func (i *boxImage) holds(tree *vfs.FS, name string) bool {
	file, err := tree.Open(name, vfs.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	layer, _, _, ok := file.InLayer()
	return ok && i.layers[layer]
}

// imageFor gives the image to start a run of the module with, or nil. Where files were replaced since the topmost image was
// taken, that is one further down, which knows nothing of them.
func (s *sandbox) imageFor(module digest) *boxImage {
	if s.cmd.Fresh || len(s.preopens) > 0 {
		return nil
	}
	i := s.box.image(module, s.box.layers)
	if s.cmd.FS == nil && len(s.cmd.Mounts) == 0 {
		return i
	}
	for i != nil && !i.speaksOf(s.tree) {
		i = s.box.image(module, i.at)
	}
	return i
}
