package isolate

import (
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A frame is received, whether it comes while it is looked for or while it is waited for, and the end of patience is told.
func TestWatch(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var both [2]*connection
	for i, fd := range ends {
		end, err := newSocket(fd, true)
		if err != nil {
			t.Fatal(err)
		}
		defer end.Close()
		both[i] = newConnection(end, maxTold)
	}
	ours, theirs := both[0], both[1]
	for _, watched := range []time.Duration{0, time.Microsecond, time.Minute} {
		ours.watch(watched)
		sent := time.AfterFunc(5*time.Millisecond, func() { _ = theirs.send(kindStdout, []byte("a")) })
		if k, message, err := ours.receive(); k != kindStdout || string(message) != "a" || err != nil {
			t.Errorf("watched for %v, %v %q was received: %v", watched, k, message, err)
		}
		sent.Stop()
	}
	ours.watch(time.Millisecond)
	if err := ours.patience(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ours.receive(); !errors.Is(err, errImpatient) {
		t.Errorf("receiving what nobody sends: %v", err)
	}
	time.AfterFunc(5*time.Millisecond, func() { _ = theirs.Close() })
	ours.watch(time.Minute)
	if _, _, err := ours.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("receiving from a closed connection: %v", err)
	}
}
