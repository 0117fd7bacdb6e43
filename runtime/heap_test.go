package runtime

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// What the shell and utilities of a run hold counts as its memory where the process has nothing else to do: a line without an end,
// all lines of something, variables that double, what a command prints in the place of a word.
func TestUtilitiesAreBounded(t *testing.T) {
	var abandoned error
	e, err := New(t.Context(), Options{Alone: func(err error) { abandoned = err }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b, err := e.NewBox(newTree(t, nil), v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const limit = 8 << 20
	for _, script := range []string{
		"tr '\\0' x < /dev/zero | grep y", "tail -c 100G < /dev/zero", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done",
	} {
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", script}, Limits: Limits{Memory: limit}})
		var reached *LimitError
		if !errors.As(err, &reached) || reached.Outcome != OutcomeOutOfMemory || reached.Start || reached.Limit.Memory != limit || got.Status != StatusMemory {
			t.Errorf("%s: %v, status %d (%.100q)", script, err, got.Status, got.Stderr)
		}
		if abandoned != nil && !errors.As(abandoned, &reached) { // a machine that is busy may look late
			t.Errorf("%s: abandoned: %v", script, abandoned)
		}
	}
	for script, want := range map[string]string{
		"seq 1 200000 | sort -rn | head -n 1":                     "200000\n",
		"head -c 30M /dev/zero > /tmp/x; wc -c < /tmp/x":          "31457280\n", // files are counted apart
		"for i in 1 2 3 4 5 6 7 8; do x=$(seq 1 50000); done; :":  "",
		"x=$(head -c 3000000 /dev/zero | tr '\\0' x); echo ${#x}": "3000000\n",
	} {
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", "mkdir /tmp; " + script}, Limits: Limits{Memory: limit}})
		if err != nil || got.Stdout != want {
			t.Errorf("%s: %q, %v", script, got.Stdout, err)
		}
	}
}

// TestHeapWatchAbandons: what cannot be ended is told to whoever can end the process.
func TestHeapWatchAbandons(t *testing.T) {
	told := make(chan string, 2)
	say := func(what string) func() {
		return func() {
			select {
			case told <- what:
			default:
			}
		}
	}
	goruntime.GC()
	w := &heapWatch{allowed: func() uint64 { return 0 }, end: say("ended"), abandon: say("abandoned")}
	defer w.work()()
	held := make([]byte, heapPatience*(w.before+heapSlack)+1)
	if said := fmt.Sprint(<-told, <-told); said != "endedabandoned" {
		t.Errorf("%s, with %d bytes", said, len(held))
	}
	goruntime.KeepAlive(held)
}
