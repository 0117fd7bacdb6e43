//go:build !linux

package isolate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// passesFiles is whether files can be sent along with a frame.
const passesFiles = false

// pipes is a link over a worker's standard streams, each frame with its length before it.
type pipes struct {
	from *bufio.Reader
	to   io.Writer
	ends []io.Closer
}

func (p *pipes) Close() error {
	var errs []error
	for _, end := range p.ends {
		errs = append(errs, end.Close())
	}
	return errors.Join(errs...)
}

func (p *pipes) sendFrame(head byte, part []byte, _ []*os.File) error {
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 5+len(part)), uint32(1+len(part)))
	_, err := p.to.Write(append(append(frame, head), part...))
	return err
}

func (p *pipes) receiveFrame(b []byte, _ bool) (int, []*os.File, error) {
	var length [4]byte
	if _, err := io.ReadFull(p.from, length[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n == 0 || uint64(n) > uint64(len(b)) {
		return 0, nil, errMalformed
	}
	_, err := io.ReadFull(p.from, b[:n])
	return int(n), nil, err
}

// patience has no bound: workers do not hold output back here.
func (p *pipes) patience(time.Duration) error { return nil }

// watch does nothing: what waits for pipes is Go's scheduler.
func (p *pipes) watch(time.Duration) {}

// connect makes the worker's end the standard streams of a process that is about to start. close is for that end, once it
// has.
func connect(command *exec.Cmd, _ bool) (l line, close func(), err error) {
	input, err := command.StdinPipe()
	if err != nil {
		return line{}, func() {}, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return line{}, func() {}, err
	}
	both := newConnection(&pipes{bufio.NewReader(output), input, []io.Closer{input, output}}, maxTold)
	return line{both, both}, func() {}, nil
}

// pooled is a worker's end.
func pooled() (line, error) {
	both := &pipes{bufio.NewReader(os.Stdin), os.Stdout, nil}
	runs, asides := &branch{pipes: both, frames: make(chan []byte)}, &branch{pipes: both, frames: make(chan []byte)}
	go part(both, runs.frames, asides.frames)
	return line{newConnection(runs, maxAsked), newConnection(asides, maxAsked)}, nil
}

// branch is one of two links that come by one.
type branch struct {
	*pipes
	frames chan []byte
}

func (b *branch) receiveFrame(p []byte, _ bool) (int, []*os.File, error) {
	frame, ok := <-b.frames
	if !ok {
		return 0, nil, io.EOF
	}
	return copy(p, frame), nil, nil
}

// part gives each frame to the branch that it is for.
func part(from *pipes, runs, asides chan<- []byte) {
	defer close(runs)
	defer close(asides)
	for {
		frame := make([]byte, maxFrame)
		n, _, err := from.receiveFrame(frame, false)
		if err != nil {
			return
		}
		if (kind(frame[0]) &^ more).aside() {
			asides <- frame[:n]
		} else {
			runs <- frame[:n]
		}
	}
}
