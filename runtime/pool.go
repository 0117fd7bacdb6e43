package runtime

import (
	"context"
	"sync"

	"boxer.dev/runtime/memory"
)

// pools keep instances so that a run need not wait for one to be made. There is one pool for each image. A used instance
// is reset at once where that takes only a moment. Otherwise it waits in its pool until somebody does it: the cleaner in the
// background once clean ones run low, or the next run if there are none at all, which is still ten times as fast as making one.
type pools struct {
	mutex    sync.Mutex
	byImage  map[memory.Digest]*pool
	finished []*instance    // that are not used again, and have much memory to give back
	closer   bool           // is at work on them
	cleaning sync.WaitGroup // cleaners and closers at work
	closed   bool           // nothing is put back any more
}

const (
	muchMemory  = 32 << 20 // bytes: the system takes them back in a millisecond or more
	maxFinished = 4        // that wait; with more, runs would use more memory than they have
)

// finish closes an instance, later if that takes time. Who has waited for the end of a run does not wait for that, too.
func (p *pools) finish(i *instance, later bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed || bytesOf(i.module.Memory()) < muchMemory || len(p.finished) == maxFinished {
		i.close()
		return
	}
	p.finished = append(p.finished, i)
	if !later && !p.closer {
		p.closer = true
		p.cleaning.Go(p.closeFinished)
	}
}

// closeFinished closes what waits for it.
func (p *pools) closeFinished() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for i := pop(&p.finished); i != nil; i = pop(&p.finished) {
		p.mutex.Unlock()
		i.close()
		p.mutex.Lock()
	}
	p.closer = false
}

// pool holds instances of one image.
type pool struct {
	clean, used []*instance
	cleaner     bool // is at work
}

// of gives the pool of an image. The mutex is held.
func (p *pools) of(image *memory.Image) *pool {
	if p.byImage == nil {
		p.byImage = map[memory.Digest]*pool{}
	}
	found, ok := p.byImage[image.Digest]
	if !ok {
		found = &pool{}
		p.byImage[image.Digest] = found
	}
	return found
}

// take gives an instance that is as new, or nil.
func (p *pools) take(image *memory.Image) *instance {
	for {
		p.mutex.Lock()
		pool := p.of(image)
		i := pop(&pool.clean)
		ready := i != nil
		if !ready {
			i = pop(&pool.used)
		}
		p.mutex.Unlock()
		if i == nil || ready {
			return i
		}
		if _, err := i.reset(); err == nil {
			return i
		}
		i.close()
	}
}

// pop takes the last of some instances: its memory is what the processor has seen last.
func pop(from *[]*instance) *instance {
	last := len(*from) - 1
	if last < 0 {
		return nil
	}
	i := (*from)[last]
	(*from)[last] = nil
	*from = (*from)[:last]
	return i
}

// put keeps an instance, clean or used, unless the pool has as many as it may. When no more than half of them are clean, a
// cleaner goes to work: seldom, because waking it takes a moment of the run that does.
func (p *pools) put(i *instance, clean, later bool, keep int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pool := p.of(i.image)
	if p.closed || len(pool.clean)+len(pool.used) >= keep {
		i.close()
		return
	}
	if clean {
		pool.clean = append(pool.clean, i)
		return
	}
	pool.used = append(pool.used, i)
	if !later && !pool.cleaner && len(pool.clean) <= keep/2 {
		pool.cleaner = true
		p.cleaning.Add(1)
		go p.clean(pool)
	}
}

// clean resets instances until there are no used ones.
func (p *pools) clean(pool *pool) {
	defer p.cleaning.Done()
	for {
		p.mutex.Lock()
		i := pop(&pool.used)
		if i == nil {
			pool.cleaner = false
			p.mutex.Unlock()
			return
		}
		p.mutex.Unlock()
		if _, err := i.reset(); err != nil {
			i.close()
			continue
		}
		p.mutex.Lock()
		pool.clean = append(pool.clean, i)
		p.mutex.Unlock()
	}
}

// close waits for cleaners. Instances are the engine's to close.
func (p *pools) close() {
	p.mutex.Lock()
	p.closed = true
	p.mutex.Unlock()
	p.cleaning.Wait()
}

// instance gives an instance that is as new, its memory on an account.
func (p *program) instance(ctx context.Context, image *memory.Image, account *memory.Account) (*instance, error) {
	if image != nil {
		if i := p.pools.take(image); i != nil {
			if i.memory != nil && !i.memory.Charge(account, image.Size) {
				i.close()
				return nil, errMemory
			}
			return i, nil
		}
	}
	return p.instantiate(ctx, image, account)
}

// release lets go of an instance after a run. Whoever wants statistics waits for the reset, of which they tell.
func (p *program) release(i *instance, o Options, stats *Stats) {
	if i.memory != nil {
		i.memory.Settle()
	}
	if !i.reusable() || i.grown() {
		if stats != nil {
			stats.PagesTouched += i.touched()
		}
		p.pools.finish(i, o.CleanLater)
		return
	}
	if stats != nil {
		watch := stopwatch()
		touched, err := i.reset()
		stats.PagesTouched += touched
		stats.Reset += watch()
		if err != nil {
			i.close()
			return
		}
	}
	if o.Keep == 0 {
		i.close()
		return
	}
	p.pools.put(i, stats != nil || !o.CleanLater && i.resetKnown(), o.CleanLater, o.Keep)
}

// Clean makes used instances as new that the engine keeps.
func (e *Engine) Clean() {
	for _, p := range e.loaded() {
		p.pools.mutex.Lock()
		for _, pool := range p.pools.byImage {
			for i := pop(&pool.used); i != nil; i = pop(&pool.used) {
				if _, err := i.reset(); err != nil {
					i.close()
					continue
				}
				pool.clean = append(pool.clean, i)
			}
		}
		p.pools.mutex.Unlock()
		p.pools.closeFinished()
	}
}

// Settle waits until no instance is being reset in the background. No run may be going on.
func (e *Engine) Settle() {
	for _, p := range e.loaded() {
		p.pools.cleaning.Wait()
	}
}

// loaded gives all programs.
func (e *Engine) loaded() (programs []*program) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for _, s := range e.programs {
		select {
		case <-s.ready:
			if s.program != nil {
				programs = append(programs, s.program)
			}
		default:
		}
	}
	return programs
}
