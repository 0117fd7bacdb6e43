package isolate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"boxer.dev/runtime"
	"boxer.dev/runtime/capability"
)

// shell runs a line in the box and gives all that it prints.
func shell(ctx context.Context, p *Pool, b Box, line string, set func(*runtime.Cmd)) (string, error) {
	var out bytes.Buffer
	c := &runtime.Cmd{Args: []string{"sh", "-c", line}, Stdout: &out, Stderr: &out}
	if set != nil {
		set(c)
	}
	err := p.Run(ctx, b, c)
	return out.String(), err
}

// A run in a worker is like one in this process, as far as its caller can see.
func TestRunIsLikeOneInThisProcess(t *testing.T) {
	mounted := t.TempDir()
	if err := os.WriteFile(filepath.Join(mounted, "there"), []byte("there\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	box := newBox(t)
	p := newPool(t, &Pool{})
	here := loadHere(t, box.Root)
	for name, c := range map[string]runtime.Cmd{
		"output":              {Args: []string{"sh", "-c", "cat /hello; cat /missing; exit 3"}},
		"pipes":               {Args: []string{"sh", "-c", "cat /hello | tr h j | sort"}},
		"carried input":       {Args: []string{"cat"}, Stdin: strings.NewReader("input")},
		"framed input":        {Args: []string{"sh", "-c", "read a; echo $a; cat"}, Stdin: io.MultiReader(strings.NewReader("one\nt"), strings.NewReader("wo\n"))},
		"long output":         {Args: []string{"sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo 0123456789 0123456789 $i; i=$((i+1)); done"}},
		"words":               {Args: []string{"sh", "-c", "echo $A $0 $1; pwd", "zero", "one"}, Env: []string{"A=b c"}, Dir: "/x"},
		"entrypoint":          {Entrypoint: []string{"echo", "-n"}, Args: []string{"a"}},
		"empty entrypoint":    {Entrypoint: []string{}, Args: []string{"echo", "b"}},
		"no command":          {},
		"not found":           {Args: []string{"gcc"}},
		"not executable":      {Args: []string{"/hello"}},
		"output limit":        {Args: []string{"sh", "-c", "while :; do echo yes; done"}, Limits: runtime.Limits{Output: 1000}},
		"timeout":             {Args: []string{"sleep", "60"}, Limits: runtime.Limits{Timeout: 50 * time.Millisecond}},
		"read-only":           {Args: []string{"touch", "/a"}, Limits: runtime.Limits{ReadOnly: true}},
		"written bytes":       {Args: []string{"sh", "-c", "while :; do cat /hello >> /f || exit 1; done"}, Limits: runtime.Limits{Writable: 1000}},
		"fixed clock":         {Args: []string{"date"}, Limits: runtime.Limits{FixedClock: true}},
		"mount":               {Args: []string{"sh", "-c", "cat /m/there; echo new > /m/new; mv /m/new /m/newer; ls /m"}, Mounts: []runtime.Mount{{Source: mounted, Target: "/m"}}},
		"read-only mount":     {Args: []string{"sh", "-c", "cat /m/there; echo new > /m/never"}, Mounts: []runtime.Mount{{Source: mounted, Target: "/m", ReadOnly: true}}},
		"mounted file":        {Args: []string{"cat", "/f"}, Mounts: []runtime.Mount{{Source: filepath.Join(mounted, "there"), Target: "/f", ReadOnly: true}}},
		"mount not there":     {Args: []string{"true"}, Mounts: []runtime.Mount{{Source: filepath.Join(mounted, "not"), Target: "/f"}}},
		"relative mountpoint": {Args: []string{"true"}, Mounts: []runtime.Mount{{Source: mounted, Target: "f"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var outputs [2]string
			var results [2]runtime.Result
			for i, run := range []func(*runtime.Cmd) error{
				func(c *runtime.Cmd) error { return here.Run(t.Context(), c) },
				func(c *runtime.Cmd) error { return p.Run(t.Context(), box, c) },
			} {
				var out, errors bytes.Buffer
				c := c
				if seeker, ok := c.Stdin.(io.Seeker); ok {
					seeker.Seek(0, io.SeekStart)
				} else if c.Stdin != nil {
					c.Stdin = io.MultiReader(strings.NewReader("one\nt"), strings.NewReader("wo\n"))
				}
				c.Stdout, c.Stderr = &out, &errors
				results[i] = runtime.ResultOf(run(&c))
				outputs[i] = out.String() + "|" + errors.String()
			}
			if outputs[0] != outputs[1] || results[0] != results[1] {
				t.Errorf("in this process %.500q, %+v;\nin a worker %.500q, %+v", outputs[0], results[0], outputs[1], results[1])
			}
		})
	}
}

// A worker that is started for a run which cannot even begin says why, and has the next one.
func TestFailureComesFirst(t *testing.T) {
	for name, c := range map[string]runtime.Cmd{
		"no command":   {},
		"unknown user": {Args: []string{"true"}, User: "nemo"},
		"not found":    {Args: []string{"gcc"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, box := newPool(t, &Pool{Workers: 1}), newBox(t)
			failing := c
			if got := runtime.ResultOf(p.Run(t.Context(), box, &failing)); got.Outcome == runtime.OutcomeKilled || got.Outcome == runtime.OutcomeOK {
				t.Errorf("the run ended as %+v", got)
			}
			if err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"true"}}); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// Files that are standard streams are passed on: what a worker writes to them takes no detour.
func TestFilesArePassed(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fmt.Fprint(w, "input")
	w.Close()
	p := newPool(t, &Pool{})
	if err := p.Run(t.Context(), newBox(t), &runtime.Cmd{Args: []string{"cat"}, Stdin: r, Stdout: file}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file.Name()); string(text) != "input" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// only gives the only worker of a pool.
func only(t *testing.T, p *Pool) *os.Process {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for w := range p.open {
		return w.process.Process
	}
	t.Fatal("there is no worker")
	return nil
}

// begun starts a run that prints something and then waits, and returns when it has printed.
func begun(t *testing.T, ctx context.Context, p *Pool, b Box, set func(*runtime.Cmd)) (end <-chan error) {
	t.Helper()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	c := &runtime.Cmd{Args: []string{"sh", "-c", "echo begun; sleep 1000"}, Stdout: w}
	if set != nil {
		set(c)
	}
	go func() { ended <- p.Run(ctx, b, c) }()
	if _, err := io.ReadFull(r, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	return ended
}

func TestWorkerThatIsKilledCostsItsRun(t *testing.T) {
	box, p := newBox(t), newPool(t, &Pool{Workers: 1})
	ended := begun(t, t.Context(), p, box, nil)
	waiting := make(chan error, 1)
	go func() {
		_, err := shell(t.Context(), p, box, "exit 7", nil)
		waiting <- err
	}()
	only(t, p).Kill()
	err := <-ended
	var lost *WorkerError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("the run ended with %v", err)
	}
	if r := runtime.ResultOf(err); r.Outcome != runtime.OutcomeKilled || r.Status != statusKilled {
		t.Errorf("its result is %+v", r)
	}
	if err := <-waiting; runtime.ExitStatus(err) != 7 {
		t.Errorf("the next run ended with %v", err)
	}
}

// A worker that died while it had nothing to do costs nothing: the run begins elsewhere.
func TestWorkerThatDiedIdleCostsNothing(t *testing.T) {
	box, p := newBox(t), newPool(t, &Pool{Workers: 1})
	for range 3 {
		if out, err := shell(t.Context(), p, box, "cat /hello", nil); out != "hello\n" || err != nil {
			t.Fatalf("%q, %v", out, err)
		}
		p.mutex.Lock()
		for w := range p.open {
			w.process.Process.Kill()
			<-w.dead // not before it is gone can it be told that it has read nothing
		}
		p.mutex.Unlock()
	}
}

// stop stops a process, and waits until none of its threads goes on.
func stop(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for going := true; going; {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("the process has %d threads, %v", len(threads), err)
		}
		going = slices.ContainsFunc(threads, func(name string) bool {
			stat, _ := os.ReadFile(name) // proc_pid_stat(5): the state comes behind the name, which is in parentheses
			_, rest, _ := bytes.Cut(stat, []byte(") "))
			return !bytes.HasPrefix(rest, []byte("T"))
		})
	}
}

func TestWorkerThatDoesNotAnswerIsKilled(t *testing.T) {
	for name, test := range map[string]struct {
		limits runtime.Limits
		own    string // of the box
		cancel bool
	}{
		"deadline":               {limits: runtime.Limits{Timeout: 300 * time.Millisecond}},
		"the box's own deadline": {own: "timeout=300ms"},
		"cancel":                 {cancel: true},
	} {
		t.Run(name, func(t *testing.T) {
			box, p := newBox(t), newPool(t, &Pool{Workers: 1, Margin: 50 * time.Millisecond})
			if test.own != "" {
				box.Root.Config.Config.Labels = map[string]string{capability.LimitLabel: test.own}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := begun(t, ctx, p, box, func(c *runtime.Cmd) { c.Limits = test.limits })
			stop(t, only(t, p))
			if test.cancel {
				cancel()
			}
			err := <-ended
			if r := runtime.ResultOf(err); r.Outcome != runtime.OutcomeKilled || !strings.Contains(r.Message, "killed with its worker") {
				t.Errorf("%+v", r)
			}
			if out, err := shell(t.Context(), p, box, "cat /hello", nil); out != "hello\n" || err != nil {
				t.Errorf("the next run: %q, %v", out, err)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	box, p := newBox(t), newPool(t, &Pool{Workers: 1, Margin: time.Minute})
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := begun(t, ctx, p, box, nil)
	worker := only(t, p)
	cancel(&runtime.KilledError{Reason: "no longer wanted", Status: 99})
	if r := runtime.ResultOf(<-ended); r.Outcome != runtime.OutcomeKilled || r.Status != 99 {
		t.Errorf("%+v", r)
	}
	if _, err := shell(t.Context(), p, box, "true", nil); err != nil || only(t, p) != worker {
		t.Errorf("the worker was not kept, or: %v", err)
	}
}

// Runs whose workers are killed are lost, others are not; and nothing is left behind.
func TestManyRunsAndRandomKills(t *testing.T) {
	box := newBox(t)
	p := newPool(t, &Pool{Workers: 4})
	before := descriptorsOpen(t)
	stop, killing := make(chan struct{}), sync.WaitGroup{}
	killing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			p.mutex.Lock()
			for w := range p.open { // any
				w.process.Process.Kill()
				break
			}
			p.mutex.Unlock()
		}
	})
	var runs sync.WaitGroup
	var mutex sync.Mutex
	done, lost := 0, 0
	for i := range 100 {
		runs.Go(func() {
			want := strconv.Itoa(i) + "\n"
			out, err := shell(t.Context(), p, box, "sleep 0.01; echo "+want, nil)
			mutex.Lock()
			defer mutex.Unlock()
			var gone *WorkerError
			switch {
			case errors.As(err, &gone):
				lost++
			case err != nil || out != want:
				t.Errorf("run %d: %q, %v", i, out, err)
			default:
				done++
			}
		})
	}
	runs.Wait()
	close(stop)
	killing.Wait()
	if done+lost != 100 || done == 0 {
		t.Errorf("%d runs done, %d lost with their workers", done, lost)
	}
	p.Close()
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
	if after := descriptorsOpen(t); after > before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

func descriptorsOpen(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// children are the processes that this one has started and that have not ended.
func children(t *testing.T) []string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // threads come and go
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

// Workers go with the process that started them, however that ends.
func TestWorkersDieWithTheirParent(t *testing.T) {
	if os.Getenv("BOXER_TEST_PARENT") != "" {
		p := &Pool{}
		begun(t, t.Context(), p, newBox(t), nil)
		fmt.Printf("worker %d\n", only(t, p).Pid)
		select {}
	}
	parent := exec.Command("/proc/self/exe", "-test.run=^TestWorkersDieWithTheirParent$", "-test.v")
	parent.Env = append(os.Environ(), "BOXER_TEST_PARENT=1", "TMPDIR="+t.TempDir()) // where what it leaves goes with the test
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for line := ""; pid == 0; {
		if _, err := fmt.Fscanln(out, &line, &pid); err == io.EOF {
			t.Fatal("the parent ended")
		}
	}
	// The thread of ours that waits for a process does so for any that is handed to it.
	worker, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	parent.Process.Kill()
	parent.Wait()
	for deadline := time.Now().Add(10 * time.Second); alive(worker); {
		if time.Now().After(deadline) {
			t.Fatalf("the worker %d is alive", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

// alive is whether a process is there and not a zombie that nobody has waited for.
func alive(p *os.Process) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// Tenants share no worker.
func TestTenantsAreApart(t *testing.T) {
	box, p := newBox(t), newPool(t, &Pool{})
	for _, tenant := range []string{"a", "b", "a", "b"} {
		box.Tenant = tenant
		if _, err := shell(t.Context(), p, box, "true", nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.open) != 2 {
		t.Errorf("two tenants had %d workers", len(p.open))
	}
}

// Functions are called where the command was made.
func TestPythonFunctionsCross(t *testing.T) {
	p := newPool(t, &Pool{})
	var out bytes.Buffer
	err := p.Run(t.Context(), Box{Root: openPython(t)}, &runtime.Cmd{
		Args: []string{"python3", "-c", "import boxer; print(boxer.call('double', 21))"}, Stdout: &out, Stderr: &out,
		Functions: map[string]runtime.Function{"double": double},
	})
	if out.String() != "42\n" || err != nil {
		t.Errorf("%q, %v", out.String(), err)
	}
}
