package runtime

import (
	"bufio"
	"io"
	goruntime "runtime"
	"sync"
	"testing"
)

// A program that waits has memory of its own where it has written, and on the host little more than its stacks.
func TestPythonThatWaitsHoldsLittle(t *testing.T) {
	if upstream(engineVersion()) == engineVersion() {
		t.Skip("wazero without patches gives each instance tables of its own: go test $(internal/wazero/prepare.sh)")
	}
	const instances, most = 40, 128 << 10
	box := newPython(t)
	if _, err := run(t, box, Cmd{Args: []string{"python3", "-c", "pass"}}); err != nil {
		t.Fatal(err)
	}
	before := held()
	var running sync.WaitGroup
	var questions []io.Closer
	for range instances {
		stdin, question := io.Pipe()
		answers, stdout := io.Pipe()
		questions = append(questions, question)
		running.Go(func() {
			_, err := run(t, box, Cmd{Args: []string{"python3", "-c", "print('ready', flush=True); input()"}, Stdin: stdin, Stdout: stdout})
			stdout.CloseWithError(err)
		})
		if said, err := bufio.NewReaderSize(answers, 16).ReadString('\n'); said != "ready\n" {
			t.Fatalf("%q, %v", said, err)
		}
	}
	if each := (held() - before) / instances; each > most {
		t.Errorf("a program that waits holds %d bytes of the host's heap, more than %d", each, most)
	}
	for _, q := range questions {
		q.Close()
	}
	running.Wait()
}

// held is what the garbage collector leaves.
func held() int {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
