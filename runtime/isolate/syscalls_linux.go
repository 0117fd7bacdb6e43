package isolate

import (
	"os"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// What a worker may call once its walls are up, by the names of any architecture. What is in no list fails with EPERM.

// needed are for Go's runtime, the engine, and the connection.
var needed = []string{
	"read", "write", "readv", "writev", "pread64", "pwrite64", "sendmsg", "recvmsg", "close", "fstat", "lseek", "poll", "ppoll", "pipe2",
	"epoll_pwait", "epoll_wait", "epoll_ctl", "epoll_create1", "eventfd2",
	"futex", "nanosleep", "clock_nanosleep", "clock_gettime", "gettimeofday", "time", "restart_syscall",
	"sched_yield", "sched_getaffinity", "getpid", "gettid", "set_robust_list", "rseq", "exit", "exit_group",
	"munmap", "madvise", "mincore", "brk", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"getrandom", "getrusage",
}

// ofFiles are for mounts, whose files landlock tells from others.
var ofFiles = []string{
	"openat", "openat2", "newfstatat", "fstatat64", "statx", "readlinkat", "getdents64", "faccessat", "faccessat2",
	"mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "symlinkat", "ftruncate", "fallocate", "fsync", "fdatasync",
	"fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "utimensat", "dup3", "dup",
	"getuid", "geteuid", "getgid", "getegid",
}

// hostile are for nobody whom the engine holds: they end the worker at once.
var hostile = []string{
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill",
	"pidfd_open", "pidfd_getfd", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
	"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4",
	"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "fsopen", "open_tree", "move_mount", "mount_setattr",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create",
	"memfd_secret", "keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
	"reboot", "swapon", "swapoff", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset",
	"mknod", "mknodat", "open_by_handle_at", "name_to_handle_at", "shmget", "shmat", "msgget", "semget", "acct", "quotactl",
	"iopl", "ioperm", "modify_ldt", "personality", "remap_file_pages",
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

// loadFilter restricts all threads. A worker that is to compile what was brought may make memory executable until another filter is
// put on top of this one: of two the stricter counts.
func loadFilter(s *spec, compiles bool) error {
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	allowed := needed
	if s.hasFiles() {
		allowed = slices.Concat(needed, ofFiles)
	}
	allowedWhen, fatalWhen := conditional(), executable(info)
	if compiles {
		allowed = slices.Concat(allowed, []string{"mmap", "mprotect", "seccomp"})
		allowedWhen = slices.DeleteFunc(allowedWhen, func(c seccomp.NameWithConditions) bool { return c.Name == "mmap" || c.Name == "mprotect" })
		fatalWhen = slices.DeleteFunc(fatalWhen, func(c seccomp.NameWithConditions) bool { return c.Name != "clone" })
	}
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: compiles || !s.compilesBehindWalls(), // else it is set, and cannot be any more
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: known(info, allowed)},
				{Action: seccomp.ActionAllow, NamesWithCondtions: allowedWhen},
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(info, []string{"clone3"})},
				{Action: seccomp.ActionKillProcess, Names: known(info, hostile), NamesWithCondtions: fatalWhen},
			},
		},
	})
}

// known leaves out what the architecture does not have.
func known(info *arch.Info, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := info.SyscallNames[name]
		return !ok
	})
}

func when(name string, conditions ...seccomp.Condition) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: conditions}
}

func equal(argument uint32, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: value}
}

func without(argument uint32, bits uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.BitsNotSet, Value: bits}
}

// conditional are calls that are needed with some arguments only.
func conditional() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{
		when("mmap", without(2, unix.PROT_EXEC)),
		when("mprotect", without(2, unix.PROT_EXEC)),
		when("clone", equal(0, goThread)),
		when("clone", equal(0, goThread|unix.CLONE_SETTLS)), // on amd64
		when("clone", equal(0, cThread)),
		when("tgkill", equal(0, uint64(os.Getpid()))), // goroutines are preempted by signals
		when("ioctl", equal(1, pagemapScan)),
		when("ioctl", equal(1, unix.TIOCGWINSZ)),
		when("ioctl", equal(1, unix.TCGETS)),
		when("fcntl", equal(1, unix.F_GETFL)),
		when("fcntl", equal(1, unix.F_SETFL)),
		when("fcntl", equal(1, unix.F_GETFD)),
		when("fcntl", equal(1, unix.F_SETFD)),
		when("fcntl", equal(1, unix.F_DUPFD_CLOEXEC)),
		when("prctl", equal(0, setVMA)),
	}
}

// executable are calls that would make memory executable, and those that would make a process of a thread's.
func executable(info *arch.Info) []seccomp.NameWithConditions {
	exec := seccomp.Condition{Argument: 2, Operation: seccomp.BitsSet, Value: unix.PROT_EXEC}
	calls := []seccomp.NameWithConditions{
		when("mmap", exec), when("mprotect", exec),
		when("clone", seccomp.Condition{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}),
	}
	if _, ok := info.SyscallNames["pkey_mprotect"]; ok {
		calls = append(calls, when("pkey_mprotect", exec))
	}
	return calls
}
