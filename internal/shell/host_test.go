package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"boxer.dev/internal/coreutils"
	"boxer.dev/vfs"
)

// result is what a script did.
type result struct {
	out, err string
	status   int
}

func script(t testing.TB, tree *vfs.FS, text string, env ...string) result {
	t.Helper()
	return shellWith(t, Options{FS: tree, Args: []string{"sh", "-c", text}, Env: env})
}

func shellWith(t testing.TB, o Options) result {
	t.Helper()
	var out, errs bytes.Buffer
	o.Stdout, o.Stderr = &out, &errs
	status, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return result{out.String(), errs.String(), status}
}

// A hostFile is a file that the host has and the box has not, under the same absolute path.
func hostFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.ToSlash(filepath.Join(t.TempDir(), "secret"))
	if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestHostFilesAreInvisible tries every way by which a shell looks at a file. The script must find nothing.
func TestHostFilesAreInvisible(t *testing.T) {
	name := hostFile(t, "#!/bin/sh\necho HOST\n")
	dir, base := filepath.ToSlash(filepath.Dir(name)), filepath.Base(name)
	for _, text := range []string{
		"cat " + name, "read x < " + name + "; echo $x", "x=$(<" + name + "); echo $x", ". " + name, "source " + name,
		"[ -e " + name + " ] && echo HOST", "test -f " + name + " && echo HOST", "[[ -e " + name + " ]] && echo HOST",
		"command test -e " + name + " && echo HOST", "builtin test -e " + name + " && echo HOST", "command [ -e " + name + " ] && echo HOST",
		"test -O " + name + " && echo HOST", "command test -G " + name + " && echo HOST", "test " + name + " -ef " + name + " && echo HOST",
		"[[ " + name + " -nt /nope ]] && echo HOST", "[[ -x " + name + " ]] && echo HOST", "[[ -r " + name + " ]] && echo HOST",
		"echo " + dir + "/s*t | grep -v '\\*' && echo HOST", "cd " + dir + " && echo HOST", "cd -P " + dir + " && echo HOST", "pushd " + dir + " && echo HOST",
		"command cd " + dir + " && echo HOST", "builtin cd " + dir + " && echo HOST",
		"command -v " + name + " && echo HOST", "type " + name + " && echo HOST", "builtin command -v " + name + " && echo HOST",
		"PATH=" + dir + "; command -v " + base + " && echo HOST", "PATH=" + dir + "; type " + base + " && echo HOST",
		"PATH=" + dir + "; type -p " + base + " && echo HOST", "PATH=" + dir + "; . " + base, "PATH=" + dir + "; " + base, name, "exec " + name,
		"PATH=" + dir + "; hash " + base + "; which " + base + " && echo HOST", "builtin type -P " + name + " && echo HOST",
		"eval '. " + name + "'", "eval '[ -e " + name + " ] && echo HOST'", "command eval 'command . " + name + "'",
		"trap '. " + name + "' EXIT", "alias h='. " + name + "'; shopt -s expand_aliases; h", "sh " + name, "sh -c '. " + name + "'",
		"cat < " + name, "exec < " + name + "; cat", "while read l; do echo $l; done < " + name, "mapfile x < " + name + "; echo ${x[1]}",
		"cp " + name + " /copy; cat /copy", "ln -s " + name + " /l; cat /l", "tar cf - " + name + " | tar xO", "find " + dir + " -name secret | grep secret && echo HOST",
		"cat " + dir + "/../" + filepath.Base(dir) + "/secret", "xargs -a " + name + " echo", "sed -n p " + name, "grep -r HOST " + dir,
		"PATH=$_sh_nowhere:" + dir + "; command -v " + base + " && echo HOST", "PATH=$_sh_nowhere; command -v " + name + " && echo HOST",
		"cat /proc/self/environ /proc/self/cmdline | grep -q . && echo HOST", "cat /dev/fd/7 && echo HOST",
	} {
		got := script(t, newBox(t), text)
		if strings.Contains(got.out, "HOST") {
			t.Errorf("%s\nshows the host: %q", text, got.out)
		}
	}
}

// TestHostDirectoryOfProcess: neither pwd, $PWD, relative names nor ~ lead to where boxer was started.
func TestHostDirectoryOfProcess(t *testing.T) {
	t.Chdir(filepath.Dir(hostFile(t, "HOST")))
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := script(t, newBox(t), `pwd; pwd -P; command pwd -P; builtin pwd -P; echo $PWD; cat secret; ls; echo *; [ -e secret ] && echo HOST; cd .; pwd -P`)
	if strings.Contains(got.out, "HOST") || strings.Contains(got.out, cwd) || strings.Contains(got.out, "secret") {
		t.Errorf("the host's directory shows: %q", got.out)
	}
}

// TestInterpDirStatsHost: a working directory that only the box has is fine, and one that only the host has is not.
func TestInterpDirStatsHost(t *testing.T) {
	tree := newBox(t)
	if err := tree.MkdirAll("/only/in/box", 0o755); err != nil {
		t.Fatal(err)
	}
	got := shellWith(t, Options{FS: tree, Args: []string{"sh", "-c", "pwd; pwd -P; touch here"}, Dir: "/only/in/box"})
	if want := "/only/in/box\n/only/in/box\n"; got.out != want || got.status != 0 {
		t.Errorf("got %+v, want output %q", got, want)
	}
	if _, err := tree.Stat("/only/in/box/here"); err != nil {
		t.Error(err)
	}
}

// TestHostEnvironment: no variable, user, group, process id or home directory of the host.
func TestHostEnvironment(t *testing.T) {
	t.Setenv("BOXER_HOST_SECRET", "HOST")
	t.Setenv("HOME", "/host/HOST")
	got := script(t, newBox(t), `env; set; export -p; echo "$BOXER_HOST_SECRET $HOME"; echo ~; echo $UID $EUID $GID; printenv; env -i env; sh -c env; echo ${!BOXER*}`)
	if strings.Contains(got.out, "HOST") {
		t.Errorf("the host's environment shows:\n%s", got.out)
	}
	got = shellWith(t, Options{FS: newBox(t), Args: []string{"sh", "-c", "echo $UID $EUID $GID; id -u; whoami; id -gn"}, UID: 65534, GID: 65534})
	if want := "65534 65534 65534\n65534\nnobody\nnogroup\n"; got.out != want {
		t.Errorf("user: got %q, want %q", got.out, want)
	}
	pid, ppid := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	got = script(t, newBox(t), `echo $$ ${$} $PPID ${PPID} $((PPID)) $(($$)) "$$"; eval 'echo $$ $PPID'; (echo $$); sh -c 'echo $PPID'; trap 'echo $$' EXIT
cat <<E
$$ $PPID
E
`)
	for _, word := range strings.Fields(got.out) {
		if word == pid || word == ppid {
			t.Errorf("a process id of the host shows: %q", got.out)
		}
	}
	if !strings.HasPrefix(got.out, "1 1 0 0 0 1 1\n1 0\n1\n") {
		t.Errorf("process ids: %q", got.out)
	}
}

// TestTildeReadsHostAccounts: ~user comes from the box's /etc/passwd alone.
func TestTildeReadsHostAccounts(t *testing.T) {
	tree := newBox(t)
	passwd := "root:x:0:0::/box/root:/bin/sh\nme:x:5:5::/home/$me one:/bin/sh\nquote:x:6:6::/q'$(echo HOST)':/bin/sh\n"
	if err := tree.WriteFile("/etc/passwd", []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"echo ~root": "/box/root\n", "echo ~root/x": "/box/root/x\n", "echo ~daemon": "~daemon\n", "echo ~daemon/x": "~daemon/x\n",
		"echo {~daemon,~root}":                               "~daemon ~root\n",
		"x=~daemon; echo $x":                                 "~daemon\n",
		"x=~root; echo $x":                                   "/box/root\n",
		"eval 'echo ~daemon'":                                "~daemon\n",
		"(echo ~daemon | cat)":                               "~daemon\n",
		"echo ${x:-~daemon}":                                 "~daemon\n",
		"eval 'echo ~quote'":                                 "/q'$(echo HOST)'\n",
		"echo ~me/x":                                         "/home/$me one/x\n",
		"case ~daemon in '~daemon') echo y; esac":            "y\n",
		"echo '~root' \"~root\" a~root":                      "~root ~root a~root\n",
		"cat <<E\n~root \\~x\nE":                             "~root \\~x\n",
		"alias d='echo ~daemon'; shopt -s expand_aliases\nd": "~daemon\n",
		"f() { for i in ~daemon; do echo $i; done; }; f":     "~daemon\n",
	} {
		if got := script(t, tree, text); got.out != want {
			t.Errorf("%s\ngot %q (%s), want %q", text, got.out, got.err, want)
		}
	}
}

// TestProcessSubstitutionMakesFifo: refused, with nothing left in the host's temporary directory.
func TestProcessSubstitutionMakesFifo(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, text := range []string{"cat <(echo HOST)", "echo x > >(cat)", "diff <(echo HOST) /dev/null", "eval 'cat <(echo HOST)'",
		"f() { cat <(echo HOST); }; f", "trap 'cat <(echo HOST)' EXIT", "echo $(cat <(echo HOST))", "true ${x:-<(echo HOST)}; cat <(echo HOST) | cat"} {
		got := script(t, newBox(t), text, "TMPDIR="+filepath.ToSlash(tmp))
		if strings.Contains(got.out, "HOST") || got.status == 0 && !strings.Contains(text, "trap") {
			t.Errorf("%s: %+v", text, got)
		}
		if !strings.Contains(got.err, "process substitution") {
			t.Errorf("%s: no clear message: %q", text, got.err)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in TMPDIR: %v %v", left, err)
	}
}

// TestFifoNameOpensHost: names that the interpreter takes for its own fifos open in the box.
func TestFifoNameOpensHost(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	host := filepath.Join(tmp, "sh-interp-x")
	if err := os.WriteFile(host, []byte("HOST"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{tmp, os.TempDir(), "/tmp"} {
		dir = filepath.ToSlash(dir)
		tree := newBox(t)
		if err := tree.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		got := script(t, tree, "cat < "+dir+"/sh-interp-x; echo box > "+dir+"/sh-interp-y; echo box > "+dir+"/sh-interp-x; cat "+dir+"/sh-interp-y; echo $TMPDIR", "TMPDIR="+dir)
		if got.out != "box\n"+dir+"\n" {
			t.Errorf("%s: %+v", dir, got)
		}
	}
	if data, err := os.ReadFile(host); err != nil || string(data) != "HOST" {
		t.Errorf("the host's file was written: %q %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(tmp, "sh-interp-y")); err == nil {
		t.Error("a file was made on the host")
	}
}

// TestDevices: streams by name, and no network by /dev/tcp.
func TestDevices(t *testing.T) {
	got := script(t, newBox(t), `echo a > /dev/null; cat /dev/null; echo out > /dev/stdout; echo err > /dev/stderr; echo in | cat /dev/stdin
echo x | tee /dev/stderr >/dev/null; echo t > /dev/tty; (exec 2>/dev/null; echo x > /dev/tcp/127.0.0.1/80); echo $?; cat < /dev/null; { echo q; } 2>/dev/fd/2`)
	if want := "out\nin\n1\nq\n"; got.out != want {
		t.Errorf("got %+v, want output %q", got, want)
	}
	if !strings.HasPrefix(got.err, "err\nx\n") {
		t.Errorf("stderr %q", got.err)
	}
}

// TestNoTraceOnHost: nothing is made where boxer runs, whatever a script makes.
func TestNoTraceOnHost(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	script(t, newBox(t), `echo a > file; mkdir d; touch e; cp file f; mktemp; (echo b > g) & wait; exec > h; echo i; cat <<< j | tee k`)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left on the host: %v %v", left, err)
	}
}

// TestSeededRandom: RANDOM depends on the run's entropy alone, in subshells too.
func TestSeededRandom(t *testing.T) {
	run := func(seed string) string {
		return shellWith(t, Options{FS: newBox(t), Random: strings.NewReader(seed),
			Args: []string{"sh", "-c", `echo $RANDOM $((RANDOM % 10)) $(echo $RANDOM); (echo ${RANDOM}); echo "$SRANDOM" | cat; x=$RANDOM; echo $x; mktemp -u | wc -c`}}).out
	}
	if a, b := run("seed one"), run("seed one"); a != b {
		t.Errorf("same entropy, different numbers:\n%s\n%s", a, b)
	}
	if a, b := run("seed one"), run("seed two"); a == b {
		t.Errorf("different entropy, same numbers: %s", a)
	}
}

// TestRefusals: what cannot work says so, with its line.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"true\ncat <(x)":             "sh: 2: process substitution",
		"coproc cat":                 "sh: 1: coproc",
		"select x in a; do :; done":  "sh: 1: select",
		"[[ -O /etc ]]":              "-O is not available",
		"[[ /a -ef /b ]]":            "-ef is not available",
		"test() { :; }":              "sh: 1: a function cannot be called test",
		"declare -A x=(1 2)":         "needs a key",
		"echo 'unclosed":             "sh: 1: Syntax error",
		"if true; then":              "Syntax error",
		"ulimit -n 10":               "outside the box",
		"kill -9 1":                  "no other process",
		"true\napt-get update":       "sh: 2: apt-get: not found\nhint: a box has no package manager",
		"exec 3>/x":                  "unsupported redirect fd",
		strings.Repeat("(", 2000):    "sh: ",
		strings.Repeat("if ", 20000): "sh: ",
		strings.Repeat("{ ", 600) + ":" + strings.Repeat("; }", 600): "nested too deeply",
	} {
		got := script(t, newBox(t), text)
		if got.status == 0 || !strings.Contains(got.err, want) {
			t.Errorf("%.40s: got status %d, %q; want %q", text, got.status, got.err, want)
		}
	}
}

// TestRunaway: a script that never ends, ends with its context, whatever it is doing.
func TestRunaway(t *testing.T) {
	for _, text := range []string{
		"while :; do :; done", "sleep 1000", "yes > /dev/null", "cat /dev/zero > /dev/null", "tail -f /etc/passwd; while :; do sleep 100; done",
		"yes | sleep 1000", "sleep 1000 | cat", "read x", "cat", "for i in 1; do while true; do echo; done; done", "sleep 1000 & wait",
		"f() { while :; do f2; done; }; f2() { :; }; f", "xargs -a /dev/zero", "until false; do :; done | cat", "trap 'while :; do :; done' EXIT",
		"sed ':a;ba' /etc/passwd", "find / -exec sleep 1000 \\;", "grep x /dev/zero", "sort /dev/zero", "timeout 1000 sleep 1000", "md5sum /dev/zero",
		"head -c 99999999999999 /dev/zero > /dev/null", "wc /dev/zero", "tr a b < /dev/zero > /dev/null", "seq 99999999999999 > /dev/null",
		"sh -c 'while :; do :; done'", "while read x; do :; done",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			never, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			defer never.Close()
			tree := newBox(t)
			tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 64 << 20, Files: 1000}})
			done := make(chan error, 1)
			go func() {
				_, err := Run(ctx, Options{FS: tree, Args: []string{"sh", "-c", text}, Stdin: onlyReader{never}})
				done <- err
			}()
			select {
			case err := <-done:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("still running long after its deadline")
			}
		})
	}
}

// onlyReader hides that a reader is a file.
type onlyReader struct{ io.Reader }

// TestForkBombAndRecursion end with a message, not with boxer.
func TestForkBombAndRecursion(t *testing.T) {
	for _, text := range []string{"f() { f; }; f", "f() { f | f; }; f", "f() { f & f; }; f", "f() { eval f; }; f", "f() { x=$(f); }; f",
		"echo 'sh /s' > /s; sh /s", "echo '. /s' > /s; . /s", "f() { (f); }; f", "trap f EXIT; f() { f; }; exit"} {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		var errs bytes.Buffer
		status, err := Run(ctx, Options{FS: newBox(t), Args: []string{"sh", "-c", text}, Stderr: &errs})
		cancel()
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if status == 0 && !strings.Contains(text, "trap") && !strings.Contains(text, "&") || errs.Len() == 0 {
			t.Errorf("%s: status %d, %.200q", text, status, errs.String())
		}
	}
}

// TestDeepSyntax: the parser calls itself for what is nested, and Go ends the process where its stack is full.
func TestDeepSyntax(t *testing.T) {
	for _, opener := range []string{"(", "{ ", "$((", "$(", "a[", "${a[", "f(){", "if ", "${a:-", "[[ (", "((", "<("} {
		script := strings.Repeat(opener, (maxScript-1)/len(opener))
		tree := newBox(t)
		if err := tree.WriteFile("/s", []byte("echo "+script), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := tree.WriteFile("/t", []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, c := range []Options{{Args: []string{"sh", "/s"}}, {Args: []string{"sh", "/t"}}, {Args: []string{"sh"}, Stdin: strings.NewReader(script)}} {
			var errs bytes.Buffer
			c.FS, c.Stderr = tree, &errs
			if status, err := Run(t.Context(), c); status == 0 || err != nil || errs.Len() == 0 {
				t.Errorf("%s: status %d, %v, %.200q", opener, status, err, errs.String())
			}
		}
	}
}

func TestDeepSubscript(t *testing.T) {
	var errs bytes.Buffer
	status, err := Run(t.Context(), Options{FS: newBox(t), Stderr: &errs, Args: []string{"sh", "-c",
		`a=(1); x=$(head -c 5000000 /dev/zero | tr '\0' '('); unset "a[$x]"`}})
	if status != 1 || err != nil || errs.Len() > 1000 {
		t.Errorf("status %d, %v, %.1000q", status, err, errs.String())
	}
}

// TestEndlessSubstitution: what a command prints in the place of a word is kept in memory, and has a bound.
func TestEndlessSubstitution(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, text := range []string{"x=$(yes)", "f() { yes | cat; }; echo `f`"} {
		var out, errs bytes.Buffer
		status, err := Run(ctx, Options{FS: newBox(t), Args: []string{"sh", "-c", text + "; echo on"}, Stdout: &out, Stderr: &errs})
		if err != nil || status != 2 || out.Len() > 0 || !strings.HasSuffix(errs.String(), "command substitution: more than 16 MiB of output\n") {
			t.Errorf("%s: status %d, %v, %q, %.200q", text, status, err, out.String(), errs.String())
		}
	}
}

// TestNotFound tells the caller which command was missing.
func TestNotFound(t *testing.T) {
	var names, hints []string
	got := shellWith(t, Options{FS: newBox(t), Args: []string{"sh", "-c", "gcc -c x.c || frobnicate"},
		NotFound: func(name, hint string) { names, hints = append(names, name), append(hints, hint) }})
	if got.status != 127 || strings.Join(names, " ") != "gcc frobnicate" || hints[0] != Hint("gcc") || hints[0] == "" || hints[1] != "" {
		t.Errorf("%+v %q %q", got, names, hints)
	}
}

// TestExec: commands go to the runtime with the shell's variables, directory, umask and streams.
func TestExec(t *testing.T) {
	var got []ExecRequest
	exec := func(_ context.Context, r ExecRequest) (int, error) {
		got = append(got, r)
		switch r.Args[0] {
		case "denied":
			return 0, coreutils.ErrNotExecutable
		case "missing":
			return 0, coreutils.ErrNotFound
		case "copy":
			_, err := io.Copy(r.Stdout, r.Stdin)
			return 0, err
		}
		return 7, nil
	}
	res := shellWith(t, Options{FS: newBox(t), Args: []string{"sh", "-c", `umask 077; cd /tmp; export A=1; B=2; C=3 prog "a b" c; echo $?
denied; echo $?; missing; echo $?; (umask 0; prog); echo x | copy; copy < /etc/group`}, Env: []string{"Z=z"}, Exec: exec, UID: 5})
	if want := "7\n126\n127\nx\nroot:x:0:\nnogroup:x:65534:\n"; res.out != want {
		t.Errorf("output %q, want %q", res.out, want)
	}
	if want := "sh: 2: denied: Permission denied\nsh: 2: missing: not found\n"; res.err != want {
		t.Errorf("messages %q, want %q", res.err, want)
	}
	r := got[0]
	if strings.Join(r.Args, "|") != "prog|a b|c" || strings.Join(r.Env, " ") != "A=1 C=3 OLDPWD=/ PWD=/tmp Z=z" &&
		strings.Join(r.Env, " ") != "A=1 C=3 PWD=/tmp Z=z" || r.Dir != "/tmp" || r.Umask != 0o077 || r.UID != 5 {
		t.Errorf("request %+v", r)
	}
	if got[3].Umask != coreutils.NoUmask {
		t.Errorf("umask 0 was given as %v", got[3].Umask)
	}
}
