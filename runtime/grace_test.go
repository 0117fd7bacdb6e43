package runtime

import (
	"context"
	"errors"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestGrace: a program that cannot be told goes on until the grace is over, one that ends by being told does so, and either
// counts as what it was told of.
func TestGrace(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	for _, test := range []struct {
		args   []string
		limits Limits
		want   Outcome
	}{
		{[]string{"guest", "spin"}, Limits{Timeout: 10 * time.Millisecond}, OutcomeTimeout},
		{[]string{"guest", "sleep"}, Limits{Timeout: 10 * time.Millisecond}, OutcomeTimeout},
		{[]string{"guest", "spin"}, Limits{CPU: 10 * time.Millisecond}, OutcomeCPULimit},
		{[]string{"sh", "-c", "while :; do :; done"}, Limits{Timeout: 10 * time.Millisecond}, OutcomeTimeout},
		{[]string{"sleep", "3600"}, Limits{Timeout: 10 * time.Millisecond}, OutcomeTimeout},
		{[]string{"sh", "-c", "guest sleep | guest echo"}, Limits{Timeout: 10 * time.Millisecond}, OutcomeTimeout},
	} {
		begin := time.Now()
		_, err := run(t, b, Cmd{Args: test.args, Limits: test.limits, Grace: 20 * time.Millisecond})
		if got := ResultOf(err); got.Outcome != test.want {
			t.Errorf("%q, %v: %+v after %v", test.args, test.limits, got, time.Since(begin))
		}
	}
	// The end of the context is an interrupt, which ends a program that knows nothing of signals long before the grace is over.
	for _, args := range [][]string{{"guest", "spin"}, {"guest", "sleep"}, {"guest", "echo"}} {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(10*time.Millisecond, func() { cancel(&KilledError{Reason: "terminated", Status: 143}) })
		err := b.Run(ctx, &Cmd{Args: args, Stdin: neverReader{}, Grace: time.Hour})
		if got := ResultOf(err); got.Outcome != OutcomeKilled || got.Status != 143 || !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %+v, %v", args, got, err)
		}
	}
	if _, err := run(t, b, Cmd{Args: []string{"guest"}, Grace: time.Hour}); err != nil {
		t.Errorf("a run that ends by itself: %v", err)
	}
}

// TestInterruptsOfARun: one is the program's, and where there is no program it is the end.
func TestInterruptsOfARun(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	for _, args := range [][]string{{"guest", "spin"}, {"guest", "sleep"}, {"sleep", "3600"}, {"sh", "-c", "while :; do :; done"}} {
		signals := make(chan Signal, 1)
		time.AfterFunc(10*time.Millisecond, func() { signals <- Interrupt })
		err := b.Run(context.Background(), &Cmd{Args: args, Signals: signals})
		if got := ResultOf(err); got.Outcome != OutcomeKilled || got.Status != StatusInterrupted {
			t.Errorf("%q: %+v, %v", args, got, err)
		}
	}
}
