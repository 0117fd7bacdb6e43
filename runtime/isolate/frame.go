package isolate

import (
	"errors"
	"fmt"
)

// A message is a kind and bytes. It travels as one frame or, if it is longer, as several, all but the last of which say that
// there is more. A frame is the kind, with the bit more, and up to maxPart bytes. What is said of a run while it goes on, but
// for what it printed, begins with the run's serial number: it may come when that is over.

// kind says what a message is.
type kind byte

// What a worker is told.
const (
	kindSpec    kind = 1 + iota // what it is to prepare: JSON, see spec
	kindRequest                 // a run: see request
	kindCancel                  // the run is to end: whether its time is up, and the reason, a text
	kindInput                   // of the run's standard input, as much as there is; empty: its end
	kindSignal                  // for its programs: a number
	kindAnswer                  // to a kindCall: its number, whether it failed, and JSON, or the text of the error
	kindFlow                    // what it prints is wanted at once: its end is not in sight
	kindTaken                   // a session's messages with output: how many have been passed on
	kindAsk                     // of a session: see ask
)

// What a worker says.
const (
	kindReady    kind = 32 + iota // it has its walls: JSON, see ready
	kindStdout                    // what the run printed
	kindStderr                    // and as errors
	kindCall                      // of a function of Cmd.Functions: a number, its name, and JSON
	kindWant                      // the run reads standard input: at most so many bytes, a number
	kindResult                    // how it ended: see result
	kindWarning                   // a text for runtime.Options.Warn
	kindProgress                  // JSON, a runtime.Progress
	kindReply                     // to a kindAsk: see reply
)

// aside reports whether a message to a worker is about a run that goes on.
func (k kind) aside() bool { return k >= kindCancel && k <= kindTaken }

const more kind = 0x80 // another frame follows

const (
	maxPart  = 32 << 10 // bytes of a frame besides its kind
	maxAsked = 64 << 20 // of a message to a worker
	maxTold  = 16 << 20 // of one from a worker
	maxReply = 65 << 20 // of one that holds sessions: a file of a session
	maxFrame = 1 + maxPart
)

var (
	errTooLong  = errors.New("a message is too long")
	errProtocol = errors.New("the worker broke the protocol")
)

// assembler joins frames to messages of at most max bytes.
type assembler struct {
	max     int
	kind    kind
	partial []byte
	joining bool
}

// add takes a frame. done is whether it completed a message, whose bytes are valid until the next frame is read.
func (a *assembler) add(frame []byte) (k kind, message []byte, done bool, err error) {
	if len(frame) == 0 || len(frame) > maxFrame {
		return 0, nil, false, errMalformed
	}
	k, part := kind(frame[0])&^more, frame[1:]
	follows := kind(frame[0])&more != 0
	if !a.joining && !follows {
		if len(part) > a.max {
			return 0, nil, false, errTooLong
		}
		return k, part, true, nil
	}
	if a.joining && k != a.kind {
		return 0, nil, false, fmt.Errorf("%w: parts of two", errMalformed)
	}
	if len(a.partial)+len(part) > a.max {
		return 0, nil, false, errTooLong
	}
	a.kind, a.partial, a.joining = k, append(a.partial, part...), follows
	if follows {
		return 0, nil, false, nil
	}
	message, a.partial = a.partial, nil
	return k, message, true, nil
}

// eachFrame calls send with the parts of a message.
func eachFrame(k kind, message []byte, send func(head byte, part []byte) error) error {
	for len(message) > maxPart {
		if err := send(byte(k|more), message[:maxPart]); err != nil {
			return err
		}
		message = message[maxPart:]
	}
	return send(byte(k), message)
}
