package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func openSession(t testing.TB, box *Box, c Cmd) *Session {
	t.Helper()
	s, err := box.Session(t.Context(), &c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// said is what an execution gave in one line: the value as Python and JSON have it, or the exception.
func said(t testing.TB, s *Session, source string) string {
	t.Helper()
	v, err := s.Execute(t.Context(), source, Execution{})
	switch {
	case err != nil:
		return err.Error()
	case v.Exception != nil:
		return v.Exception.Error()
	case v.JSON != nil:
		return v.Repr + " " + string(v.JSON)
	}
	return v.Repr
}

func TestPythonSession(t *testing.T) {
	_, box := pythonPool(t)
	s := openSession(t, box, Cmd{Functions: lending(), Stdin: strings.NewReader("typed\nmore\n")})
	for _, step := range []struct{ source, want string }{
		{"x = 1", ""},
		{"x += 1\nx", "2 2"},
		{"'é' + chr(0xdc80)", `'é\udc80' "\u00e9\udc80"`},
		{"{1: (2, 3)}", `{1: (2, 3)} {"1": [2, 3]}`},
		{"object", "<class 'object'>"},
		{"float('nan')", "nan"},
		{"None", ""},
		{"", ""},
		{"# nothing", ""},
		{"def f(n):\n    return n * x", ""},
		{"f(21); f(22)", "44 44"},
		{"for i in range(3): i", ""},
		{"class A:\n    def __repr__(self): raise ValueError('no')\nA()", "ValueError: no"},
		{"1/0", "ZeroDivisionError: division by zero"},
		{"raise KeyboardInterrupt", "KeyboardInterrupt"},
		{"import json; json.loads('{')", "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"},
		{"x = = 1", "SyntaxError: invalid syntax (<input 17>, line 1)"},
		{"def g(): await 1", "SyntaxError: 'await' outside async function (<input 18>, line 1)"},
		{"import asyncio\nasync def a(): await asyncio.sleep(0); return x", ""},
		{"await a()", "2 2"},
		{"task = asyncio.create_task(a())", "RuntimeError: no running event loop"},
		{"await asyncio.gather(a(), a())", "[2, 2] [2, 2]"},
		{"import boxer; boxer.call('add', x, 5)", "7 7"},
		{"await boxer.acall('add', x, 6)", "8 8"},
		{"input()", `'typed' "typed"`},
		{"__name__, __import__('sys').argv", `('__main__', ['']) ["__main__", [""]]`},
		{"import sys; sys.path[0]", `'' ""`},
		{"from dataclasses import dataclass\n@dataclass\nclass P: x: int\nP(1)", "P(x=1)"},
	} {
		if diff := cmp.Diff(step.want, said(t, s, step.source)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", step.source, diff)
		}
	}
}

func TestPythonSessionTraceback(t *testing.T) {
	_, box := pythonPool(t)
	s := openSession(t, box, Cmd{})
	said(t, s, "def f():\n    return 1/0")
	v, err := s.Execute(t.Context(), "f()", Execution{})
	if err != nil {
		t.Fatal(err)
	}
	want := `Traceback (most recent call last):
  File "<input 2>", line 1, in <module>
    f()
    ~^^
  File "<input 1>", line 2, in f
    return 1/0
           ~^~
ZeroDivisionError: division by zero
`
	if diff := cmp.Diff(want, v.Exception.Traceback); diff != "" {
		t.Error(diff)
	}
}

// Output goes to the streams of the execution, line by line.
func TestPythonSessionStreams(t *testing.T) {
	_, box := pythonPool(t)
	var own, out, errors strings.Builder
	s := openSession(t, box, Cmd{Stdout: &own})
	if _, err := s.Execute(t.Context(), "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c', end='')", Execution{Stdout: &out, Stderr: &errors}); err != nil {
		t.Fatal(err)
	}
	said(t, s, "print('d'); import os; os.write(1, b'raw')")
	if out.String() != "a\nc" || errors.String() != "b\n" || own.String() != "d\nraw" {
		t.Errorf("%q %q %q", out.String(), errors.String(), own.String())
	}
	v, err := s.Execute(t.Context(), "input()", Execution{Stdin: strings.NewReader("another\n")})
	if err != nil || v.Repr != "'another'" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestPythonSessionEnds(t *testing.T) {
	_, box := pythonPool(t)
	for source, want := range map[string]string{
		"import atexit, sys; atexit.register(print, 'bye'); sys.exit(3)": "bye\nthe session has ended with status 3",
		"exit()":                                   "the session has ended with status 0",
		"import sys; sys.exit('why')":              "why\nthe session has ended with status 1",
		"import os; os._exit(4)":                   "the session has ended with status 4",
		"import os; os.kill(os.getpid(), 15)":      "the session has ended with status 143",
		"while True: pass":                         "the session has ended: the run was ended: it took longer than timeout=200ms",
		"while True: print('x' * 1000)":            "the session has ended: the run was ended: it wrote more than output=1000000",
		"import time; time.sleep(100)":             "the session has ended: the run was ended: it took longer than timeout=200ms",
		"import boxer; boxer.call('deaf')":         "the session has ended: the run was ended: it took longer than timeout=200ms",
		"import gc; gc.get_objects()[0]; None":     "None",
		"x = bytearray(100 << 20)":                 "MemoryError",
		"open('/tmp/x', 'wb').write(b'x' * 10**7)": "OSError: [Errno 51] No space left on device",
	} {
		var out strings.Builder
		s := openSession(t, box, Cmd{
			Stdout: &out, Stderr: &out, Functions: lending(),
			Limits: Limits{Timeout: 200 * time.Millisecond, Output: 1_000_000, Memory: 64 << 20, Writable: 1 << 20},
		})
		got := said(t, s, source)
		if got == "" {
			got = "None"
		}
		if said := out.String(); len(said) < 100 {
			got = said + got
		}
		if got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
		if ended := s.Ended(); ended != nil {
			if again := said(t, s, "1"); again != ended.Error() {
				t.Errorf("%s: then %q", source, again)
			}
		} else if again := said(t, s, "1"); again != "1 1" {
			t.Errorf("%s: then %q", source, again)
		}
	}
}

// A session outlives an interrupt, and limits that programs are told of.
func TestPythonSessionInterrupted(t *testing.T) {
	_, box := pythonPool(t)
	started := newTrigger("go\n")
	s := openSession(t, box, Cmd{Stdout: started, Grace: time.Minute, Limits: Limits{Timeout: time.Minute}})
	if s.Signal(Interrupt) {
		t.Error("an idle session takes signals")
	}
	go func() {
		<-started.pulled
		s.Signal(Interrupt)
	}()
	if got := said(t, s, "x = 1\nprint('go')\nwhile True: pass"); got != "KeyboardInterrupt" {
		t.Error(got)
	}
	v, err := s.Execute(t.Context(), "while True: pass", Execution{Limits: Limits{Timeout: time.Millisecond}})
	if err != nil || v.Exception == nil || v.Exception.Type != "TimeoutError" {
		t.Errorf("%+v, %v", v, err)
	}
	if got := said(t, s, "x"); got != "1 1" {
		t.Error(got)
	}
}

func TestPythonSessionLimits(t *testing.T) {
	_, box := pythonPool(t)
	s := openSession(t, box, Cmd{CountFuel: true, Limits: Limits{Fuel: 1e9}})
	first, err := s.Execute(t.Context(), "sum(range(1000))", Execution{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Execute(t.Context(), "sum(range(1000))", Execution{})
	if err != nil || first.Fuel == 0 || second.Fuel > 2*first.Fuel {
		t.Errorf("fuel %d, then %d, %v", first.Fuel, second.Fuel, err)
	}
	v, err := s.Execute(t.Context(), "'x' * 100", Execution{MaxResult: 10})
	if err != nil || v.Repr != "'xxxxxxxxx" || v.JSON != nil || !v.Truncated {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = s.Execute(t.Context(), "while True: pass", Execution{Limits: Limits{Fuel: 1e7}})
	if !errors.Is(err, ErrOutOfFuel) {
		t.Error(err)
	}
	if _, err := box.Session(t.Context(), &Cmd{Args: []string{"sh"}}); err == nil {
		t.Error("the shell holds a session")
	}
	if _, err := box.Session(t.Context(), &Cmd{Args: []string{"nothing"}}); err == nil {
		t.Error("nothing holds a session")
	}
}

// An interpreter that cannot begin as a memory image holds sessions, too, and forks.
func TestPythonSessionWithoutImage(t *testing.T) {
	_, box := pythonPool(t)
	s := openSession(t, box, Cmd{Args: []string{"python3", "-O"}})
	if got := said(t, s, "assert False\nx = [1]\n__debug__"); got != "False false" {
		t.Error(got)
	}
	f, err := s.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := said(t, f, "x.append(2); x"); got != "[1, 2] [1, 2]" {
		t.Error(got)
	}
	if got := said(t, s, "x"); got != "[1] [1]" {
		t.Error(got)
	}
}

// Whatever one of two does after a fork cannot be seen by the other; random numbers differ (hyperlight #1745).
func TestPythonSessionFork(t *testing.T) {
	_, box := pythonPool(t)
	s := openSession(t, box, Cmd{Functions: lending()})
	said(t, s, "x = [1]; big = bytearray(30 << 20); big[::4096] = b'x' * len(big[::4096])") // memory grows
	said(t, s, "import random, os, time, sqlite3; r = random.Random(); random.random(); t = time.monotonic()")
	said(t, s, "f = open('/tmp/f', 'w+'); f.write('abc'); f.flush(); os.mkdir('/tmp/d'); os.chdir('/tmp/d')")
	said(t, s, "db = sqlite3.connect('/tmp/db'); db.execute('create table t(x)'); db.commit()")
	f, err := s.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, step := range []struct {
		in           *Session
		source, want string
	}{
		{f, "x.append(2); f.write('in fork'); f.flush(); open('/tmp/new', 'w').close(); sum(big) == 120 * len(big[::4096])", "True true"},
		{s, "x, os.path.exists('/tmp/new'), open('/tmp/f').read(), f.tell()", `([1], False, 'abc', 3) [[1], false, "abc", 3]`},
		{s, "x.append(3); f.write('in original'); f.close(); os.remove('/tmp/f')", ""},
		{f, "x, f.tell(), open('/tmp/f').read(), os.getcwd()", `([1, 2], 10, 'abcin fork', '/tmp/d') [[1, 2], 10, "abcin fork", "/tmp/d"]`},
		{f, "time.monotonic() >= t", "True true"},
		{f, "db.execute('insert into t values (1)'); db.commit(); db.execute('select * from t').fetchall()", "[(1,)] [[1]]"},
		{s, "db.execute('select * from t').fetchall()", "[] []"},
		{f, "import boxer; boxer.call('add', 1, 2)", "3 3"},
	} {
		if diff := cmp.Diff(step.want, said(t, step.in, step.source)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", step.source, diff)
		}
	}
	for _, draw := range []string{"random.random()", "r.random()", "os.urandom(8)", "db.execute('select random()').fetchone()"} {
		if a, b := said(t, s, draw), said(t, f, draw); a == b {
			t.Errorf("both draw %s by %s", a, draw)
		}
	}
	s.Close()
	if got := said(t, f, "x"); got != "[1, 2] [1, 2]" {
		t.Errorf("when the original is gone: %s", got)
	}
	if _, err := s.Fork(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestPythonSessionFiles(t *testing.T) {
	_, box := pythonPool(t)
	s := openSession(t, box, Cmd{Dir: "/work"})
	if err := s.FS().WriteFile("/work/in.txt", []byte("from outside"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := said(t, s, "open('in.txt').read()"); !strings.HasPrefix(got, "'from outside'") {
		t.Error(got)
	}
	said(t, s, "open('out.txt', 'w').write('from inside')")
	if got, err := s.FS().ReadFile("/work/out.txt"); string(got) != "from inside" {
		t.Errorf("%q, %v", got, err)
	}
}

// Instances of sessions go back to the pool, and nothing of a session to the next.
func TestPythonSessionLeavesNothing(t *testing.T) {
	e, box := pythonPool(t)
	for range 5 {
		s := openSession(t, box, Cmd{})
		if got := said(t, s, "sorted(n for n in globals() if n[0] != '_')"); got != "[] []" {
			t.Error(got)
		}
		said(t, s, "left = 1; import builtins; builtins.left = 2; open('/tmp/left', 'w').close()")
		s.Close()
		checkPools(t, e)
		if got := python(t, box, Cmd{}, true, "-c", "import os, builtins; print(hasattr(builtins, 'left'), os.listdir('/tmp'))"); got != "False []\n<nil>" {
			t.Error(got)
		}
	}
	if !checkPools(t, e) {
		t.Error("no instance was ever kept")
	}
}

// Many sessions at the same time, each with what is its own; calls of one wait for each other.
func TestPythonManySessions(t *testing.T) {
	_, box := pythonPool(t)
	const many = 1000
	sessions := make([]*Session, many)
	for i := range sessions {
		sessions[i] = openSession(t, box, Cmd{})
		said(t, sessions[i], fmt.Sprintf("x = %d", i))
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := worker; i < many; i += 2 {
				if got, want := said(t, sessions[i], "x"), fmt.Sprintf("%d %d", i, i); got != want {
					t.Errorf("session %d has %s", i, got)
				}
			}
		})
	}
	group.Wait()
}

func TestPythonSessionWaitsForItsTurn(t *testing.T) {
	_, box := pythonPool(t)
	started := newTrigger("go\n")
	s := openSession(t, box, Cmd{Stdout: started})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Execute(ctx, "print('go')\nwhile True: pass", Execution{})
		done <- err
	}()
	<-started.pulled
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Execute(impatient, "1", Execution{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func BenchmarkPythonSession(b *testing.B) {
	_, box := pythonPool(b)
	s := openSession(b, box, Cmd{})
	said(b, s, "x = 1")
	b.Run("execute", func(b *testing.B) {
		for b.Loop() {
			said(b, s, "x + 1")
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s, err := box.Session(b.Context(), &Cmd{})
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
	b.Run("fork", func(b *testing.B) {
		for b.Loop() {
			f, err := s.Fork(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
}
