package isolate

import (
	"bytes"
	"context"
	"testing"

	"boxer.dev/runtime"
)

// Whatever a worker that holds sessions says, the pool neither panics nor takes more than the execution may print.
func FuzzWhatAHallSays(f *testing.F) {
	value := appendValue(nil, &runtime.Value{Repr: "42", JSON: []byte("42"), Exception: &runtime.Exception{Type: "E"}})
	ended := newReply(&runtime.SessionEndedError{Status: 3, Cause: &runtime.ExitError{Code: 3}}, value)
	for _, seed := range [][]byte{
		appendFrame(nil, kindReply, reply{payload: value}.encode(1)),
		appendFrame(appendFrame(nil, kindStdout, []byte("\x01hello")), kindReply, ended.encode(1)),
		appendFrame(nil, kindReply, newReply(runtime.ErrClosed, nil).encode(1)),
		appendFrame(nil, kindCall, []byte("\x01\x01\x01f[1]")),
		appendFrame(nil, kindWant, []byte("\x01\x09")),
		appendFrame(nil, kindReply, reply{payload: []byte("\x01\x02\x01a\x00\x05\x01b\x00\x05")}.encode(1)),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		c := &runtime.Cmd{
			Stdout: &out, Stdin: bytes.NewReader(make([]byte, 100)), Limits: runtime.Limits{Output: 20},
			Functions: map[string]runtime.Function{"f": double},
		}
		l := newConnection(&script{cutFrames(data)}, maxReply)
		w := &worker{line: line{l, l}}
		h := &hall{worker: w, calls: map[int]*hallCall{}, gone: make(chan struct{})}
		x := &exchange{worker: w, command: c, request: &request{serial: 1, stdin: framed, stdout: framed}}
		x.calls, x.endCalls = context.WithCancel(t.Context())
		defer x.finish()
		call := &hallCall{x, make(chan told, window+1)}
		h.calls[1] = call
		_ = h.listen()
		close(call.come)
		for m := range call.come {
			if m.kind != kindReply {
				_ = x.print(m.kind, m.message)
				continue
			}
			r, err := decodeReply(&parser{rest: m.message})
			if err != nil {
				continue
			}
			_ = r.err(t.Context())
			_, _ = decodeValue(r.payload, 100)
			_, _ = decodeContents(r.payload, 100)
		}
		if out.Len() > 20 {
			t.Errorf("%d bytes of output were taken", out.Len())
		}
	})
}

// appendFrame appends what cutFrames makes a frame of.
func appendFrame(b []byte, k kind, message []byte) []byte {
	return append(append(b, byte(len(message)), byte(k)), message...)
}

// What a worker is asked of a session is what it understands, and whatever it is asked it does not panic.
func FuzzAsk(f *testing.F) {
	e := execution{source: "x", stdin: carried, input: []byte("in"), stdout: framed, stderr: joined, timeout: 1, fuel: 2, output: 3, maxResult: 4}
	f.Add(ask{1, 2, methodExecute, e.encode()}.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		first, err := decodeAsk(message)
		if err != nil {
			return
		}
		if second, err := decodeAsk(first.encode()); err != nil || second.serial != first.serial || !bytes.Equal(second.payload, first.payload) {
			t.Errorf("%+v became %+v, %v", first, second, err)
		}
		again, err := decodeExecution(first.payload)
		if err != nil {
			return
		}
		if _, err := decodeExecution(again.encode()); err != nil {
			t.Errorf("%+v: %v", again, err)
		}
	})
}
