package vfs

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const utimeOmit = -2 // UTIME_OMIT of <sys/stat.h>

func fillStat(s *Stat, sys any) {
	st, ok := sys.(*syscall.Stat_t)
	if !ok {
		return
	}
	s.Ino, s.Nlink, s.UID, s.GID, s.Rdev = st.Ino, uint32(st.Nlink), st.Uid, st.Gid, uint64(st.Rdev)
	s.Atime, s.Ctime = time.Unix(st.Atimespec.Unix()), time.Unix(st.Ctimespec.Unix())
}

// futimens has a precision of microseconds here: all that futimes(2) takes.
func futimens(h *hostHandle, atime, mtime unix.Timespec) error {
	info, err := h.f.Stat()
	if err != nil {
		return err
	}
	s := h.node.statOf(info)
	times := []unix.Timeval{unix.NsecToTimeval(s.Atime.UnixNano()), unix.NsecToTimeval(s.Mtime.UnixNano())}
	for i, t := range []unix.Timespec{atime, mtime} {
		if t.Nsec != utimeOmit {
			times[i] = unix.NsecToTimeval(t.Nano())
		}
	}
	return unix.Futimes(int(h.f.Fd()), times)
}
