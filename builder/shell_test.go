package builder

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"

	"boxer.dev/internal/coreutils"
	"boxer.dev/internal/shell"
)

// shellRun is RUN in a box without programs: the shell and the utilities that every box has.
func shellRun(ctx context.Context, r RunRequest) (int, error) {
	if path.Base(r.Args[0]) != "sh" {
		return 0, fmt.Errorf("%s: %w", r.Args[0], coreutils.ErrNotFound)
	}
	return shell.Run(ctx, shell.Options{
		FS: r.FS, Args: r.Args, Env: r.Env, Dir: r.Dir, Stdout: r.Stdout, Stderr: r.Stderr, Now: r.Now, Random: r.Random,
	})
}

func TestUnavailableCommand(t *testing.T) {
	tests := []struct {
		boxfile, err, hint string
		status             int
	}{
		{"RUN apt-get update && apt-get install -y gcc", "Boxfile:2: RUN: /bin/sh -c \"apt-get update && apt-get install -y gcc\": exit status 127", shell.Hint("apt-get"), 127},
		{"RUN gcc -o a a.c", "exit status 127", shell.Hint("gcc"), 127},
		{"RUN frobnicate", "exit status 127", "the box has no such command", 127},
		{"RUN set -e; false; true", "exit status 1", "", 1},
		{"RUN exit 42", "exit status 42", "", 42},
		{"RUN <<EOF\nset -e\ncat /nowhere\nEOF", "exit status 1", "", 1},
	}
	for _, test := range tests {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\n"+test.boxfile+"\n"), Run: shellRun})
		var failed *RunError
		if !errors.As(err, &failed) || failed.Status != test.status || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: got %v", test.boxfile, err)
			continue
		}
		if hint := hintOf(err); !strings.HasPrefix(hint, test.hint) || test.hint == "" && hint != "" {
			t.Errorf("%s: hint %q, want %q", test.boxfile, hint, test.hint)
		}
	}
}

// TestHintIsGivenOnce: what the box's shell wrote where it was read is not repeated.
func TestHintIsGivenOnce(t *testing.T) {
	var heard recorder
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nRUN apt-get update\n"), Run: shellRun, Progress: &heard})
	if out := heard.out.String(); strings.Count(out, shell.Hint("apt-get")) != 1 || err == nil || hintOf(err) != "" {
		t.Errorf("%v with the hint %q after\n%s", err, hintOf(err), out)
	}
}

// recorder keeps what a build tells.
type recorder struct {
	lock  sync.Mutex
	lines []string
	out   strings.Builder
}

func (r *recorder) add(format string, args ...any) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *recorder) Start(s *Step) {
	r.add("start %s %d/%d line %d: %s", s.Stage, s.Index, s.Total, s.Line, s.Instruction)
}
func (r *recorder) Output(_ *Step, p []byte) { r.out.Write(p) }
func (r *recorder) Done(s *Step, err error) {
	r.add("done %d layer %t error %t", s.Index, s.Layer.Hex != "", err != nil)
}
func (r *recorder) Note(text string) { r.add("note %s", text) }
func (r *recorder) Warn(w Warning)   { r.add("warn %d: %s", w.Line, w.Text) }

func TestProgress(t *testing.T) {
	var rec recorder
	boxfile := mustParse(t, "FROM scratch\nENV a=1\nMAINTAINER m\nWORKDIR /w\nRUN echo \\\n  hello; echo err >&2\nRUN exit 3\n")
	if _, err := Build(t.Context(), Options{Boxfile: boxfile, Run: shellRun, Progress: &rec}); err == nil {
		t.Fatal("no error")
	}
	want := `warn 3: Maintainer instruction is deprecated in favor of using label
start  1/3 line 4: WORKDIR /w
done 1 layer true error false
start  2/3 line 5: RUN echo   hello; echo err >&2
done 2 layer false error false
start  3/3 line 7: RUN exit 3
done 3 layer false error true`
	if got := strings.Join(rec.lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := rec.out.String(); got != "hello\nerr\n" {
		t.Errorf("output %q", got)
	}
}

// TestShellIsReproducible runs what usually differs from run to run.
func TestShellIsReproducible(t *testing.T) {
	const text = `FROM scratch
RUN mkdir -p /a/b && cd /a && date +%s.%N > date; echo $RANDOM $RANDOM > random; echo $$ > pid
RUN for f in z y x; do echo $f > /a/$f; done; ls -l /a > /ls; find / > /found; sort /found > /find; env > /env
RUN mktemp -d > /mktemp || true
`
	want := ""
	for range 3 {
		res, err := Build(t.Context(), Options{Boxfile: mustParse(t, text), Run: shellRun, TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Digest.String(); want != "" && got != want {
			t.Errorf("digest %s, then %s", want, got)
		}
		want = res.Digest.String()
	}
}
