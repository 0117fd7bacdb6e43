//go:build amd64 || arm64

package isolate

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// What a worker may call once its walls are up. What is in no list fails with EPERM. Calls that amd64 alone has are in a file of its own.

// needed are for Go's runtime, the engine, and the connection.
var needed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_SENDMSG,
	unix.SYS_RECVMSG, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_LSEEK, unix.SYS_PPOLL, unix.SYS_PIPE2, unix.SYS_EPOLL_PWAIT,
	unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_CREATE1, unix.SYS_EVENTFD2, unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_RESTART_SYSCALL, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK,
	unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE, unix.SYS_GETDENTS64,
}

// ofFiles are for mounts, whose files landlock tells from others.
var ofFiles = []uint32{
	unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_READLINKAT,
	unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
	unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC,
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, unix.SYS_DUP3,
	unix.SYS_DUP, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
}

// hostile are for nobody whom the engine holds: they end the worker at once.
var hostile = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KILL,
	unix.SYS_TKILL, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGQUEUEINFO,
	unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN,
	unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE,
	unix.SYS_SETNS, unix.SYS_FSOPEN, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_BPF,
	unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_INIT_MODULE,
	unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID,
	unix.SYS_SETRESGID, unix.SYS_SETGROUPS, unix.SYS_CAPSET, unix.SYS_MKNODAT, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_MSGGET, unix.SYS_SEMGET, unix.SYS_ACCT,
	unix.SYS_QUOTACTL, unix.SYS_PERSONALITY, unix.SYS_REMAP_FILE_PAGES,
}

// Of linux/sched.h: with these clone(2) makes a thread, as Go's runtime does, and as the C library does where there is cgo.
const (
	goThread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD
	cThread  = goThread | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID
)

// Of linux/fs.h and linux/prctl.h.
const (
	pagemapScan = 0xc0606610
	setVMA      = 0x53564d41
)

// policy is what becomes of calls; the first rule that fits counts. A worker that is to compile what was brought may make memory
// executable until another filter is put on top of this one: of two the stricter counts.
func policy(files, compiles bool) (rules []rule) {
	rules = append(rules, each(unix.SECCOMP_RET_ALLOW, needed, alsoNeeded)...)
	if files {
		rules = append(rules, each(unix.SECCOMP_RET_ALLOW, ofFiles)...)
	}
	allowed, fatal := conditional(), executable()
	if compiles {
		rules = append(rules, each(unix.SECCOMP_RET_ALLOW, []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_SECCOMP})...)
		ofMemory := func(r rule) bool { return slices.Contains(memory, r.call) }
		allowed, fatal = slices.DeleteFunc(allowed, ofMemory), slices.DeleteFunc(fatal, ofMemory)
	}
	rules = append(rules, allowed...)
	rules = append(rules, rule{call: unix.SYS_CLONE3, verdict: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	rules = append(rules, each(unix.SECCOMP_RET_KILL_PROCESS, hostile, alsoHostile)...)
	return append(rules, fatal...)
}

func each(verdict uint32, calls ...[]uint32) (rules []rule) {
	for _, call := range slices.Concat(calls...) {
		rules = append(rules, rule{call: call, verdict: verdict})
	}
	return rules
}

// memory are the calls that can make memory executable.
var memory = []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT}

// conditional are calls that are needed with some arguments only.
func conditional() []rule {
	allow := func(call uint32, c condition) rule { return rule{call, unix.SECCOMP_RET_ALLOW, c} }
	return []rule{
		allow(unix.SYS_MMAP, without(2, unix.PROT_EXEC)),
		allow(unix.SYS_MPROTECT, without(2, unix.PROT_EXEC)),
		allow(unix.SYS_CLONE, equal(0, goThread)),
		allow(unix.SYS_CLONE, equal(0, goThread|unix.CLONE_SETTLS)), // on amd64
		allow(unix.SYS_CLONE, equal(0, cThread)),
		allow(unix.SYS_TGKILL, equal(0, uint32(os.Getpid()))), // goroutines are preempted by signals
		allow(unix.SYS_IOCTL, equal(1, pagemapScan)),
		allow(unix.SYS_IOCTL, equal(1, unix.TIOCGWINSZ)),
		allow(unix.SYS_IOCTL, equal(1, unix.TCGETS)),
		allow(unix.SYS_FCNTL, equal(1, unix.F_GETFL)),
		allow(unix.SYS_FCNTL, equal(1, unix.F_SETFL)),
		allow(unix.SYS_FCNTL, equal(1, unix.F_GETFD)),
		allow(unix.SYS_FCNTL, equal(1, unix.F_SETFD)),
		allow(unix.SYS_FCNTL, equal(1, unix.F_DUPFD_CLOEXEC)),
		allow(unix.SYS_PRCTL, equal(0, setVMA)),
	}
}

// executable are calls that would make memory executable, and those that would make a process of a thread's.
func executable() (rules []rule) {
	for _, call := range memory {
		rules = append(rules, rule{call, unix.SECCOMP_RET_KILL_PROCESS, with(2, unix.PROT_EXEC)})
	}
	return append(rules, rule{unix.SYS_CLONE, unix.SECCOMP_RET_KILL_PROCESS, without(0, unix.CLONE_THREAD)})
}
