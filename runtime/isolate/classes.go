package isolate

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/capability"
)

// class is all workers that can stand in for each other.
type class struct {
	key     classKey
	spec    spec // what its next worker prepares itself for
	idle    []*worker
	lessons int            // how many kinds of runs have been added to spec.Prepare
	limits  runtime.Limits // of the box, which its workers hold, too
	gone    bool           // see Forget and trim
	users   int            // runs, and workers that are being started
	used    int            // when it was last asked for: the pool's serial number
}

// classKey is by which workers are told apart. brought is a digest of the programs that runs bring.
type classKey struct {
	image, tenant, mounts, brought string
	foreign                        bool
}

// class finds the workers that can run a command, for a user who is to leave them again, and gives what is left of the command for
// them: without the programs that it brings.
func (p *Pool) class(b Box, c *runtime.Cmd) (*class, *runtime.Cmd, error) {
	own := *c
	var programs []runtime.File
	programs, own.Files = broughtBy(c, b.Root.Config.Config)
	found, err := p.classOf(b, &own, programs)
	return found, &own, err
}

// hold counts a user of a class, which is to leave it. The mutex is held.
func (p *Pool) hold(c *class) *class {
	c.users++
	c.used = p.nextSerial()
	return c
}

// left takes a user away.
func (p *Pool) left(c *class) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if c.users--; c.users == 0 && c.gone {
		c.spec.brought.close()
	}
	p.trim()
}

func (p *Pool) classOf(b Box, c *runtime.Cmd, programs []runtime.File) (*class, error) {
	mounts, preopens, err := mountSpecs(c)
	if err != nil {
		return nil, err
	}
	key := classKey{image: b.Root.Digest.String(), tenant: b.Tenant, brought: digestOf(programs), foreign: b.Foreign}
	if len(mounts)+len(preopens) > 0 {
		text, err := json.Marshal([][]mountSpec{mounts, preopens})
		if err != nil {
			return nil, err
		}
		key.mounts = string(text)
	}
	if known := p.known(key); known != nil {
		return known, nil
	}
	made, err := p.newClass(b, key, mounts, preopens, programs)
	if err != nil {
		return nil, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if known, ok := p.classes[key]; ok { // somebody else was quicker
		made.spec.brought.close()
		return p.hold(known), nil
	}
	if p.classes == nil {
		p.classes = map[classKey]*class{}
	}
	p.classes[key] = made
	return p.hold(made), nil
}

func (p *Pool) known(key classKey) *class {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	known, ok := p.classes[key]
	if !ok {
		return nil
	}
	return p.hold(known)
}

func (p *Pool) newClass(b Box, key classKey, mounts, preopens []mountSpec, programs []runtime.File) (*class, error) {
	requests, err := capability.FromLabels(b.Root.Config.Config.Labels)
	if err != nil {
		return nil, err
	}
	made := &class{key: key, limits: requests.Limits, spec: spec{
		Config: b.Root.Config, Engine: engineSpec{p.CacheDir, 1}, Mounts: mounts, Preopens: preopens, DataLimit: uint64(max(p.Memory, 0)),
	}}
	for _, layer := range b.Root.Layers {
		file, err := filepath.Abs(layer.File())
		if err != nil {
			return nil, err
		}
		made.spec.Layers = append(made.spec.Layers, file)
	}
	made.spec.Foreign = b.Foreign
	if len(programs) > 0 {
		made.spec.Brought = true
		if made.spec.brought, err = layBrought(b.Root, programs); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// maxLearnt is how many kinds of runs a worker prepares itself for.
const maxLearnt = 32

// teach makes further workers of a class prepare themselves for runs like this one. Those that have not are replaced.
func (p *Pool) teach(c *class, ask *request) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	lessons := c.lessons
	if err := c.learn(ask); err != nil {
		return err
	}
	if c.lessons == lessons && !c.spec.Whole {
		c.spec.Whole = true
		c.lessons++
	}
	for _, w := range c.idle {
		p.end(w)
	}
	c.idle = nil
	return nil
}

// learn adds a kind of runs, unless it is known. The pool's mutex is held.
func (c *class) learn(ask *request) error {
	like, err := ask.kind().encode()
	if err != nil || slices.ContainsFunc(c.spec.Prepare, func(known []byte) bool { return bytes.Equal(known, like) }) {
		return err
	}
	if len(c.spec.Prepare) == maxLearnt {
		c.spec.Prepare = c.spec.Prepare[1:]
	}
	c.spec.Prepare = append(slices.Clip(c.spec.Prepare), like)
	c.lessons++
	return nil
}

// Forget ends the workers of a box that will not be run again. Those that run it now end with their runs.
func (p *Pool) Forget(root *oci.Rootfs) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for key, c := range p.classes {
		if key.image != root.Digest.String() {
			continue
		}
		p.drop(c)
	}
}

// drop ends the workers of a class that have nothing to do; the others end when they have. The mutex is held.
func (p *Pool) drop(c *class) {
	delete(p.classes, c.key)
	c.gone = true
	for _, w := range c.idle {
		p.leaveGone(w)
	}
	c.idle = nil
	if c.users == 0 {
		c.spec.brought.close()
	}
}

// What a pool remembers of classes that nobody uses.
const (
	maxClasses = 100
	maxBrought = 512 << 20 // bytes of programs that runs have brought
)

// trim forgets classes that nobody has used for the longest time, where there are too many. The mutex is held.
func (p *Pool) trim() {
	for {
		bytes := int64(0)
		var oldest *class
		for _, c := range p.classes {
			bytes += c.spec.brought.bytes()
			if c.users == 0 && (oldest == nil || c.used < oldest.used) {
				oldest = c
			}
		}
		if oldest == nil || len(p.classes) <= maxClasses && bytes <= maxBrought {
			return
		}
		p.drop(oldest)
	}
}

// leaveGone ends a worker of a box that is forgotten: its place is for whoever waits. The mutex is held.
func (p *Pool) leaveGone(w *worker) {
	w.discard()
	delete(p.open, w)
	if len(p.waiting) > 0 && !p.closed {
		p.next().turn <- nil
		return
	}
	p.living--
}
