package coreutils

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

// A match calls itself for each character that it has taken. Go ends the process, and with it all that it runs, when a call
// stack gets to a gigabyte.
func TestCallStackOfMatchIsBounded(t *testing.T) {
	long := strings.Repeat("a", 3_000_000)
	for _, args := range [][]string{
		{"grep", `\(a*\)*\1b`},
		{"sed", `s/\(a*\)\1*b/x/`},
		{"expr", long, ":", `\(a\)\1*b`},
	} {
		run(t, Env{Stdin: strings.NewReader(long)}, args...) // lives on
	}
}

// endsWith cancels when its text has been read: what happens then is done for nobody.
type endsWith struct {
	text   io.Reader
	cancel context.CancelFunc
}

func (r endsWith) Read(p []byte) (int, error) {
	n, err := r.text.Read(p)
	if err == io.EOF {
		r.cancel()
	}
	return n, err
}

// Matches that would take minutes end with the run.
func TestMatchIsStopped(t *testing.T) {
	for _, args := range [][]string{
		{"grep", "-E", `((a{0,99}){0,9})b`},
		{"grep", "-E", "-o", "a?"},
		{"grep", "-w", "-E", `((a{0,99}){0,9})b`},
		{"grep", `\(a*\)*\1b`},
		{"sed", "-E", `s/((a{0,99}){0,9})b/x/`},
		{"sed", "-E", `s/a{0,999}/&&&&&&&&&&/g`},
	} {
		u, _ := Lookup(args[0])
		ctx, cancel := context.WithCancel(t.Context())
		u(ctx, &Env{FS: vfs.New(), Args: args, Stdin: endsWith{strings.NewReader(strings.Repeat("a", 10_000_000)), cancel}})
	}
}

// What is matched piece by piece, so that it can be stopped, matches as what is matched at once does.
func TestLongMatches(t *testing.T) {
	never := func() bool { return false }
	texts := []string{"", "a", "ab", "xxaab\nab", "äöü ab \xff b", strings.Repeat("ab c", 30)}
	for _, pattern := range []string{"a", "a*", "(a|ab)(c|bcd)*", "b", "x*$", "^a", "(^|b)a", "[^b]*", "(b| )*", "ü"} {
		for _, opt := range []regexOptions{{extended: true}, {extended: true, word: true}, {extended: true, multiline: true}, {extended: true, line: true}} {
			plain, err := compileRegex(pattern, opt)
			if err != nil {
				t.Fatal(err)
			}
			opt.stopped = never
			pieces, err := compileRegex(pattern, opt)
			if err != nil {
				t.Fatal(err)
			}
			pieces.size = longMatch + 1
			for _, text := range texts {
				s := []byte(text)
				if got, want := pieces.matches(s), plain.matches(s); got != want {
					t.Errorf("%q %+v in %q: %v, want %v", pattern, opt, text, got, want)
				}
				if diff := cmp.Diff(plain.all(s, -1), pieces.all(s, -1)); diff != "" {
					t.Errorf("%q %+v in %q: %s", pattern, opt, text, diff)
				}
			}
		}
	}
}

func TestHugeRegex(t *testing.T) {
	if got := run(t, Env{Stdin: strings.NewReader("a")}, "grep", "-E", "("+strings.Repeat("a", 1000)+"){1000}"); got.status != 2 {
		t.Errorf("%+v", got)
	}
}
