package coreutils

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"boxer.dev/vfs"
)

var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// result is what a utility did.
type result struct {
	out, err string
	status   int
}

func run(t testing.TB, e Env, args ...string) result {
	t.Helper()
	u, ok := Lookup(args[0])
	if !ok {
		t.Fatalf("no utility %s", args[0])
	}
	var out, errs bytes.Buffer
	e.Args, e.Stdout, e.Stderr = args, &out, &errs
	if e.FS == nil {
		e.FS = vfs.New()
	}
	if e.Now == nil {
		e.Now = func() time.Time { return epoch }
	}
	status := u(t.Context(), &e)
	return result{out.String(), errs.String(), status}
}

func ExampleLookup() {
	tree := vfs.New()
	mkdir, _ := Lookup("mkdir")
	mkdir(context.Background(), &Env{FS: tree, Args: []string{"mkdir", "-p", "/app/data"}})
	ls, _ := Lookup("ls")
	status := ls(context.Background(), &Env{FS: tree, Args: []string{"ls", "-F", "/app", "/nope"}, Stdout: os.Stdout, Stderr: os.Stdout})
	fmt.Println("status", status)
	// Output:
	// ls: cannot access '/nope': No such file or directory
	// /app:
	// data/
	// status 2
}

// takesAnything are utilities whose arguments are never options.
var takesAnything = []string{"[", "arch", "echo", "expr", "false", "find", "groups", "printf", "test", "true", "yes"}

func TestEveryUtility(t *testing.T) {
	if len(Names()) < 80 || !slices.IsSorted(Names()) {
		t.Errorf("%d names, sorted: %v", len(Names()), slices.IsSorted(Names()))
	}
	for _, name := range Names() {
		if slices.Contains(takesAnything, name) {
			continue
		}
		if got := run(t, Env{}, name, "--help"); got.status != 0 || !strings.HasPrefix(got.out, "Usage: "+name) || strings.Count(got.out, "\n") != 1 {
			t.Errorf("%s --help: %+v", name, got)
		}
		got := run(t, Env{}, name, "--frobnicate")
		if got.status != 2 || !strings.Contains(got.err, name+": ") || !strings.Contains(got.err, "'--frobnicate'") {
			t.Errorf("%s --frobnicate: %+v", name, got)
		}
	}
}

// TestCancelled: no utility outlives its context for long, whatever it reads.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range Names() {
		u, _ := Lookup(name)
		u(ctx, &Env{FS: vfs.New(), Args: []string{name, "1"}, Stdin: endless{}})
		u(ctx, &Env{FS: vfs.New(), Args: []string{name}, Stdin: endless{}})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What takes long after all has been read ends with the run, too.
func TestWorkOnWhatWasReadIsStopped(t *testing.T) {
	lines := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+"\n", i)
		}
		return b.String()
	}
	tree := vfs.New()
	if err := tree.WriteFile("/f", []byte(lines(10_000, "%d")), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"sort"}, {"diff", "/f", "-"}, {"base64", "-d"}} {
		u, _ := Lookup(args[0])
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		u(ctx, &Env{FS: tree, Args: args, Stdin: endsWith{strings.NewReader(lines(100_000, "%08x")), cancel}, Stdout: &out})
		if out.Len() > 64<<10 {
			t.Errorf("%v: %d bytes of output", args, out.Len())
		}
	}
}

func TestBase64OfPieces(t *testing.T) {
	data := strings.Repeat("0123456789\x00\xff", 50_000)
	for _, name := range []string{"base64", "base32"} {
		for _, wrap := range []string{"0", "1", "76", "1000000"} {
			encoded := run(t, Env{Stdin: strings.NewReader(data)}, name, "-w", wrap)
			if got := run(t, Env{Stdin: strings.NewReader(encoded.out)}, name, "-d"); got.out != data || got.status != 0 {
				t.Errorf("%s -w %s: %d bytes of %d, %q", name, wrap, len(got.out), len(data), got.err)
			}
		}
	}
	if got := run(t, Env{Stdin: strings.NewReader(data)}, "base64", "-w", "7"); got.out != wrapped(base64.StdEncoding.EncodeToString([]byte(data)), 7) {
		t.Error("lines are not of 7")
	}
}

func wrapped(text string, width int) string {
	var b strings.Builder
	for part := range slices.Chunk([]byte(text), width) {
		b.Write(append(part[:len(part):len(part)], '\n'))
	}
	return b.String()
}

// TestBrokenPipe: a producer stops when its reader has gone.
func TestBrokenPipe(t *testing.T) {
	for _, args := range [][]string{{"yes"}, {"seq", "1000000000"}, {"cat"}, {"tr", "a", "b"}} {
		r, w := io.Pipe()
		go func() {
			io.CopyN(io.Discard, r, 10)
			r.Close()
		}()
		u, _ := Lookup(args[0])
		var errs bytes.Buffer
		if got := u(t.Context(), &Env{FS: vfs.New(), Args: args, Stdin: endless{}, Stdout: w, Stderr: &errs}); got != statusPipe || errs.Len() > 0 {
			t.Errorf("%v: status %d, %q", args, got, errs.String())
		}
	}
}

// TestDecompressionBombEnds: what is decompressed ends with the run, even if little is read of what it comes from.
func TestDecompressionBombEnds(t *testing.T) {
	var bomb bytes.Buffer
	w, err := zstd.NewWriter(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	if _, err := io.CopyN(w, endless{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out ending
	out.end = cancel
	u, _ := Lookup("zstdcat")
	u(ctx, &Env{FS: vfs.New(), Args: []string{"zstdcat"}, Stdin: bytes.NewReader(bomb.Bytes()), Stdout: &out})
	if out.written > size/64 {
		t.Errorf("%d of %d bytes were written after the end", out.written, size)
	}
}

// ending ends a run when it is first written to.
type ending struct {
	end     func()
	written int
}

func (e *ending) Write(p []byte) (int, error) {
	e.end()
	e.written += len(p)
	return len(p), nil
}

// TestOwner: what a user makes is the user's.
func TestOwner(t *testing.T) {
	tree := vfs.New()
	e := Env{FS: tree, UID: 7, GID: 8}
	run(t, e, "mkdir", "-p", "/d/e")
	run(t, e, "touch", "/d/f")
	run(t, e, "ln", "-s", "f", "/d/l")
	run(t, e, "cp", "/d/f", "/d/g")
	for _, name := range []string{"/d", "/d/e", "/d/f", "/d/l", "/d/g"} {
		if st, err := tree.Lstat(name); err != nil || st.UID != 7 || st.GID != 8 {
			t.Errorf("%s: %d:%d %v", name, st.UID, st.GID, err)
		}
	}
	accounts := map[string]string{"/etc/passwd": "me:x:7:8::/home/me:/bin/sh\n", "/etc/group": "us:x:8:\nall:x:9:me\n"}
	run(t, e, "mkdir", "/etc")
	for name, text := range accounts {
		if err := tree.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, e, "id"); got.out != "uid=7(me) gid=8(us) groups=8(us),9(all)\n" {
		t.Errorf("id: %+v", got)
	}
	if got := run(t, e, "chown", "-R", "root:all", "/d"); got.status != 1 || got.err != "chown: invalid user: 'root:all'\n" {
		t.Errorf("chown to nobody: %+v", got)
	}
	if got := run(t, e, "chown", "-R", "12:all", "/d"); got.status != 0 {
		t.Errorf("chown: %+v", got)
	}
	if st, _ := tree.Lstat("/d/l"); st.UID != 12 || st.GID != 9 {
		t.Errorf("a symlink met by chown -R: %d:%d", st.UID, st.GID)
	}
}

// TestClock: the times of a build are the build's.
func TestClock(t *testing.T) {
	tree := vfs.New()
	tree.Configure(vfs.Config{Now: func() time.Time { return epoch }})
	e := Env{FS: tree}
	run(t, e, "touch", "/a")
	if st, _ := tree.Stat("/a"); !st.Mtime.Equal(epoch) {
		t.Errorf("touch: %v", st.Mtime)
	}
	if got := run(t, e, "date"); got.out != "Tue Jan  1 00:00:00 UTC 1980\n" {
		t.Errorf("date: %+v", got)
	}
	if a, b := run(t, e, "mktemp", "-u"), run(t, e, "mktemp", "-u"); a.out != b.out {
		t.Errorf("mktemp: %q %q", a.out, b.out)
	}
}

// TestLinkLoops and depth: walks end.
func TestWalksEnd(t *testing.T) {
	tree := vfs.New()
	e := Env{FS: tree}
	run(t, e, "mkdir", "-p", "/d/e")
	run(t, e, "ln", "-s", "..", "/d/e/up")
	run(t, e, "ln", "-s", "loop", "/d/loop")
	for _, args := range [][]string{{"find", "-L", "/d"}, {"ls", "-RL", "/d"}, {"du", "-L", "/d"}, {"grep", "-R", "x", "/d"}, {"cp", "-rL", "/d", "/c"}, {"chmod", "-R", "700", "/d"}, {"tar", "chf", "/t", "/d"}} {
		if got := run(t, e, args...); strings.Count(got.out, "\n") > 1000 {
			t.Errorf("%v went round: %d lines", args, strings.Count(got.out, "\n"))
		}
	}
	deep := strings.Repeat("/x", 1000)
	if got := run(t, e, "mkdir", "-p", deep); got.status != 0 {
		t.Fatalf("mkdir: %+v", got)
	}
	for _, args := range [][]string{{"find", "/x"}, {"cp", "-r", "/x", "/y"}, {"tar", "cf", "/t", "/x"}, {"rm", "-r", "/x"}} {
		if got := run(t, e, args...); got.status != 0 {
			t.Errorf("%v: status %d, %.200s", args, got.status, got.err)
		}
	}
}

// TestOddNames: names a terminal would obey are shown quoted in messages.
func TestTerminalEscapesInMessages(t *testing.T) {
	for _, name := range []string{"\x1b[31mred", "new\nline", "bad\xffbyte", "it's", ""} {
		for _, u := range []string{"cat", "rm", "cp", "ls", "stat", "grep", "sed", "head", "mkdir"} {
			args := []string{u, name, "/nope/x"}
			if u == "grep" || u == "sed" {
				args = []string{u, "p", name}
			}
			got := run(t, Env{}, args...)
			if got.status == 0 || strings.Contains(got.err, "\x1b") || strings.Contains(got.err, "\xff") || strings.Count(got.err, "\n") > 4 {
				t.Errorf("%s %q: %+v", u, name, got)
			}
		}
	}
}

func TestModeOfNew(t *testing.T) {
	tree := vfs.New()
	for _, c := range []struct {
		umask fs.FileMode
		want  fs.FileMode
	}{{0, 0o644}, {0o027, 0o640}, {NoUmask, 0o666}} {
		run(t, Env{FS: tree, Umask: c.umask}, "touch", "/f")
		if st, err := tree.Stat("/f"); err != nil || st.Mode != c.want {
			t.Errorf("umask %v: mode %v, %v", c.umask, st.Mode, err)
		}
		run(t, Env{FS: tree}, "rm", "/f")
	}
}

func BenchmarkCopyTree(b *testing.B) {
	tree := vfs.New()
	e := Env{FS: tree}
	run(b, e, "mkdir", "-p", "/src/a/b/c")
	for i := range 200 {
		if err := tree.WriteFile(fmt.Sprintf("/src/a/b/%d", i), bytes.Repeat([]byte("x"), 1000), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		run(b, e, "cp", "-a", "/src", "/dst")
		run(b, e, "rm", "-rf", "/dst")
	}
}

func BenchmarkSed(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog\n", 2000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		run(b, Env{Stdin: strings.NewReader(text)}, "sed", `s/\(quick\) brown/\1 red/;/cat/d`)
	}
}

func BenchmarkGrep(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog\n", 2000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		run(b, Env{Stdin: strings.NewReader(text)}, "grep", "-c", "lazy cat")
	}
}

// TestReadmeCountsUtilities holds the number that the README gives to the truth.
func TestReadmeCountsUtilities(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d utilities", len(Names())); !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not tell of %s", want)
	}
}
