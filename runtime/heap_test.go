package runtime

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"syscall"
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

// TestHugeAccounts: an image whose file of accounts has no end, or a terabyte, is refused a user, and takes no memory.
func TestHugeAccounts(t *testing.T) {
	b := newBox(t, map[string]string{"/etc/": ""}, v1.Config{User: "app"})
	if err := errors.Join(b.tree.WriteFile("/etc/passwd", nil, 0o644), b.tree.Truncate("/etc/passwd", 1<<40)); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, b, Cmd{Args: []string{"true"}}); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("a terabyte: %v", err)
	}
	if err := errors.Join(b.tree.Remove("/etc/passwd"), b.tree.Symlink("/dev/zero", "/etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, b, Cmd{Args: []string{"true"}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("without an end: %v", err)
	}
	const script = "mkdir /etc; ln -s /dev/zero /etc/passwd; id; ls -ld /etc; TZ=/dev/zero date +%Z"
	got, err := run(t, newBox(t, nil, v1.Config{}), Cmd{Args: []string{"sh", "-c", script}})
	if want := "uid=0 gid=0 groups=0"; err != nil || !strings.HasPrefix(got.Stdout, want) || !strings.HasSuffix(got.Stdout, "UTC\n") {
		t.Errorf("%q, %v", got.Stdout, err)
	}
}
