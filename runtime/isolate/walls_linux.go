package isolate

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// bornOf reports whether the process that started this one is there: the system tells of its end from now on
// (SysProcAttr.Pdeathsig), not of one that was before.
func bornOf(parent int) bool { return os.Getppid() == parent }

// raiseWalls gives up what a worker does not need once it is prepared. Each wall is put up as far as the system lets it, and then
// looked at from inside.
func raiseWalls(s *spec) []Wall {
	var walls []Wall
	for _, raise := range []struct {
		name string
		by   func(*spec) (detail string, err error)
	}{
		{WallLimits, limitResources},
		{WallPrivileges, renouncePrivileges},
		{WallCapabilities, dropCapabilities},
		{WallDumps, hideMemory},
		{WallFiles, closeFiles},
		{WallCalls, closeCalls},
	} {
		detail, err := raise.by(s)
		if err != nil {
			detail = err.Error()
		}
		walls = append(walls, Wall{Name: raise.name, Active: err == nil, Detail: detail})
	}
	return walls
}

const (
	descriptors         = 64   // that a worker may have: the connection, the runtime's own, a run's streams
	descriptorsOfMounts = 1024 // and with files of the host, which a run may open
)

// limitResources sets limits of setrlimit(2). There is none on addresses, of which each memory reserves 4 GiB, nor on processes,
// which are counted for the user, not for the worker.
func limitResources(s *spec) (string, error) {
	files := uint64(descriptors)
	if s.hasFiles() {
		files = descriptorsOfMounts
	}
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: files, unix.RLIMIT_MSGQUEUE: 0, unix.RLIMIT_MEMLOCK: 0}
	if s.DataLimit > 0 {
		limits[unix.RLIMIT_DATA] = s.DataLimit
	}
	var errs []error
	for resource, limit := range limits {
		var now unix.Rlimit
		errs = append(errs, unix.Getrlimit(resource, &now))
		limit = min(limit, now.Max)
		errs = append(errs, unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}))
	}
	// Of all processes this is the one to end when memory runs out.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	return fmt.Sprintf("no core dumps, %d descriptors", files), errors.Join(errs...)
}

func (s *spec) hasFiles() bool { return len(s.Mounts)+len(s.Preopens) > 0 }

// renouncePrivileges keeps executables from giving any (no_new_privs of prctl(2)), and is what the next ones need.
func renouncePrivileges(*spec) (string, error) {
	return "no executable gives privileges", ll.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// ownerCapabilities are kept for mounts, so that files of the host are what they are without isolation; landlock says which.
const ownerCapabilities = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// dropCapabilities gives up all capabilities, or all that mounts do not need (capset(2)).
func dropCapabilities(s *spec) (string, error) {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now, left [2]unix.CapUserData
	if err := unix.Capget(header, &now[0]); err != nil {
		return "", os.NewSyscallError("capget", err)
	}
	detail := "none left"
	if s.hasFiles() {
		left[0].Permitted = now[0].Permitted & ownerCapabilities
		left[0].Effective = left[0].Permitted
		if left[0].Permitted != 0 {
			detail = "those over owners of files left, for mounts"
		}
	}
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(&left[0])), 0)
	if errno != 0 {
		return "", os.NewSyscallError("capset", errno)
	}
	if err := ll.AllThreadsPrctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return "", err
	}
	return detail, nil
}

// hideMemory keeps other processes of the same user from the worker's memory (PR_SET_DUMPABLE of prctl(2)).
func hideMemory(*spec) (string, error) {
	return "no other process of the user can look in", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// closeFiles leaves of the host's files those that are mounted (landlock(7)).
func closeFiles(s *spec) (string, error) {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		return "", fmt.Errorf("this kernel has no landlock, or it is not among those enabled at boot: %w", err)
	}
	var rules []landlock.Rule
	for _, m := range slices.Concat(s.Mounts, s.Preopens) {
		rule, err := mountRule(m, abi)
		if err != nil {
			return "", err
		}
		rules = append(rules, rule)
	}
	if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
		return "", err
	}
	detail := fmt.Sprintf("no files but mounts (ABI %d)", abi)
	if !s.hasFiles() {
		if _, err := os.ReadDir("/"); !errors.Is(err, os.ErrPermission) {
			return "", errors.New("it is there, but does not keep files from being opened")
		}
		detail = fmt.Sprintf("no files (ABI %d)", abi)
	}
	return detail, nil
}

// referABI is the version of landlock with which files can be moved between directories.
const referABI = 2

func mountRule(m mountSpec, abi int) (landlock.Rule, error) {
	const (
		read  = ll.AccessFSReadFile
		list  = ll.AccessFSReadDir
		write = ll.AccessFSWriteFile | ll.AccessFSTruncate
		edit  = ll.AccessFSRemoveDir | ll.AccessFSRemoveFile | ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSym
	)
	info, err := os.Stat(m.Source)
	if err != nil {
		return nil, err
	}
	allowed := landlock.AccessFSSet(read)
	if !m.ReadOnly {
		allowed |= write
	}
	if info.IsDir() {
		allowed |= list
	}
	if info.IsDir() && !m.ReadOnly {
		allowed |= edit
		if abi >= referABI {
			allowed |= ll.AccessFSRefer
		}
	}
	return landlock.PathAccess(allowed, m.Source), nil
}

// completeWalls takes the way to new machine code, which was left open to compile what was brought.
func completeWalls(s *spec, walls []Wall) []Wall {
	for i, w := range walls {
		if w.Name != WallCalls || !w.Active {
			continue
		}
		if err := loadFilter(s, false); err != nil {
			walls[i].Active, walls[i].Detail = false, err.Error()
		}
	}
	return walls
}

// closeCalls leaves the system calls that a run needs (seccomp(2)).
func closeCalls(s *spec) (string, error) {
	if err := loadFilter(s, s.compilesBehindWalls()); err != nil {
		return "", err
	}
	if _, err := unix.Getpgid(0); err != unix.EPERM {
		return "", errors.New("the filter was taken, but does not keep calls from being made")
	}
	detail := "no exec, no sockets, no new machine code, no other processes"
	if !s.hasFiles() {
		detail += ", no files"
	}
	return detail, nil
}
