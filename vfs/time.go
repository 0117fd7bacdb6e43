package vfs

import "time"

// instant is a point in time as POSIX's struct timespec has it: the whole range
// of seconds, in 16 bytes.
type instant struct {
	sec  int64
	nsec int32
}

func instantOf(t time.Time) instant { return instant{t.Unix(), int32(t.Nanosecond())} }

func (i instant) time() time.Time { return time.Unix(i.sec, int64(i.nsec)) }
