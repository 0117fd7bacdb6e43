package server

import "net/http"

// newWeight is what a session is taken to hold until somebody has looked, in bytes.
const newWeight = 1 << 20

// room reports whether sessions of a key may come to hold more. What is executed may go beyond that, each execution as far as its own
// session's limits; nothing else does, until sessions are closed.
func (s *sessions) room(key string, o SessionOptions) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.fits(key, o)
}

// fits is room with the mutex held.
func (s *sessions) fits(key string, o SessionOptions) error {
	var p *problem
	switch {
	case s.weights[key] >= o.KeyMemory:
		p = newProblem(http.StatusTooManyRequests, "session_memory",
			"this key's sessions hold %d MiB, as much as they may; delete some", s.weights[key]>>20)
	case s.weight >= o.Memory:
		p = newProblem(http.StatusServiceUnavailable, "session_memory", "the server's sessions hold as much memory as they may")
	default:
		return nil
	}
	p.after = o.Idle
	return p
}

// charge notes that a key's sessions hold so much more. The mutex is held.
func (s *sessions) charge(key string, more int64) {
	s.weight += more
	if s.weights[key] += more; s.weights[key] == 0 {
		delete(s.weights, key)
	}
}

// memory is what all sessions hold, in bytes.
func (s *sessions) memory() int64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.weight
}

// weigh finds out what a session holds by now, while its client has gone on.
func (s *sessions) weigh(x *session) {
	x.mutex.Lock()
	begin := !x.weighs && !x.closed
	x.weighs = x.weighs || begin
	x.mutex.Unlock()
	if !begin {
		return
	}
	s.weighing.Go(func() {
		x.mutex.Lock()
		x.weighs = false // what comes from now on is looked at again
		x.mutex.Unlock()
		held, err := x.live.Held()
		if err != nil {
			return // it has ended, and is about to be removed
		}
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if s.byID[x.id] == x {
			s.charge(x.key, held-x.weight)
			x.weight = held
		}
	})
}
