package isolate

import (
	"os"
	"sync"
)

// connection carries messages between a pool and a worker. One goroutine receives; any may send.
type connection struct {
	link
	sending  sync.Mutex
	incoming assembler
	frame    [maxFrame + 1]byte // one byte more than a frame may have, so that a longer one is seen to be longer
}

// link carries frames.
type link interface {
	// sendFrame sends files along, where the platform can. It waits until the other end has room.
	sendFrame(head byte, part []byte, files []*os.File) error
	// receiveFrame gives how much of p it filled, and the files that came along if they are wanted. An io.EOF is the end.
	receiveFrame(p []byte, wanted bool) (n int, files []*os.File, err error)
	Close() error
}

func newConnection(l link, max int) *connection {
	return &connection{link: l, incoming: assembler{max: max}}
}

// send sends a message. Files go with its first frame.
func (c *connection) send(k kind, message []byte, files ...*os.File) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	return eachFrame(k, message, func(head byte, part []byte) error {
		err := c.sendFrame(head, part, files)
		files = nil
		return err
	})
}

// receive gives the next message, whose bytes are valid until the one after it is received.
func (c *connection) receive() (kind, []byte, error) {
	for {
		n, _, err := c.receiveFrame(c.frame[:], false)
		if err != nil {
			return 0, nil, err
		}
		if k, message, done, err := c.incoming.add(c.frame[:n]); done || err != nil {
			return k, message, err
		}
	}
}

// receiveWithFiles is receive for the end that is sent files.
func (c *connection) receiveWithFiles() (k kind, message []byte, files []*os.File, err error) {
	for {
		n, came, err := c.receiveFrame(c.frame[:], true)
		files = append(files, came...)
		if err != nil {
			return 0, nil, files, err
		}
		if k, message, done, err := c.incoming.add(c.frame[:n]); done || err != nil {
			return k, message, files, err
		}
	}
}
