package once

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func answering(text string, keep bool) func() (Answer, bool) {
	return func() (Answer, bool) { return Answer{Status: 200, Body: []byte(text)}, keep }
}

func TestSameAnswer(t *testing.T) {
	a := &Answers{MaxBytes: 1 << 20}
	for i, want := range []string{"one", "one"} {
		answer, again, err := a.Do(t.Context(), "name", []byte("request"), answering([]string{"one", "two"}[i], true))
		if err != nil || string(answer.Body) != want || again != (i == 1) {
			t.Errorf("%d: %s, %v, %v", i, answer.Body, again, err)
		}
	}
	if _, _, err := a.Do(t.Context(), "name", []byte("another"), answering("", true)); !errors.Is(err, ErrOther) {
		t.Errorf("another request: %v", err)
	}
}

func TestNothingKept(t *testing.T) {
	a := &Answers{MaxBytes: 1 << 20}
	for range 2 {
		if _, again, err := a.Do(t.Context(), "name", nil, answering("", false)); again || err != nil {
			t.Errorf("%v, %v", again, err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = a.Do(t.Context(), "name", nil, func() (Answer, bool) { panic("oh") })
	}()
	if _, again, err := a.Do(t.Context(), "name", []byte("another"), answering("", true)); again || err != nil {
		t.Errorf("after a panic: %v, %v", again, err)
	}
}

func TestBounded(t *testing.T) {
	const size = 10 << 10
	a := &Answers{MaxBytes: 3 * (size + 2*overhead)}
	for i := range 100 {
		if _, _, err := a.Do(t.Context(), fmt.Sprint(i), nil, answering(string(make([]byte, size)), true)); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.entries) != 3 || a.order.Len() != 3 || a.bytes > a.MaxBytes {
		t.Errorf("%d answers of %d bytes are kept", len(a.entries), a.bytes)
	}
	if _, again, _ := a.Do(t.Context(), "99", nil, answering("", true)); !again {
		t.Error("the latest was forgotten")
	}
}

// TestMeanwhile: requests that come while the first is being answered wait for its answer.
func TestMeanwhile(t *testing.T) {
	a := &Answers{MaxBytes: 1 << 20}
	var made atomic.Int32
	begun, may := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	do := func() (Answer, bool) {
		made.Add(1)
		close(begun)
		<-may
		return Answer{Body: []byte("x")}, true
	}
	all.Go(func() { _, _, _ = a.Do(context.Background(), "name", nil, do) })
	<-begun
	for range 10 {
		all.Go(func() {
			if answer, again, err := a.Do(context.Background(), "name", nil, do); string(answer.Body) != "x" || !again || err != nil {
				t.Errorf("%s, %v, %v", answer.Body, again, err)
			}
		})
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := a.Do(gone, "name", nil, do); !errors.Is(err, context.Canceled) {
		t.Errorf("who did not wait: %v", err)
	}
	close(may)
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("it was answered %d times", made.Load())
	}
}
