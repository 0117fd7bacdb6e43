package isolate

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"boxer.dev/runtime"
)

// openSession opens one of the Python base.
func openSession(t testing.TB, p *Pool, tenant string, c *runtime.Cmd) *Session {
	t.Helper()
	s, err := p.Session(t.Context(), Box{Root: openPython(t), Tenant: tenant}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// execute executes source that neither fails nor raises, and gives the value's repr.
func execute(t testing.TB, s *Session, source string, e runtime.Execution) string {
	t.Helper()
	value, err := s.Execute(t.Context(), source, e)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	if value.Exception != nil {
		t.Fatalf("%s: %s", source, value.Exception.Traceback)
	}
	return value.Repr
}

func TestPythonSessionInAWorker(t *testing.T) {
	p := newPool(t, &Pool{})
	var out bytes.Buffer
	s := openSession(t, p, "", &runtime.Cmd{
		Stdout: &out, Functions: map[string]runtime.Function{"double": double}, Files: []runtime.File{{Path: "/data/x", Data: []byte("brought")}},
	})
	if got := execute(t, s, "x = [1, 2]\nprint('so far', x)", runtime.Execution{}); got != "" || out.String() != "so far [1, 2]\n" {
		t.Errorf("%q, %q", got, out.String())
	}
	var own bytes.Buffer
	got := execute(t, s, "import boxer\nprint(input(), open('/data/x').read())\nboxer.call('double', 21), sum(x)",
		runtime.Execution{Stdin: strings.NewReader("in\n"), Stdout: &own})
	if got != "(42, 3)" || own.String() != "in brought\n" {
		t.Errorf("%q, %q", got, own.String())
	}
	value, err := s.Execute(t.Context(), "1/0", runtime.Execution{})
	if err != nil || value.Exception == nil || value.Exception.Type != "ZeroDivisionError" {
		t.Errorf("%+v, %v", value, err)
	}
	fork, err := s.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	execute(t, fork, "x.append(3); open('/data/x', 'w').write('forked')", runtime.Execution{})
	if got := execute(t, s, "len(x), open('/data/x').read()", runtime.Execution{}); got != "(2, 'brought')" {
		t.Errorf("after its fork has changed what is its own: %s", got)
	}
	if fork.hall != s.hall {
		t.Error("the fork is in another worker")
	}
	if err := fork.Close(); err != nil {
		t.Error(err)
	}
	if _, err := fork.Execute(t.Context(), "1", runtime.Execution{}); !errors.As(err, new(*runtime.SessionEndedError)) {
		t.Errorf("after it was closed: %v", err)
	}
	value, err = s.Execute(t.Context(), "raise SystemExit(3)", runtime.Execution{})
	if r := runtime.ResultOf(err); value == nil || r.Outcome != runtime.OutcomeExit || r.Status != 3 {
		t.Errorf("%+v, %v", value, err)
	}
}

func TestPythonFilesOfASessionInAWorker(t *testing.T) {
	s := openSession(t, newPool(t, &Pool{}), "", &runtime.Cmd{Limits: runtime.Limits{Writable: 1 << 20}})
	if err := s.Write("/a/b", []byte("text")); err != nil {
		t.Fatal(err)
	}
	if got := execute(t, s, "import os\nos.symlink('b', '/a/l')\nos.truncate('/a/b', 2)\nopen('/a/b').read()", runtime.Execution{}); got != "'te'" {
		t.Error(got)
	}
	file, err := s.Read("/a/b", 10)
	if err != nil || string(file.Data) != "te" || file.Dir {
		t.Errorf("%+v, %v", file, err)
	}
	dir, err := s.Read("/a", 0)
	if err != nil || !dir.Dir || len(dir.Entries) != 2 || dir.Entries[0] != (runtime.Entry{Name: "b", Size: 2}) || dir.Entries[1].Mode&fs.ModeSymlink == 0 {
		t.Errorf("%+v, %v", dir, err)
	}
	for want, try := range map[error]func() error{
		fs.ErrNotExist:        func() error { _, err := s.Read("/missing", 1); return err },
		runtime.ErrTooLarge:   func() error { _, err := s.Read("/a/b", 1); return err },
		runtime.ErrNotRegular: func() error { return s.Write("/a", nil) },
	} {
		if err := try(); !errors.Is(err, want) || !errors.As(err, new(*fs.PathError)) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := s.Read("/dev/zero", 10); !errors.Is(err, runtime.ErrNotRegular) {
		t.Errorf("a device: %v", err)
	}
	if err := s.Write("/a/full", make([]byte, 2<<20)); !errors.As(err, new(*fs.PathError)) {
		t.Errorf("beyond what may be written: %v", err)
	}
	if err := errors.Join(s.Remove("/a")); err != nil {
		t.Error(err)
	}
	if _, err := s.Read("/a/b", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it was removed: %v", err)
	}
}

// Sessions of one tenant share workers; those of two never do.
func TestPythonSessionsOfTenantsAreApart(t *testing.T) {
	p := newPool(t, &Pool{Sessions: 2})
	var sessions []*Session
	for _, tenant := range []string{"a", "a", "b", "a"} {
		sessions = append(sessions, openSession(t, p, tenant, &runtime.Cmd{}))
	}
	a, b := sessions[0].hall, sessions[2].hall
	if sessions[1].hall != a || b == a || sessions[3].hall == a || sessions[3].hall == b {
		t.Error("sessions are in each other's workers")
	}
	fork, err := sessions[0].Fork(t.Context()) // beyond the number
	if err != nil || fork.hall != a {
		t.Error(err)
	}
}

// A worker that is lost ends its sessions, of which each caller is told, and nobody else's.
func TestPythonKilledWorkerEndsItsSessions(t *testing.T) {
	p := newPool(t, &Pool{})
	begun := make(chan bool, 1)
	notify := writerFunc(func(b []byte) (int, error) { begun <- true; return len(b), nil })
	busy, idle := openSession(t, p, "a", &runtime.Cmd{Stdout: notify}), openSession(t, p, "a", &runtime.Cmd{})
	other := openSession(t, p, "b", &runtime.Cmd{})
	execute(t, other, "x = 1", runtime.Execution{})
	var executing sync.WaitGroup
	executing.Go(func() {
		value, err := busy.Execute(context.Background(), "print(1, flush=True)\nwhile True: pass", runtime.Execution{})
		if r := runtime.ResultOf(err); value == nil || r.Outcome != runtime.OutcomeKilled || !errors.As(err, new(*runtime.SessionEndedError)) {
			t.Errorf("who was executing: %+v, %v", value, err)
		}
	})
	<-begun
	if err := busy.hall.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	executing.Wait()
	value, err := idle.Execute(t.Context(), "1", runtime.Execution{})
	if value != nil || runtime.ResultOf(err).Outcome != runtime.OutcomeKilled || !errors.As(err, new(*runtime.SessionEndedError)) {
		t.Errorf("its neighbour: %+v, %v", value, err)
	}
	if _, err := idle.Fork(t.Context()); !errors.As(err, new(*WorkerError)) {
		t.Errorf("a fork of its neighbour: %v", err)
	}
	if got := execute(t, other, "x", runtime.Execution{}); got != "1" {
		t.Errorf("another tenant's: %s", got)
	}
	if got := execute(t, openSession(t, p, "a", &runtime.Cmd{}), "2", runtime.Execution{}); got != "2" {
		t.Errorf("the next one: %s", got)
	}
}

// Executions in one worker do not wait for each other, nor for those who take output slowly.
func TestPythonSlowReaderKeepsNobodyWaiting(t *testing.T) {
	p := newPool(t, &Pool{})
	reading, full := make(chan bool), make(chan bool)
	slow := openSession(t, p, "", &runtime.Cmd{Stdout: writerFunc(func(b []byte) (int, error) {
		full <- true
		<-reading
		return len(b), nil
	})})
	other := openSession(t, p, "", &runtime.Cmd{})
	if slow.hall != other.hall {
		t.Fatal("they are in two workers")
	}
	var executing sync.WaitGroup
	executing.Go(func() {
		value, err := slow.Execute(context.Background(), "for i in range(100): print('x' * 10000, flush=True)\nprint('end')\n7", runtime.Execution{})
		if err != nil || value.Repr != "7" {
			t.Errorf("%+v, %v", value, err)
		}
	})
	<-full
	for range 3 {
		execute(t, other, "sum(range(1000))", runtime.Execution{})
	}
	close(reading)
	done := make(chan bool)
	go func() { executing.Wait(); close(done) }()
	for {
		select {
		case <-full:
			continue
		case <-done:
			return
		}
	}
}

// An execution ends by its limits and its context as it does in this process.
func TestPythonExecutionInAWorkerEnds(t *testing.T) {
	p := newPool(t, &Pool{Margin: time.Minute})
	for name, test := range map[string]struct {
		source  string
		limits  runtime.Limits
		outcome runtime.Outcome
		status  int
	}{
		"timeout": {"while True: pass", runtime.Limits{Timeout: 50 * time.Millisecond}, runtime.OutcomeTimeout, 124},
		"output":  {"while True: print('x' * 1000)", runtime.Limits{Output: 100_000}, runtime.OutcomeOutputLimit, 153},
		"cpu":     {"while True: pass", runtime.Limits{CPU: 50 * time.Millisecond}, runtime.OutcomeCPULimit, 154},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s := openSession(t, p, "", &runtime.Cmd{Stdout: &out})
			_, err := s.Execute(t.Context(), test.source, runtime.Execution{Limits: test.limits})
			if r := runtime.ResultOf(err); r.Outcome != test.outcome || r.Status != test.status {
				t.Errorf("%+v, %v", r, err)
			}
			if output := test.limits.Output; output > 0 && int64(out.Len()) != output {
				t.Errorf("%d bytes were written", out.Len())
			}
		})
	}
	s := openSession(t, p, "", &runtime.Cmd{Stdout: writerFunc(func(b []byte) (int, error) { return len(b), nil })})
	ctx, cancel := context.WithCancel(t.Context())
	begun := writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })
	_, err := s.Execute(ctx, "print(1, flush=True)\nwhile True: pass", runtime.Execution{Stdout: begun})
	if runtime.ResultOf(err).Outcome != runtime.OutcomeKilled || s.hall.killed.Load() {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPythonInterruptASessionInAWorker(t *testing.T) {
	s := openSession(t, newPool(t, &Pool{}), "", &runtime.Cmd{})
	if s.Signal(runtime.Interrupt) {
		t.Error("there was nobody to tell")
	}
	told := make(chan bool, 1)
	begun := writerFunc(func(b []byte) (int, error) {
		go func() { told <- s.Signal(runtime.Interrupt) }()
		return len(b), nil
	})
	value, err := s.Execute(t.Context(), "x = 5\nprint(1, flush=True)\nwhile True: pass", runtime.Execution{Stdout: begun})
	if err != nil || value.Exception == nil || value.Exception.Type != "KeyboardInterrupt" || !<-told {
		t.Errorf("%+v, %v", value, err)
	}
	if got := execute(t, s, "x", runtime.Execution{}); got != "5" {
		t.Error(got)
	}
}

// What no memory image serves finds its program all the same: the worker is told to load it as it is.
func TestPythonWithoutTheImage(t *testing.T) {
	p, box := newPool(t, &Pool{}), Box{Root: openPython(t)}
	env := []string{"PYTHONHASHSEED=7"}
	for range 2 {
		var out bytes.Buffer
		err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"python3", "-c", "print(hash('a'))"}, Env: env, Stdout: &out})
		s := openSession(t, p, "", &runtime.Cmd{Env: env})
		if got := execute(t, s, "hash('a')", runtime.Execution{}); err != nil || got+"\n" != out.String() {
			t.Errorf("%s, %s, %v", got, &out, err)
		}
	}
}

// Halls without sessions are kept for the next one, but not many.
func TestPythonSparesAreFew(t *testing.T) {
	p := newPool(t, &Pool{})
	for _, tenant := range []string{"a", "b", "c", "d"} {
		if err := openSession(t, p, tenant, &runtime.Cmd{}).Close(); err != nil {
			t.Error(err)
		}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.halls) != maxSpares || len(p.spares) != maxSpares {
		t.Errorf("%d halls, %d spares", len(p.halls), len(p.spares))
	}
}

// BenchmarkPythonExecute is an execution of a session in a worker.
func BenchmarkPythonExecute(b *testing.B) {
	s := openSession(b, newPool(b, &Pool{}), "", &runtime.Cmd{})
	for b.Loop() {
		if got := execute(b, s, "6*7", runtime.Execution{}); got != "42" {
			b.Fatal(got)
		}
	}
}
