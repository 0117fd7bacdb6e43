package isolate

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"boxer.dev/runtime"
)

// attempts are what a worker tries once its walls are up.
func init() {
	call := func(number uintptr, arguments ...uintptr) error {
		var a [6]uintptr
		copy(a[:], arguments)
		_, _, errno := syscall.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 {
			return errno
		}
		return nil
	}
	memory := func(protection int) error {
		_, err := unix.Mmap(-1, 0, 4096, protection, unix.MAP_PRIVATE|unix.MAP_ANON)
		return err
	}
	attempts = map[string]func() error{
		"read /etc/passwd":    func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"list /":              func() error { _, err := os.ReadDir("/"); return err },
		"stat /etc/passwd":    func() error { _, err := os.Stat("/etc/passwd"); return err },
		"read own maps":       func() error { _, err := os.ReadFile("/proc/self/maps"); return err },
		"write to the cache":  func() error { return os.WriteFile(filepath.Join(os.TempDir(), "boxer-attempt"), nil, 0o600) },
		"open itself":         func() error { _, err := os.Open("/proc/self/exe"); return err },
		"connect to loopback": func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err },
		"listen":              func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
		"unix socket":         func() error { return call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM) },
		"netlink socket":      func() error { return call(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW) },
		"run a shell":         func() error { return exec.Command("/bin/sh", "-c", "true").Run() },
		"execve":              func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
		"fork":                func() error { return call(unix.SYS_CLONE, uintptr(unix.SIGCHLD)) },
		"trace the parent":    func() error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid())) },
		"kill the parent":     func() error { return unix.Kill(os.Getppid(), 0) },
		"signal a thread of the parent": func() error {
			return unix.Tgkill(os.Getppid(), os.Getppid(), 0)
		},
		"executable memory": func() error { return memory(unix.PROT_READ | unix.PROT_EXEC) },
		"make memory executable": func() error {
			m, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				return err
			}
			return unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC)
		},
		"memory in a file": func() error { _, err := unix.MemfdCreate("attempt", 0); return err },
		"io_uring":         func() error { return call(425, 1, 0) },
		"bpf":              func() error { return call(unix.SYS_BPF, 0, 0, 0) },
		"user namespace":   func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"mount":            func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
		"become root":      func() error { return call(unix.SYS_SETRESUID, 0, 0, 0) },
		"regain privileges": func() error {
			return call(unix.SYS_CAPSET, 0, 0)
		},
		"change the clock":      func() error { return unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: 1}) },
		"inject terminal input": func() error { return call(unix.SYS_IOCTL, 2, unix.TIOCSTI, 0) },
		"undo limits":           func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: 0}) },
		"open by handle":        func() error { return call(unix.SYS_OPEN_BY_HANDLE_AT, 0, 0, 0) },
		"allocate memory":       func() error { return memory(unix.PROT_READ | unix.PROT_WRITE) },
		"start a thread":        func() error { return startThreads(20) },
	}
}

// startThreads needs threads of its own.
func startThreads(n int) error {
	var pipes [][2]int
	done := make(chan struct{}, n)
	for range n {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		pipes = append(pipes, p)
		go func() {
			_, _ = unix.Read(p[0], make([]byte, 1))
			done <- struct{}{}
		}()
	}
	for _, p := range pipes {
		_, _ = unix.Write(p[1], []byte{0})
	}
	for _, p := range pipes {
		<-done
		unix.Close(p[0])
		unix.Close(p[1])
	}
	return nil
}

// kept is what workers can do.
var kept = map[string]bool{"allocate memory": true, "start a thread": true}

// Each of these must fail, or end the worker, whatever a hole in the engine lets a guest do.
func TestWorkerIsWalledIn(t *testing.T) {
	p := &Pool{}
	walls, err := p.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if missing := missingWalls(walls); missing != "" {
		strict := &Pool{Require: true}
		if w, err := p.startWorker(t.Context(), &spec{}); err != nil {
			t.Error(err)
		} else if err := strict.check(w); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s, what requires all walls says: %v", missing, err)
		}
		t.Skipf("this machine does not have all walls, as doctor says, and so refuses less: %s", missing)
	}
	for name := range attempts {
		t.Run(name, func(t *testing.T) { try(t, p, &spec{Attempt: name}, kept[name]) })
	}
}

// try has a worker try something.
func try(t *testing.T, p *Pool, s *spec, kept bool) {
	t.Helper()
	w, err := p.startWorker(t.Context(), s)
	if err != nil {
		if kept || !strings.Contains(err.Error(), "bad system call") {
			t.Errorf("the worker died: %v", err)
		}
		return
	}
	w.discard()
	<-w.dead
	if w.outcome != "permission denied" && !kept || w.outcome != "done" && kept {
		t.Errorf("%s", w.outcome)
	}
}

// A worker that compiles what was brought can make machine code, and no more than others besides.
func TestCompilerIsWalledIn(t *testing.T) {
	p := newPool(t, &Pool{Warn: func(error) {}})
	walls, err := p.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if missing := missingWalls(walls); missing != "" {
		t.Skipf("this machine does not have all walls, as doctor says, and so refuses less: %s", missing)
	}
	c := &runtime.Cmd{Args: []string{"/bin/hello"}, Files: []runtime.File{{Path: "/bin/hello", Data: printing("hello\n")}}}
	class, _, err := p.class(newBox(t), c)
	if err != nil {
		t.Fatal(err)
	}
	for name := range attempts {
		code := name == "executable memory" || name == "make memory executable"
		t.Run(name, func(t *testing.T) {
			early, late := class.spec, class.spec
			early.Attempt, early.Early, late.Attempt = name, true, name
			try(t, p, &early, kept[name] || code)
			if code {
				try(t, p, &late, false)
			}
		})
	}
}
