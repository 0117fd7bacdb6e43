//go:build amd64 || arm64

package isolate

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Filters of system calls are programs for the kernel, of a small instruction set (seccomp(2), and
// https://www.kernel.org/doc/html/latest/networking/filter.html). A library that writes them costs every process of boxer 0.3 ms, since
// it fills tables of all calls of all architectures before main; it is what the tests hold these against.

// rule says what becomes of a call.
type rule struct {
	call    uint32
	verdict uint32 // SECCOMP_RET_…
	when    condition
}

// condition is what an argument has to be like for a rule to fit. The zero value always holds.
type condition struct {
	kind     uint16 // unix.BPF_JEQ: equal to value, the upper half being zero; unix.BPF_JSET: has bits of value in the lower half; 0: always
	not      bool
	argument uint32
	value    uint32
}

func equal(argument, value uint32) condition {
	return condition{kind: unix.BPF_JEQ, argument: argument, value: value}
}

func with(argument, bits uint32) condition {
	return condition{kind: unix.BPF_JSET, argument: argument, value: bits}
}

func without(argument, bits uint32) condition {
	return condition{kind: unix.BPF_JSET, not: true, argument: argument, value: bits}
}

// Offsets in struct seccomp_data of linux/seccomp.h, on a machine that puts the lower half of an argument first.
const (
	callOffset         = 0
	architectureOffset = 4
	argumentsOffset    = 16
)

const otherwise = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)

// assemble makes a filter of rules. What no rule fits fails with EPERM, as do the calls of other architectures.
func assemble(rules []rule) []unix.SockFilter {
	program := []unix.SockFilter{
		load(architectureOffset), jump(unix.BPF_JEQ, architecture, 1, 0), verdict(otherwise),
		load(callOffset),
	}
	if foreign != 0 {
		program = append(program, jump(unix.BPF_JGE, foreign, 0, 1), verdict(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
	}
	for _, r := range rules {
		body := r.body()
		program = append(program, jump(unix.BPF_JEQ, r.call, 0, len(body)))
		program = append(program, body...)
	}
	return append(program, verdict(otherwise))
}

// body ends with the rule's verdict if the condition holds, or else with the call's number loaded again.
func (r rule) body() []unix.SockFilter {
	lower := argumentsOffset + 8*r.when.argument
	end := []unix.SockFilter{verdict(r.verdict), load(callOffset)}
	switch {
	case r.when.kind == 0:
		return end[:1]
	case r.when.kind == unix.BPF_JEQ:
		return append([]unix.SockFilter{load(lower + 4), jump(unix.BPF_JEQ, 0, 0, 3), load(lower), jump(unix.BPF_JEQ, r.when.value, 0, 1)}, end...)
	case r.when.not:
		return append([]unix.SockFilter{load(lower), jump(unix.BPF_JSET, r.when.value, 1, 0)}, end...)
	}
	return append([]unix.SockFilter{load(lower), jump(unix.BPF_JSET, r.when.value, 0, 1)}, end...)
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// jump skips instructions: yes of them if what is loaded compares, no of them otherwise.
func jump(comparison uint16, value uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | comparison | unix.BPF_K, K: value, Jt: uint8(yes), Jf: uint8(no)}
}

func verdict(v uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v}
}

// loadFilter restricts all threads.
func loadFilter(s *spec, compiles bool) error {
	if compiles || !s.compilesBehindWalls() { // else it is set, and cannot be any more
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("giving up new privileges: %w", err)
		}
	}
	filter := assemble(policy(s.hasFiles(), compiles))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return fmt.Errorf("filtering system calls: %w", errno)
	case thread != 0:
		return fmt.Errorf("filtering system calls: thread %d has a filter of its own", thread)
	}
	return nil
}
