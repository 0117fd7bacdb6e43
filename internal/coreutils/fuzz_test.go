package coreutils

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"boxer.dev/vfs"
)

// fuzzRun runs a utility with a bound on time and output.
func fuzzRun(t *testing.T, stdin string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	tree := vfs.New()
	tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 1 << 20, Files: 100}})
	u, _ := Lookup(args[0])
	var out, errs bytes.Buffer
	status := u(ctx, &Env{FS: tree, Args: args, Stdin: strings.NewReader(stdin), Stdout: &capped{&out}, Stderr: &capped{&errs}})
	if status < 0 || status > 255 {
		t.Errorf("%q: status %d", args, status)
	}
}

// capped fails after a megabyte, as a reader that goes away does.
type capped struct{ b *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if c.b.Len() > 1<<20 {
		return 0, context.DeadlineExceeded
	}
	return c.b.Write(p)
}

func FuzzSed(f *testing.F) {
	for _, s := range []string{"s/a/b/g", "1,3d", "/x/!{p;d}", "y/ab/cd/", ":a;N;ba", "2a\\\ntext", "s/\\(a\\)\\1/\\U&/2p", "$!N;P;D", "0~3p;\\,x,I{=}", "s/[[:alpha:]]*/<&>/w out"} {
		f.Add(s, "abc\nxyz\n", false)
	}
	f.Fuzz(func(t *testing.T, script, input string, extended bool) {
		args := []string{"sed", "-e", script}
		if extended {
			args = append(args, "-E")
		}
		fuzzRun(t, input, args...)
	})
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"/ -name *.go -o ( -type f ! -empty )", "-maxdepth 1 -printf %p%10s%TY\\n", "/ -perm -u+x -size +1k", "-regex .*[a", "-exec echo {} ; -prune", "-newermt 2020-01-01 -mtime -3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		fuzzRun(t, "", append([]string{"find"}, strings.Fields(expr)...)...)
	})
}

func FuzzPrintf(f *testing.F) {
	f.Add("%5s|%-5d|%05.2f|%x %b %%\\n", "a\\tb", "42")
	f.Add("%*.*f%c%q", "10", "'a")
	f.Fuzz(func(t *testing.T, format, a, b string) { fuzzRun(t, "", "printf", format, a, b) })
}

func FuzzTr(f *testing.F) {
	f.Add("a-z", "A-Z", "hello")
	f.Add("[:alpha:]\\n", "[x*10]", "a\nb")
	f.Fuzz(func(t *testing.T, set1, set2, input string) { fuzzRun(t, input, "tr", set1, set2) })
}

func FuzzTest(f *testing.F) {
	f.Add("! ( a = b -o -n x ) -a 1 -lt 2")
	f.Fuzz(func(t *testing.T, expr string) {
		fuzzRun(t, "", append([]string{"test"}, strings.Fields(expr)...)...)
		fuzzRun(t, "", append([]string{"expr"}, strings.Fields(expr)...)...)
	})
}

func FuzzDate(f *testing.F) {
	f.Add("2024-01-01 + 1 day", "%Y-%m-%d %5S%^a%-d%:z%3N")
	f.Add("@12.5 next week", "%")
	f.Fuzz(func(t *testing.T, date, format string) { fuzzRun(t, "", "date", "-d", date, "+"+format) })
}

// FuzzDiff: the changes turn one file into the other, and none are found between equal ones.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\nd")
	f.Fuzz(func(t *testing.T, left, right string) {
		goesOn := func() bool { return false }
		a, b := splitLines([]byte(left), goesOn), splitLines([]byte(right), goesOn)
		var got []string
		at := 0
		for _, c := range diffLines(a, b, goesOn) {
			got = append(append(got, a[at:c.a0]...), b[c.b0:c.b1]...)
			at = c.a1
		}
		if got = append(got, a[at:]...); !slices.Equal(got, b) {
			t.Errorf("patching %q gives %q, want %q", a, got, b)
		}
	})
}

// FuzzRegex: the translation for package regexp and the backtracking matcher find the same match.
func FuzzRegex(f *testing.F) {
	for _, p := range []string{"a*b", `\(a\|ab\)\(c\|bcd\)*`, "[[:alpha:]_]+x?", "^a.c$", "a{2,3}b|c", `\bfoo\B`, "(a|b)*c", "[^]a-z]"} {
		f.Add(p, "aabbcabcd foo_x", false)
		f.Add(p, "xaac", true)
	}
	f.Fuzz(func(t *testing.T, pattern, text string, extended bool) {
		if len(pattern) > 30 || len(text) > 60 || !isASCII(pattern) || !isASCII(text) {
			return
		}
		re, err := compileRegex(pattern, regexOptions{extended: extended})
		if err != nil || re.re == nil {
			return
		}
		m := &regex{groups: re.groups, tree: re.tree, opt: re.opt}
		tried := &backtracker{s: []byte(text)}
		want, complete := tried.search(m)
		if !complete {
			return
		}
		got := re.matchAt([]byte(text), 0)
		if (got == nil) != (want == nil) || got != nil && (got[0] != want[0] || got[1] != want[1]) {
			t.Errorf("%q in %q: regexp %v, backtracking %v", pattern, text, got, want)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 128 || s[i] == '\n' {
			return false
		}
	}
	return true
}

// search is backtrackFrom that also tells whether every way was tried.
func (m *backtracker) search(r *regex) (match []int, complete bool) {
	match = r.backtrackFrom(m.s, 0)
	return match, r.steps <= maxRegexSteps/2
}

// FuzzUtilities runs any utility with any arguments, one a line, on any input, archives among them. Whatever it is, it
// ends when it is told to, and leaves the tree in order.
func FuzzUtilities(f *testing.F) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, m := range []string{"d/", "d/f", "../out"} {
		if err := w.WriteHeader(&tar.Header{Name: m, Mode: 0o644}); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	for _, command := range []string{
		"tar\n-tv", "tar\n-x\n-C\n/d\n--strip-components=1\n--one-top-level=x", "tar\n-cz\n--exclude=*.o\n--transform=s/a/b/\n/d",
		"unzip\n-l\n/input", "unzip\n-o\n-d\n/x\n/input", "gzip\n-dc", "sort\n-t:\n-k2,2nr\n-u", "cut\n-d:\n-f1-3,5-", "od\n-A\nx\n-t\nx1z\n-N\n9",
		"ls\n-laR\n/", "stat\n-c\n%n %A %s %y\n/f", "chmod\n-R\nu=rwX,g-w\n/d", "head\n-c\n-3", "tail\n-n\n+2", "xargs\n-n2\necho", "cp\n-a\n/d\n/e",
		"expr\n1\n+\n2", "seq\n-w\n1\n3\n11", "printf\n%s\nx", "grep\n-rnE\n(a|b)*c\n/", "diff\n-ru\n/d\n/f", "tee\n-a\n/d/t", "install\n-D\n/f\n/a/b/c",
		"sha256sum\n-c", "base64\n-d", "tr\na-z\nA-Z", "uniq\n-c\n-f1", "wc\n-lc", "join\n/f\n/f", "nl", "comm\n/f\n/d/g", "date\n-d\n@0", "mktemp\n-d", "realpath\n-m\n../x",
	} {
		f.Add(command, archive.Bytes())
	}
	names := Names()
	f.Fuzz(func(t *testing.T, command string, input []byte) {
		args := strings.Split(command, "\n")
		if !slices.Contains(names, args[0]) || len(command) > 2000 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		tree := vfs.New()
		tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 1 << 20, Files: 100}})
		for name, contents := range map[string]string{"/f": "b:2\na:1\n", "/d/g": "x\n", "/input": string(input)} {
			_ = tree.MkdirAll(path.Dir(name), 0o755)
			_ = tree.WriteFile(name, []byte(contents), 0o644) // as much as there is room for
		}
		u, _ := Lookup(args[0])
		var out, errs bytes.Buffer
		defer time.AfterFunc(20*time.Second, func() { panic(fmt.Sprintf("%q does not end", args)) }).Stop()
		status := u(ctx, &Env{FS: tree, Args: args, Stdin: bytes.NewReader(input), Stdout: &capped{&out}, Stderr: &capped{&errs}})
		if status < 0 || status > 255 {
			t.Errorf("%q: status %d", args, status)
		}
		if _, err := vfs.Diff(vfs.New(), tree); err != nil {
			t.Errorf("%q left %v", args, err)
		}
	})
}
