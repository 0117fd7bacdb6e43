package vfs

import (
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const utimeOmit = unix.UTIME_OMIT

func fillStat(s *Stat, sys any) {
	st, ok := sys.(*syscall.Stat_t)
	if !ok {
		return
	}
	s.Ino, s.Nlink, s.UID, s.GID, s.Rdev = st.Ino, uint32(st.Nlink), st.Uid, st.Gid, st.Rdev
	s.Atime, s.Ctime = time.Unix(st.Atim.Unix()), time.Unix(st.Ctim.Unix())
}

func futimens(h *hostHandle, atime, mtime unix.Timespec) error {
	// The descriptor's own link works on every kernel, utimensat with an empty
	// path on new ones alone.
	ts := []unix.Timespec{atime, mtime}
	err := unix.UtimesNanoAt(int(h.f.Fd()), "", ts, unix.AT_EMPTY_PATH)
	if err == unix.EINVAL || err == unix.ENOENT {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(h.f.Fd())), ts, 0)
	}
	return err
}
