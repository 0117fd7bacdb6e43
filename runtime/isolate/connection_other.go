//go:build !linux

package isolate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
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

// connect makes the worker's end the standard streams of a process that is about to start. close is for that end, once it
// has.
func connect(command *exec.Cmd) (l link, close func(), err error) {
	input, err := command.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return &pipes{bufio.NewReader(output), input, []io.Closer{input, output}}, func() {}, nil
}

// pooled is a worker's end.
func pooled() (link, error) {
	return &pipes{bufio.NewReader(os.Stdin), os.Stdout, nil}, nil
}
