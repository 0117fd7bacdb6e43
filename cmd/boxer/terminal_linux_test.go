package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal (pty(7)) and returns both of its ends.
func openTerminal(t *testing.T, columns, rows uint16) (outer, inner *os.File) {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outer.Close() })
	number, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0),
		unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
	if err != nil {
		t.Fatal(err)
	}
	inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	return outer, inner
}

// onTerminal is a boxer process whose standard error is a terminal, which it is controlled by.
func onTerminal(t *testing.T, dir string, env []string, args ...string) (*exec.Cmd, *os.File) {
	t.Helper()
	outer, inner := openTerminal(t, 90, 24)
	return controlled(t, inner, nil, dir, env, args), outer
}

// controlled starts a boxer process that is controlled by a terminal, of which it has standard input and error.
func controlled(t *testing.T, inner, stdout *os.File, dir string, env, args []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, args...)
	command.Args[0] = "boxer" // by which TestMain knows what to be
	command.Dir = dir
	command.Env = append(os.Environ(), "BOXER_HOME="+filepath.Join(t.TempDir(), "home"), "TERM=xterm", "LC_ALL=C.UTF-8", "NO_COLOR=")
	command.Env = append(command.Env, env...)
	command.Stdin, command.Stderr = inner, inner
	if stdout != nil {
		command.Stdout = stdout
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	inner.Close()
	return command
}

// shown reads all that a terminal was sent, until nobody has it open (EIO).
func shown(t *testing.T, terminal io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	return string(text)
}

func writeProject(t *testing.T, boxfile string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Boxfile"), []byte(boxfile), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

var sequences = regexp.MustCompile(`\x1b\[[?0-9;]*[A-Za-z]`)

// TestTerminalBuild: a build on a terminal draws, with nothing of a step's own control characters, and leaves it as it was.
func TestTerminalBuild(t *testing.T) {
	dir := writeProject(t, "FROM scratch\nRUN printf '\\033[2J\\033]0;owned\\007working\\n' && echo done > file\n")
	command, terminal := onTerminal(t, dir, nil, "build", "-t", "app", ".")
	text := shown(t, terminal)
	if err := command.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"[+] Building ", "(1/1) FINISHED", " => [1/1] RUN printf", "built app "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	for _, bad := range []string{"\x1b[2J", "\x1b]0", "\a"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q in %q", bad, text)
		}
	}
	checkRestored(t, text)
}

// checkRestored holds that cursor and wrapping were turned on after they were last turned off.
func checkRestored(t *testing.T, text string) {
	t.Helper()
	for _, mode := range []string{"?25", "?7"} {
		if strings.LastIndex(text, "\x1b["+mode+"h") < strings.LastIndex(text, "\x1b["+mode+"l") {
			t.Errorf("mode %s is left off: %q", mode, text)
		}
	}
}

// TestTerminalInterrupted: Ctrl-C in the middle of a step leaves the terminal as it was.
func TestTerminalInterrupted(t *testing.T) {
	dir := writeProject(t, "FROM scratch\nRUN echo waiting && while :; do sleep 0.1; done\n")
	command, terminal := onTerminal(t, dir, nil, "build", ".")
	text := await(t, terminal, "# waiting")
	typed(t, terminal, "\x03")
	text += shown(t, terminal)
	if err := command.Wait(); err == nil {
		t.Errorf("the build went on\n%s", text)
	}
	checkRestored(t, text)
}

// await reads what a terminal is sent until a text has come.
func await(t *testing.T, terminal io.Reader, want string) string {
	t.Helper()
	var text strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(text.String(), want) {
		n, err := terminal.Read(buffer)
		if text.Write(buffer[:n]); err != nil {
			t.Fatalf("%v\n%s", err, &text)
		}
	}
	return text.String()
}

func typed(t *testing.T, terminal *os.File, keys string) {
	t.Helper()
	if _, err := terminal.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// TestPythonTerminal: Ctrl-C ends what was typed at Python's prompt, not Python, behind a second wall, too.
func TestPythonTerminal(t *testing.T) {
	for name, options := range map[string][]string{"here": {"-it"}, "isolated": {"-it", "--isolate"}} {
		t.Run(name, func(t *testing.T) {
			outer, inner := openTerminal(t, 90, 24)
			command := controlled(t, inner, inner, t.TempDir(), nil, slices.Concat([]string{"run"}, options, []string{"python:3.13"}))
			await(t, outer, ">>> ")
			typed(t, outer, "print('turn' + 'ing'); exec('while True: pass')\n")
			await(t, outer, "turning\r\n")
			typed(t, outer, "\x03")
			await(t, outer, "KeyboardInterrupt")
			typed(t, outer, "print(6 * 7)\n")
			await(t, outer, "42\r\n")
			typed(t, outer, "\x04")
			text := shown(t, outer)
			if err := command.Wait(); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

// TestTerminalModes: what the environment says of a terminal is heeded.
func TestTerminalModes(t *testing.T) {
	dir := writeProject(t, "FROM scratch\nRUN echo é\n")
	for _, test := range []struct {
		name, variable string
		args           []string
		want, bad      string
	}{
		{"colours", "NO_COLOR=", nil, "\x1b[34m", ""},
		{"NO_COLOR", "NO_COLOR=1", nil, "[1/1] RUN echo é", "\x1b[34m"},
		{"TERM=dumb", "TERM=dumb", nil, "#1 [1/1] RUN echo", "\x1b"},
		{"no UTF-8", "LC_ALL=C", nil, "[1/1] RUN echo ?", "é"},
		{"plain", "X=", []string{"--progress", "plain"}, "#1 DONE", "\x1b"},
		{"quiet", "X=", []string{"-q"}, "", "RUN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			command, terminal := onTerminal(t, dir, []string{test.variable}, append([]string{"build", "."}, test.args...)...)
			text := shown(t, terminal)
			if err := command.Wait(); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			if !strings.Contains(text, test.want) {
				t.Errorf("no %q in %q", test.want, text)
			}
			if test.bad != "" && strings.Contains(text, test.bad) {
				t.Errorf("%q in %q", test.bad, text)
			}
		})
	}
}

// TestTerminalFailure: the output of a failed command is on the screen once when all is over, and the error below it.
func TestTerminalFailure(t *testing.T) {
	dir := writeProject(t, "FROM scratch\nRUN echo it breaks && exit 3\n")
	command, terminal := onTerminal(t, dir, nil, "build", ".")
	text := shown(t, terminal)
	if err := command.Wait(); err == nil {
		t.Error("it succeeds")
	}
	last := sequences.ReplaceAllString(text[strings.LastIndex(text, "[+] Building"):], "")
	if n := strings.Count(last, "it breaks\r\n"); n != 1 {
		t.Errorf("%d times at the end:\n%s", n, last)
	}
	for _, want := range []string{"FAILED", "ERROR [1/1] RUN", "boxer: error: Boxfile:2: RUN:", "exit status 3", "     2 | >>> RUN echo"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in\n%s", want, last)
		}
	}
}

// TestNoArchiveOnTerminal: whatever the terminal is called.
func TestNoArchiveOnTerminal(t *testing.T) {
	dir := writeProject(t, "FROM scratch\n")
	command, terminal := onTerminal(t, dir, nil, "build", "-o", "type=oci,dest=/dev/tty", ".")
	text := shown(t, terminal)
	if err := command.Wait(); err == nil || !strings.Contains(text, "an archive does not belong on a terminal") {
		t.Errorf("%v, %q", err, text)
	}
}
