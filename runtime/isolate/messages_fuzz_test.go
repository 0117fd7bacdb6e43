package isolate

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"boxer.dev/runtime"
)

// FuzzMessages reads what a worker that was taken over may say, and the same as a worker would read it: in frames of any lengths.
// Nothing is believed to be longer than it is, or kept beyond its bound.
func FuzzMessages(f *testing.F) {
	ended := result{last: kindStdout, output: []byte("x"), failure: []byte(`{"Text":"\u001b[2J"}`), stats: []byte("{}")}
	f.Add(append([]byte{byte(kindResult)}, ended.append(nil)...), 3)
	whole, err := (&request{Args: []string{"a"}, Env: []string{"B=c"}, input: []byte("in")}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{byte(kindRequest | more)}, whole...), 1)
	f.Add([]byte{byte(kindResult), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 100)
	f.Fuzz(func(t *testing.T, said []byte, size int) {
		if len(said) == 0 || size < 1 {
			return
		}
		a := assembler{max: 1000}
		for frame := range slices.Chunk(said, size) {
			_, message, done, err := a.add(frame)
			if len(a.partial) > a.max || len(message) > a.max {
				t.Fatalf("%d bytes are kept", len(a.partial)+len(message))
			}
			if err != nil || done {
				break
			}
		}
		if r, err := decodeResult(said[1:]); err == nil {
			var failure runtime.Failure
			if json.Unmarshal(r.failure, &failure) == nil {
				if err := failure.Err(t.Context()); err != nil {
					_ = err.Error()
				}
			}
		} else if !errors.Is(err, errMalformed) {
			t.Error(err)
		}
		if r, err := decodeRequest(said[1:]); err == nil {
			_ = r.command()
		}
	})
}
