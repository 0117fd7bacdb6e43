package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"boxer.dev/vfs"
)

func ExampleRun() {
	tree := vfs.New()
	status, err := Run(context.Background(), Options{
		FS: tree, Args: []string{"sh", "-ec", `mkdir -p /app; echo "hello $NAME" > /app/greeting; cat /app/*; test -e /etc/passwd`},
		Env: []string{"NAME=box"}, Stdout: os.Stdout,
	})
	fmt.Println("status", status, err)
	// Output:
	// hello box
	// status 1 <nil>
}

func ExampleHint() {
	fmt.Println(Hint("apt-get"))
	// Output:
	// a box has no package manager: COPY the files in, or use a base that has them; Python packages come as wheels
}

// TestInteractive types at a prompt: errors do not end the shell, exit and the end of input do.
func TestInteractive(t *testing.T) {
	for _, c := range []struct {
		name, typed string
		out, err    string
		status      int
	}{
		{"end of input", "echo a\nfalse\n", "a\n", "$ $ $ \n", 1},
		{"exit", "x=3\nexit $x\necho no\n", "", "$ $ ", 3},
		{"continued line", "if true\nthen echo y\nfi\n", "y\n", "$ > > $ \n", 0},
		{"error", "nosuch\n)\n<(x)\necho after\n", "after\n", "$ sh: 1: nosuch: not found\n$ sh: 2: Syntax error: `)` can only be used to close a subshell\n" +
			"$ sh: 1: process substitution <(…) is not available in a box: use a pipe or a temporary file\n$ $ \n", 0},
		{"state is kept", "cd /tmp\nf() { echo in $PWD; }\nf\ntrap 'echo bye' EXIT\n", "in /tmp\nbye\n", "$ $ $ $ $ \n", 0},
		{"own prompt", "PS1='> '\ntrue\n", "", "$ > > \n", 0},
		{"commands read what follows", "read x\nvalue\necho $x\ncat\nrest\n", "value\nrest\n", "$ $ $ $ \n", 0},
		{"unclosed", "echo 'a\n", "", "$ > sh: 1: Syntax error: reached EOF without closing quote `'`\n$ \n", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A pipe stands for the terminal: what is typed and not read by the shell stays for its commands.
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			io.WriteString(w, c.typed)
			w.Close()
			got := shellWith(t, Options{FS: newBox(t), Args: []string{"sh"}, Stdin: r, Terminal: true})
			if got.out != c.out || got.err != c.err || got.status != c.status {
				t.Errorf("got %q\n    %q\n    status %d", got.out, got.err, got.status)
			}
		})
	}
}

// TestArguments: what a shell's command line means, where the oracle's sh is not asked.
func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args   []string
		stdin  string
		out    string
		status int
	}{
		{[]string{"bash", "-c", "echo 'a\\tb'"}, "", "a\\tb\n", 0},
		{[]string{"sh", "-c", "echo 'a\\tb'"}, "", "a\tb\n", 0},
		{[]string{"/bin/sh", "-c", "echo $0"}, "", "/bin/sh\n", 0},
		{[]string{"bash", "-euo", "pipefail", "-c", "false | true; echo no"}, "", "", 1},
		{[]string{"bash", "-lc", "set -Eeuo pipefail; trap 'echo err' ERR; echo ok"}, "", "ok\n", 0},
		{[]string{"sh", "-Z"}, "", "", 2},
		{[]string{"sh", "-c"}, "", "", 2},
		{[]string{"sh", "-o", "nonsense"}, "", "", 2},
		{[]string{"sh", "/script", "x"}, "", "script x\n", 4},
		{[]string{"sh", "/tmp"}, "", "", 2},
		{nil, "echo piped; exit 5", "piped\n", 5},
		{[]string{"sh", "-s", "a", "b"}, "echo $# $2", "2 b\n", 0},
		{[]string{"sh"}, "echo one\nread x\nnot a command\necho $x", "one\nnot a command\n", 0},
		{[]string{"sh", "-c", "[[ a == a* ]] && a=(1 2) && echo ${a[1]} {x,y}"}, "", "2 x y\n", 0},
		{[]string{"sh", "-c", "printf -v x '%03d' 7; echo $x"}, "", "007\n", 0},
		{[]string{"sh", "-c", "echo $((RANDOM < 32768)); shopt -s nullglob; echo no*pe"}, "", "1\n\n", 0},
		{[]string{"sh", "-c", "cat < /dev/stdin"}, "through", "through", 0},
		{[]string{"sh", "-c", "type cd ls nosuch; type -t ls"}, "", "cd is a shell builtin\nls is /usr/bin/ls\nfile\n", 0},
		{[]string{"sh", "-c", "command -V ls; command -v sh ls"}, "", "ls is /usr/bin/ls\n/usr/bin/sh\n/usr/bin/ls\n", 0},
		{[]string{"sh", "-c", "umask; umask 0; umask -S; (umask 077); umask; touch /f; stat -c %a /f"}, "", "0022\nu=rwx,g=rwx,o=rwx\n0000\n666\n", 0},
	} {
		tree := newBox(t)
		if err := tree.WriteFile("/script", []byte("echo script $1; exit 4"), 0o644); err != nil {
			t.Fatal(err)
		}
		got := shellWith(t, Options{FS: tree, Args: c.args, Stdin: strings.NewReader(c.stdin)})
		if got.out != c.out || got.status != c.status {
			t.Errorf("%q: got %+v, want %q and status %d", c.args, got, c.out, c.status)
		}
	}
}

// FuzzScript: no script makes the interpreter panic in a goroutine of its own, which would end the process.
func FuzzScript(f *testing.F) {
	archives, err := filepath.Glob("testdata/oracle/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, ".sh") {
				for line := range strings.Lines(string(file.Data)) {
					f.Add(line)
				}
			}
		}
	}
	for _, text := range corners {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		tree := newBox(t)
		tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 1 << 20, Files: 200}})
		var errs bytes.Buffer
		_, err := Run(ctx, Options{FS: tree, Args: []string{"sh", "-c", "(" + text + "\n) | cat"}, Stderr: &limitedWriter{w: &errs}})
		if err != nil && ctx.Err() == nil {
			t.Errorf("%v", err)
		}
	})
}

// limitedWriter drops what goes beyond a megabyte.
type limitedWriter struct {
	w io.Writer
	n int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.n += len(p); l.n > 1<<20 {
		return len(p), nil
	}
	return l.w.Write(p)
}

func BenchmarkLoop(b *testing.B) {
	tree := newBox(b)
	b.ReportAllocs()
	for b.Loop() {
		script(b, tree, "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done")
	}
}

func BenchmarkStart(b *testing.B) {
	tree := newBox(b)
	b.ReportAllocs()
	for b.Loop() {
		script(b, tree, "mkdir -p /a/b; touch /a/b/c; rm -r /a")
	}
}
