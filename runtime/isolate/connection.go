package isolate

import (
	"errors"
	"os"
	"sync"
	"time"
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
	// patience bounds how long receiveFrame waits, where the platform can: then it is errImpatient. 0: no bound.
	patience(d time.Duration) error
	// watch has the next receiveFrame look again and again for that long, where the platform can, before it waits. One that is
	// blocked in the system finds its processor asleep when its frame comes.
	watch(d time.Duration)
	Close() error
}

// errImpatient says that nothing has come for as long as patience has it.
var errImpatient = errors.New("nothing has come yet")

// line is both ways to a worker, and a worker's own. Runs go by one, which is waited at by a thread of its own, since to be woken
// by the system is quicker than to be woken by Go's scheduler. What a pool says while a run goes on, by the other.
type line struct {
	runs   *connection
	asides *connection
}

// send takes the way that messages of the kind go.
func (l line) send(k kind, message []byte, files ...*os.File) error {
	if k.aside() {
		return l.asides.send(k, message)
	}
	return l.runs.send(k, message, files...)
}

func (l line) Close() error { return errors.Join(l.runs.Close(), l.asides.Close()) }

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
