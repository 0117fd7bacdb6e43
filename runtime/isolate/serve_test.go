package isolate

import (
	"bytes"
	"testing"
)

// TestSaidBeforeTheRequest: what is said of a run may overtake its request, since each goes its own way.
func TestSaidBeforeTheRequest(t *testing.T) {
	s := &server{jobs: map[int]*job{}}
	for serial := range 3 * maxEarly { // of runs that are over
		if err := s.tell(kindFlow, appendNumber(nil, serial+100)); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []kind{kindFlow, kindCancel} {
		message := appendNumber(nil, 7)
		if k == kindCancel {
			message = append(appendNumber(message, 0), "enough"...)
		}
		err := s.tell(k, message)
		clear(message) // its bytes are valid until the next one
		if err != nil {
			t.Fatal(err)
		}
	}
	other, mine := newJob(&request{serial: 6}), newJob(&request{serial: 7})
	for _, j := range []*job{other, mine} {
		j.out = &output{connection: newConnection(&script{}, maxAsked)}
		s.add(j)
	}
	if !mine.out.flows || mine.ctx.Err() == nil || other.out.flows || other.ctx.Err() != nil {
		t.Errorf("the run itself: %v, %v; another one: %v, %v", mine.out.flows, mine.ctx.Err(), other.out.flows, other.ctx.Err())
	}
	if len(s.early) > maxEarly {
		t.Errorf("%d messages are kept", len(s.early))
	}
}

// BenchmarkAside is what a worker does for a message of a run that it has.
func BenchmarkAside(b *testing.B) {
	s := &server{jobs: map[int]*job{}}
	j := newJob(&request{serial: 1})
	j.out = &output{connection: newConnection(&script{}, maxAsked)}
	s.add(j)
	message := bytes.Clone(appendNumber(nil, 1))
	for b.Loop() {
		if err := s.tell(kindFlow, message); err != nil {
			b.Fatal(err)
		}
	}
}
