package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// sessions are the interpreters that are kept between requests.
type sessions struct {
	mutex   sync.Mutex
	byID    map[string]*session
	perKey  map[string]int // those that are being opened, too
	all     int
	weights map[string]int64 // what sessions hold in memory, in bytes, by their keys
	weight  int64            // of all
	closing bool

	weighing sync.WaitGroup
}

// session is one of them.
type session struct {
	id, key, box string
	created      time.Time
	idle         time.Duration
	live         Session
	weight       int64  // of the sessions' mutex
	release      func() // of its box

	life context.Context // ends when the session is closed, and with it what it executes
	end  context.CancelCauseFunc

	mutex  sync.Mutex
	used   time.Time
	users  int // requests that go on
	ran    int // executions
	closed bool
	timer  *time.Timer
	weighs bool // somebody finds out how much it holds
}

// sessionInfo is a session in JSON.
type sessionInfo struct {
	ID          string    `json:"id"`
	Box         string    `json:"box"`
	Created     time.Time `json:"created"`
	Used        time.Time `json:"last_used"`
	IdleTimeout int64     `json:"idle_timeout_ms"`
	Executions  int       `json:"executions"`
	Busy        bool      `json:"busy"`
	Memory      int64     `json:"memory_bytes"`
}

func (s *sessions) info(x *session) sessionInfo {
	s.mutex.Lock()
	weight := x.weight
	s.mutex.Unlock()
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return sessionInfo{x.id, x.box, x.created, x.used, x.idle.Milliseconds(), x.ran, x.users > 0, weight}
}

func (s *sessions) count() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.all
}

// reserve takes room for a session, which is to be filled or given back.
func (s *sessions) reserve(key string, o SessionOptions) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case s.closing:
		return problemDraining()
	case s.perKey[key] >= o.PerKey:
		p := newProblem(http.StatusTooManyRequests, "too_many_sessions", "this key has %d sessions, as many as it may; delete some", s.perKey[key])
		p.after = o.Idle
		return p
	case s.all >= o.Most:
		p := newProblem(http.StatusServiceUnavailable, "too_many_sessions", "the server has as many sessions as it can take")
		p.after = o.Idle
		return p
	}
	if err := s.fits(key, o); err != nil {
		return err
	}
	if s.perKey == nil {
		s.perKey, s.byID, s.weights = map[string]int{}, map[string]*session{}, map[string]int64{}
	}
	s.all++
	s.perKey[key]++
	s.charge(key, newWeight)
	return nil
}

// giveBack gives the room of a session back. The mutex is held.
func (s *sessions) giveBack(key string, weight int64) {
	s.all--
	s.charge(key, -weight)
	if s.perKey[key]--; s.perKey[key] == 0 {
		delete(s.perKey, key)
	}
}

// unreserve gives room back that no session took.
func (s *sessions) unreserve(key string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.giveBack(key, newWeight)
}

// add puts a session where there was room reserved for it.
func (s *sessions) add(x *session, expired func()) {
	x.id, x.created = strings.ToLower(rand.Text()), time.Now()
	x.used, x.weight = x.created, newWeight
	x.life, x.end = context.WithCancelCause(context.Background())
	s.mutex.Lock()
	s.byID[x.id] = x
	closing := s.closing
	s.mutex.Unlock()
	if closing {
		s.remove(x)
		return
	}
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.timer = time.AfterFunc(x.idle, func() { s.expire(x, expired) })
}

// expire closes a session that nobody has used for its time.
func (s *sessions) expire(x *session, expired func()) {
	x.mutex.Lock()
	left := x.idle - time.Since(x.used)
	if x.users > 0 {
		left = x.idle
	}
	if left > 0 && !x.closed {
		x.timer.Reset(left)
		x.mutex.Unlock()
		return
	}
	x.mutex.Unlock()
	if s.remove(x) {
		expired()
	}
}

// use gives a key's session for one request.
func (s *sessions) use(key, id string) (_ *session, done func(), err error) {
	s.mutex.Lock()
	x := s.byID[id]
	s.mutex.Unlock()
	if x == nil || x.key != key {
		return nil, nil, newProblem(http.StatusNotFound, "no_such_session", "there is no such session; those that nobody uses are closed")
	}
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.users++
	x.used = time.Now()
	return x, sync.OnceFunc(func() {
		x.mutex.Lock()
		defer x.mutex.Unlock()
		x.users--
		x.used = time.Now()
	}), nil
}

// remove closes a session, and reports whether it was there.
func (s *sessions) remove(x *session) bool {
	s.mutex.Lock()
	found := s.byID[x.id] == x
	if found {
		delete(s.byID, x.id)
		s.giveBack(x.key, x.weight)
	}
	s.mutex.Unlock()
	if !found {
		return false
	}
	x.mutex.Lock()
	x.closed = true
	if x.timer != nil {
		x.timer.Stop()
	}
	x.mutex.Unlock()
	x.end(errCancelled)
	x.close()
	return true
}

// within ends a context when the session is closed, too.
func (x *session) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(x.life, func() { cancel(context.Cause(x.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// close ends what is there of a session.
func (x *session) close() {
	if x.live != nil {
		_ = x.live.Close() // there is nobody to tell
	}
	x.release()
}

// of lists the sessions of a key, the oldest first.
func (s *sessions) of(key string) []*session {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var own []*session
	for _, x := range s.byID {
		if x.key == key {
			own = append(own, x)
		}
	}
	slices.SortFunc(own, func(a, b *session) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return own
}

func (s *sessions) closeAll() {
	s.mutex.Lock()
	s.closing = true
	var all []*session
	for _, x := range s.byID {
		all = append(all, x)
	}
	s.mutex.Unlock()
	for _, x := range all {
		s.remove(x)
	}
	s.weighing.Wait()
}
