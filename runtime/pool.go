package runtime

import (
	"context"
	"sync"

	"boxer.dev/runtime/memory"
)

// pools keep instances that are as new, so that a run need not wait for one to be made. There is one pool for each image.
type pools struct {
	mutex sync.Mutex
	idle  map[memory.Digest][]*instance
	// resets are going on; no instance is put back once closed is set.
	resets sync.WaitGroup
	closed bool
}

// take gives an idle instance, or nil.
func (p *pools) take(image *memory.Image) *instance {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	idle := p.idle[image.Digest]
	if len(idle) == 0 {
		return nil
	}
	last := idle[len(idle)-1] // whose memory the processor may still have at hand
	p.idle[image.Digest] = idle[:len(idle)-1]
	return last
}

// put keeps an instance that is as new, unless there are max already.
func (p *pools) put(i *instance, max int) {
	p.mutex.Lock()
	keep := !p.closed && len(p.idle[i.image.Digest]) < max
	if keep {
		if p.idle == nil {
			p.idle = map[memory.Digest][]*instance{}
		}
		p.idle[i.image.Digest] = append(p.idle[i.image.Digest], i)
	}
	p.mutex.Unlock()
	if !keep {
		i.close()
	}
}

// begin counts a reset in the background, unless the pools are closed.
func (p *pools) begin() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.closed {
		p.resets.Add(1)
	}
	return !p.closed
}

// close waits for resets. Instances are the engine's to close.
func (p *pools) close() {
	p.mutex.Lock()
	p.closed = true
	p.idle = nil
	p.mutex.Unlock()
	p.resets.Wait()
}

// instance gives an instance that is as new.
func (p *program) instance(ctx context.Context, image *memory.Image) (*instance, error) {
	if image != nil {
		if i := p.pools.take(image); i != nil {
			return i, nil
		}
	}
	return p.instantiate(ctx, image)
}

// release lets go of an instance after a run that ended with err. With stats, whoever waits for them is told what the
// reset cost; otherwise nobody waits for it.
func (p *program) release(i *instance, err error, keep int, stats *Stats) {
	finish := func() {
		touched, resetting := i.reset(err)
		if stats != nil {
			stats.PagesTouched += touched
		}
		if resetting == nil && keep > 0 {
			p.pools.put(i, keep)
		} else {
			i.close()
		}
	}
	switch {
	case i.image == nil:
		if stats != nil {
			stats.PagesTouched += i.touched()
		}
		i.close()
	case stats != nil:
		watch := stopwatch()
		finish()
		stats.Reset += watch()
	case keep == 0:
		i.close()
	case p.pools.begin():
		go func() {
			defer p.pools.resets.Done()
			finish()
		}()
	default:
		i.close()
	}
}

// Settle waits until no reset is going on in the background: instances that can be used again are ready then. No run may be
// going on.
func (e *Engine) Settle() {
	e.mutex.Lock()
	var programs []*program
	for _, s := range e.programs {
		select {
		case <-s.ready:
			if s.program != nil {
				programs = append(programs, s.program)
			}
		default:
		}
	}
	e.mutex.Unlock()
	for _, p := range programs {
		p.pools.resets.Wait()
	}
}
