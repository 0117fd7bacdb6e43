package isolate

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"boxer.dev/runtime"
)

// script is a link whose other end says what it was given, whatever it is asked.
type script struct{ frames [][]byte }

func (s *script) sendFrame(byte, []byte, []*os.File) error { return nil }
func (s *script) patience(time.Duration) error             { return nil }
func (s *script) watch(time.Duration)                      {}
func (s *script) Close() error                             { return nil }
func (s *script) receiveFrame(p []byte, _ bool) (int, []*os.File, error) {
	if len(s.frames) == 0 {
		return 0, nil, io.EOF
	}
	n := copy(p, s.frames[0])
	s.frames = s.frames[1:]
	return n, nil, nil
}

// cutFrames makes frames of anything: each is as long as its first byte says.
func cutFrames(data []byte) (frames [][]byte) {
	for len(data) > 0 {
		n := min(int(data[0])+1, len(data)-1)
		frames, data = append(frames, data[1:1+n]), data[1+n:]
	}
	return frames
}

// Whatever a worker says, the pool neither panics nor takes more than the run may print.
func FuzzWhatAWorkerSays(f *testing.F) {
	failure, err := json.Marshal(runtime.FailureOf(&runtime.ExitError{Code: 3}))
	if err != nil {
		f.Fatal(err)
	}
	good := (&result{last: kindStdout, output: []byte("hello"), failure: failure}).append(nil)
	for _, seed := range [][]byte{
		append([]byte{byte(len(good)), byte(kindResult)}, good...),
		{5, byte(kindStdout), 'a', 'b', 'c', 'd', 'e'},
		{2, byte(kindWant), 1, 9},
		{4, byte(kindCall), 1, 1, 1, 'f'},
		{1, byte(kindStdout | more), 'a', 1, byte(kindStdout), 'b'},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		c := &runtime.Cmd{
			Stdout: &out, Stdin: bytes.NewReader(make([]byte, maxCarried+1)), Limits: runtime.Limits{Output: 20},
			Functions: map[string]runtime.Function{"f": double},
		}
		ask, _, err := newRequest(c)
		if err != nil {
			t.Fatal(err)
		}
		ask.serial = 1
		l := newConnection(&script{cutFrames(data)}, maxTold)
		x := exchange{worker: &worker{line: line{l, l}}, command: c, request: ask}
		_ = x.hear(context.Background())
		if out.Len() > 20 {
			t.Errorf("%d bytes of output were taken", out.Len())
		}
	})
}

// What a worker is asked is what it understands, and whatever it is asked it does not panic.
func FuzzRequest(f *testing.F) {
	c := &runtime.Cmd{
		Args: []string{"a", ""}, Entrypoint: []string{}, Env: []string{"A=B"}, Dir: "/d", User: "u", Seed: 1<<64 - 1, Grace: time.Second,
		Stdin: bytes.NewReader([]byte("in")), Limits: runtime.Limits{Memory: 1, Timeout: time.Hour, ReadOnly: true}, CountFuel: true,
		Functions: map[string]runtime.Function{"f": double}, Terminal: &runtime.Terminal{}, Fresh: true, Stats: &runtime.Stats{},
	}
	ask, _, err := newRequest(c)
	if err != nil {
		f.Fatal(err)
	}
	good, err := ask.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		first, err := decodeRequest(message)
		if err != nil {
			return
		}
		_ = first.command()
		again, err := first.encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeRequest(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := second.encode(); err != nil || !bytes.Equal(again, third) {
			t.Errorf("%q became %q, %v", again, third, err)
		}
	})
}
