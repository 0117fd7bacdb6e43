package isolate

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"boxer.dev/runtime"
)

func TestPythonRunsInAWorker(t *testing.T) {
	p := newPool(t, &Pool{})
	var out bytes.Buffer
	err := p.Run(context.Background(), Box{Root: openPython(t)}, &runtime.Cmd{
		Args: []string{"python3", "-c", "print(input()[::-1]); raise SystemExit(3)"}, Stdin: bytes.NewReader([]byte("olleh\n")), Stdout: &out, Stderr: &out,
	})
	if out.String() != "hello\n" || runtime.ExitStatus(err) != 3 {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func double(_ context.Context, arguments json.RawMessage) (any, error) {
	var numbers []int
	if err := json.Unmarshal(arguments, &numbers); err != nil {
		return nil, err
	}
	return numbers[0] * 2, nil
}
