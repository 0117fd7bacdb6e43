// Package once gives the same answer to a request that is made again.
package once

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Answer is what is kept of a response.
type Answer struct {
	Status int
	Body   []byte
}

// ErrOther says that the name was used for another request.
var ErrOther = errors.New("the idempotency key was used with another request")

// Answers are those that have been given. The zero value keeps none; the fields must not be changed once it is used. It is safe
// for concurrent use.
type Answers struct {
	MaxBytes int64         // of the answers that are kept; the oldest are forgotten
	Age      time.Duration // at which an answer is forgotten; 0: none

	mutex   sync.Mutex
	entries map[string]*list.Element
	order   list.List // of *entry, the oldest first
	bytes   int64
}

type entry struct {
	name    string
	request [sha256.Size]byte
	done    chan struct{} // closed when there is an answer, or there will be none
	answer  *Answer       // nil: none
	since   time.Time
}

// overhead is about what an entry takes beside its answer and name, in bytes.
const overhead = 512

// Do gives the answer that the name was given before, or that of do, which it keeps if do says so. Requests of one name that come
// meanwhile wait, and make the answer themselves if there is none to keep. Another request than the name's is ErrOther.
func (a *Answers) Do(ctx context.Context, name string, request []byte, do func() (answer Answer, keep bool)) (_ Answer, again bool, err error) {
	digest := sha256.Sum256(request)
	for {
		e, mine := a.enter(name, digest)
		if e.request != digest {
			return Answer{}, false, ErrOther
		}
		if mine {
			return a.make(e, do), false, nil
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return Answer{}, false, context.Cause(ctx)
		}
		if e.answer != nil {
			return *e.answer, true, nil
		}
	}
}

// make makes the answer, and lets the others know however that ends.
func (a *Answers) make(e *entry, do func() (Answer, bool)) (answer Answer) {
	keep := false
	defer func() {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		if keep {
			e.answer = &answer
			a.bytes += e.size()
			a.trim()
		} else {
			a.remove(e)
		}
		close(e.done)
	}()
	answer, keep = do()
	return answer
}

func (e *entry) size() int64 { return int64(len(e.name)+len(e.answer.Body)) + overhead }

// enter finds the entry of a name, or makes it; then the answer is up to the caller.
func (a *Answers) enter(name string, digest [sha256.Size]byte) (_ *entry, mine bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.trim()
	if known := a.entries[name]; known != nil {
		return known.Value.(*entry), false
	}
	e := &entry{name: name, request: digest, done: make(chan struct{}), since: time.Now()}
	if a.entries == nil {
		a.entries = map[string]*list.Element{}
	}
	a.entries[name] = a.order.PushBack(e)
	return e, true
}

// trim forgets what is too old, and what there is no room for. The mutex is held.
func (a *Answers) trim() {
	for at := a.order.Front(); at != nil; {
		e, next := at.Value.(*entry), at.Next()
		old := a.Age > 0 && time.Since(e.since) > a.Age
		if !old && a.bytes <= a.MaxBytes {
			return
		}
		if e.answer != nil { // else it is being made
			a.bytes -= e.size()
			a.remove(e)
		}
		at = next
	}
}

// remove takes an entry out. The mutex is held.
func (a *Answers) remove(e *entry) {
	if at := a.entries[e.name]; at != nil && at.Value == e {
		a.order.Remove(at)
		delete(a.entries, e.name)
	}
}
