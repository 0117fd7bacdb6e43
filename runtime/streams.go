package runtime

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"boxer.dev/runtime/wasi"
)

// output is what a run writes to its two streams together.
type output struct {
	written atomic.Int64
	limit   int64  // 0: none
	end     func() // ends the run
	tail    tail   // of standard error
}

// stream is one of a run's streams for output. What is discarded counts, too.
type stream struct {
	to   io.Writer
	all  *output
	tail *tail // nil: nobody wants to know
}

func (o *output) stream(to io.Writer, tail *tail) *stream {
	if to == nil {
		to = io.Discard
	}
	return &stream{to, o, tail}
}

// renew begins to count anew.
func (o *output) renew(limit int64) {
	o.written.Store(0)
	o.limit = limit
	o.tail.n = 0
}

var errOutputLimit = errors.New("the limit of output is reached")

// Write writes until the run has used up what it may, and then ends it.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	written := s.all.written.Add(int64(n))
	if over := written - s.all.limit; s.all.limit > 0 && over > 0 {
		s.all.written.Add(-min(over, int64(n)))
		s.all.end()
		n -= int(min(over, int64(n)))
	}
	if s.tail != nil {
		s.tail.add(p[:n])
	}
	if n == len(p) {
		return s.to.Write(p)
	}
	err := error(nil)
	if n > 0 {
		n, err = s.to.Write(p[:n])
	}
	return n, errors.Join(errOutputLimit, err)
}

// Prompt reports whether writing never waits.
func (s *stream) Prompt() bool { return wasi.Prompt(s.to) }

// SetWriteDeadline wakes a Write, where that is possible.
func (s *stream) SetWriteDeadline(t time.Time) error {
	if d, ok := s.to.(interface{ SetWriteDeadline(time.Time) error }); ok {
		return d.SetWriteDeadline(t)
	}
	return errors.ErrUnsupported
}

// tail is the end of what was written.
type tail struct {
	lock sync.Mutex
	end  [tailSize]byte
	n    int
}

const tailSize = 512

func (t *tail) add(p []byte) {
	t.lock.Lock()
	defer t.lock.Unlock()
	p = p[max(0, len(p)-tailSize):]
	if drop := t.n + len(p) - tailSize; drop > 0 {
		t.n = copy(t.end[:], t.end[drop:t.n])
	}
	t.n += copy(t.end[t.n:], p)
}

func (t *tail) String() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return string(t.end[:t.n])
}
