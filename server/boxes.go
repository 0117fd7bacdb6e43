package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// Opened is a box that is open for runs.
type Opened struct {
	Root *oci.Rootfs

	foreign bool // it came with a request
	load    sync.Mutex
	loaded  map[*runtime.Engine]*runtime.Box
	users   int // and one for each name that leads to it
}

// box is the box as an engine runs it.
func (o *Opened) box(e *runtime.Engine) (*runtime.Box, error) {
	o.load.Lock()
	defer o.load.Unlock()
	if b := o.loaded[e]; b != nil {
		return b, nil
	}
	b, err := e.Load(o.Root)
	if err != nil {
		return nil, err
	}
	if o.loaded == nil {
		o.loaded = map[*runtime.Engine]*runtime.Box{}
	}
	o.loaded[e] = b
	return b, nil
}

// boxes keeps boxes open under the names by which they were asked for.
type boxes struct {
	open func(context.Context, string) (*oci.Rootfs, error)

	mutex sync.Mutex
	names map[string]*resolved
	roots map[string]*Opened // by digest
}

// resolved is what a name meant when somebody looked.
type resolved struct {
	box *Opened
	at  time.Time
}

const (
	maxNames = 64          // that are kept; the rest are looked up each time
	fresh    = time.Second // after which a name is looked up again
)

// use gives a box until it is released.
func (b *boxes) use(ctx context.Context, name string) (_ *Opened, release func(), err error) {
	b.mutex.Lock()
	if known := b.names[name]; known != nil && time.Since(known.at) < fresh {
		defer b.mutex.Unlock()
		return b.hold(known.box)
	}
	b.mutex.Unlock()
	root, err := b.open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.hold(b.settle(name, root))
}

// hold counts a user. The mutex is held.
func (b *boxes) hold(o *Opened) (*Opened, func(), error) {
	o.users++
	return o, sync.OnceFunc(func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.drop(o)
	}), nil
}

// drop takes a user away, and closes a box that has none. The mutex is held.
func (b *boxes) drop(o *Opened) {
	if o.users--; o.users > 0 {
		return
	}
	delete(b.roots, o.Root.Digest.String())
	_ = o.Root.Close() // nothing is written to it
}

// settle notes what a name means. The mutex is held.
func (b *boxes) settle(name string, root *oci.Rootfs) *Opened {
	if b.names == nil {
		b.names, b.roots = map[string]*resolved{}, map[string]*Opened{}
	}
	digest := root.Digest.String()
	box := b.roots[digest]
	if box == nil {
		box = &Opened{Root: root}
		b.roots[digest] = box
	} else {
		defer root.Close()
	}
	box.users++ // before the name lets go of what may be the same
	if before := b.names[name]; before != nil {
		b.drop(before.box)
	} else if len(b.names) >= maxNames {
		b.forgetOldest()
	}
	b.names[name] = &resolved{box, time.Now()}
	return box
}

// forgetOldest makes room for a name. The mutex is held.
func (b *boxes) forgetOldest() {
	oldest := ""
	for name, r := range b.names {
		if oldest == "" || r.at.Before(b.names[oldest].at) {
			oldest = name
		}
	}
	box := b.names[oldest].box
	delete(b.names, oldest)
	b.drop(box)
}

// closeAll lets go of all boxes that nobody uses.
func (b *boxes) closeAll() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for name, r := range b.names {
		delete(b.names, name)
		b.drop(r.box)
	}
}

type boxList struct {
	Boxes []BoxInfo `json:"boxes"`
}

func (s *Server) getBoxes(w http.ResponseWriter, r *http.Request) error {
	list, err := s.options.Boxes.List(r.Context())
	if err != nil {
		return err
	}
	if list == nil {
		list = []BoxInfo{}
	}
	return s.writeJSON(w, http.StatusOK, boxList{list})
}

type pullRequest struct {
	Name string `json:"name"`
}

// postPull has a box fetched from its registry.
func (s *Server) postPull(w http.ResponseWriter, r *http.Request) error {
	var ask pullRequest
	body, err := s.readJSON(w, r, &ask, false)
	if err != nil {
		return err
	}
	o := s.options.Boxes
	switch {
	case ask.Name == "":
		return badRequest("the request has to name a box")
	case o.Pull == nil || o.MayPull == nil || !o.MayPull(ask.Name):
		return newProblem(http.StatusForbidden, "may_not_pull", "this server does not pull that: see boxer serve --allow-pull")
	}
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		done, err := s.begin(ctx, keyOf(r))
		if err != nil {
			return 0, nil, err
		}
		defer done()
		info, err := o.Pull(ctx, ask.Name)
		if err != nil {
			note(r, func(n *notes) { n.err = err })
			return 0, nil, newProblem(http.StatusBadGateway, "pull_failed", "the box could not be pulled; the server's log says why")
		}
		return http.StatusOK, info, nil
	})
}
