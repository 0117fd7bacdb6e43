package builder

import "syscall"

// times are those of the last changes of a file's data, and of anything about it.
func times(st *syscall.Stat_t) (modified, changed syscall.Timespec) { return st.Mtim, st.Ctim }
