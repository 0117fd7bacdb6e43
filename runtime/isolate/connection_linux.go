package isolate

import (
	"errors"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// passesFiles is whether files can be sent along with a frame.
const passesFiles = true

// socket is a link over a socket that keeps frames apart (SOCK_SEQPACKET, unix(7)).
type socket struct {
	file   *os.File
	raw    syscall.RawConn
	blocks bool          // a thread waits, not Go's poller
	limit  time.Duration // of the poller's waiting; 0: none
	eager  time.Duration // see watch
	oob    [64]byte      // for the descriptors of three standard streams
}

func newSocket(fd int, blocks bool) (*socket, error) {
	file := os.NewFile(uintptr(fd), "worker")
	raw, err := file.SyscallConn()
	return &socket{file: file, raw: raw, blocks: blocks}, err
}

func (s *socket) patience(d time.Duration) (err error) {
	if !s.blocks {
		if s.limit = d; d == 0 {
			return s.file.SetReadDeadline(time.Time{})
		}
		return nil
	}
	limit := unix.NsecToTimeval(d.Nanoseconds())
	controlled := s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	})
	return errors.Join(controlled, err)
}

func (s *socket) watch(d time.Duration) { s.eager = d }

// Close ends both directions, and whoever waits for one.
func (s *socket) Close() error { return s.file.Close() }

func (s *socket) sendFrame(head byte, part []byte, files []*os.File) error {
	if len(files) == 0 {
		return s.sendRights(head, part, nil)
	}
	return withDescriptors(files, nil, func(fds []int) error { return s.sendRights(head, part, unix.UnixRights(fds...)) })
}

// withDescriptors calls do with the files' descriptors, without changing their mode as os.File.Fd does.
func withDescriptors(files []*os.File, fds []int, do func([]int) error) error {
	if len(files) == 0 {
		return do(fds)
	}
	raw, err := files[0].SyscallConn()
	if err != nil {
		return err
	}
	var done error
	err = raw.Control(func(fd uintptr) { done = withDescriptors(files[1:], append(fds, int(fd)), do) })
	return errors.Join(err, done)
}

func (s *socket) sendRights(head byte, part, rights []byte) error {
	buffers := [][]byte{{head}, part}
	var sent error
	err := s.raw.Write(func(fd uintptr) bool {
		for {
			_, sent = unix.SendmsgBuffers(int(fd), buffers, rights, nil, unix.MSG_NOSIGNAL)
			if sent != unix.EINTR {
				return sent != unix.EAGAIN
			}
		}
	})
	return errors.Join(err, sent)
}

func (s *socket) receiveFrame(p []byte, wanted bool) (n int, files []*os.File, err error) {
	if s.limit > 0 {
		if err := s.file.SetReadDeadline(time.Now().Add(s.limit)); err != nil {
			return 0, nil, err
		}
	}
	var rights int
	var received error
	err = s.raw.Read(func(fd uintptr) bool {
		if s.eager > 0 {
			look(fd, s.eager)
			s.eager = 0
		}
		for {
			if wanted {
				n, rights, _, _, received = unix.Recvmsg(int(fd), p, s.oob[:], unix.MSG_CMSG_CLOEXEC)
			} else { // read(2) takes no files: the system drops them
				n, received = unix.Read(int(fd), p)
			}
			if received != unix.EINTR {
				return received != unix.EAGAIN || s.blocks
			}
		}
	})
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && received == unix.EAGAIN {
		return 0, nil, errImpatient
	}
	if err = errors.Join(err, received); err != nil {
		return 0, nil, err
	}
	if n == 0 {
		return 0, nil, io.EOF
	}
	if rights > 0 {
		files, err = receivedFiles(s.oob[:rights])
	}
	return n, files, err
}

// look waits for a frame without sleep, for so long. Whatever else there is to do, in this process or another, goes first.
func look(fd uintptr, d time.Duration) {
	one := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for until := time.Now().Add(d); time.Now().Before(until); {
		if ready, err := unix.Poll(one, 0); ready > 0 || err != nil && err != unix.EINTR {
			return
		}
		goruntime.Gosched()
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
}

func receivedFiles(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, message := range messages {
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "stream"))
		}
	}
	return files, nil
}

// connect makes the worker's ends the descriptors firstDescriptor and the next of a process that is about to start. close is for
// those ends, once it has. polled is whether Go's poller waits for what comes by the first.
func connect(command *exec.Cmd, polled bool) (l line, close func(), err error) {
	var theirs []*os.File
	close = func() {
		for _, end := range theirs {
			end.Close()
		}
	}
	var ours []*socket
	for _, blocks := range []bool{true, false} {
		kind := unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC
		if !blocks {
			kind |= unix.SOCK_NONBLOCK
		}
		ends, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
		if err != nil {
			return line{}, close, os.NewSyscallError("socketpair", err)
		}
		theirs = append(theirs, os.NewFile(uintptr(ends[1]), "worker"))
		if polled {
			if err := unix.SetNonblock(ends[0], true); err != nil {
				return line{}, close, os.NewSyscallError("fcntl", err)
			}
			blocks = false
		}
		end, err := newSocket(ends[0], blocks)
		if err != nil {
			return line{}, close, err
		}
		ours = append(ours, end)
	}
	command.ExtraFiles = theirs
	return line{newConnection(ours[0], maxTold), newConnection(ours[1], 0)}, close, nil
}

// firstDescriptor is the first that exec.Cmd.ExtraFiles become.
const firstDescriptor = 3

// pooled is a worker's end. It must not have been started by anybody but a pool.
func pooled() (line, error) {
	var ends []*socket
	for i, blocks := range []bool{true, false} {
		fd := firstDescriptor + i
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil || kind != unix.SOCK_SEQPACKET {
			return line{}, errNotPooled
		}
		unix.CloseOnExec(fd)
		end, err := newSocket(fd, blocks)
		if err != nil {
			return line{}, err
		}
		ends = append(ends, end)
	}
	return line{newConnection(ends[0], maxAsked), newConnection(ends[1], maxAsked)}, nil
}
