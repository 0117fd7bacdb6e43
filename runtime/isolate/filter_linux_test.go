//go:build amd64 || arm64

package isolate

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// policies are those of workers, and one that has each kind of condition.
var policies = map[string][]rule{
	"without files": policy(false, false), "with files": policy(true, false), "compiling": policy(true, true),
	"conditions": {
		{1, unix.SECCOMP_RET_ALLOW, equal(5, 7)}, {1, unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES), equal(3, 0)}, {1, unix.SECCOMP_RET_ALLOW, with(0, 5)},
		{2, unix.SECCOMP_RET_KILL_PROCESS, without(1, 0x80000001)}, {2, unix.SECCOMP_RET_ALLOW, condition{}}, {5, unix.SECCOMP_RET_ALLOW, condition{}},
	},
}

// TestFilter: a filter says of any call what the first rule says that fits.
func TestFilter(t *testing.T) {
	for name, rules := range policies {
		t.Run(name, func(t *testing.T) {
			filter := runnable(t, disassembled(t, assemble(rules)))
			eachCall(rules, func(call, from uint32, arguments [6]uint64) {
				want := uint32(otherwise)
				switch i := slices.IndexFunc(rules, func(r rule) bool { return r.call == call && r.when.holds(arguments) }); {
				case from != architecture:
				case foreign != 0 && call >= foreign:
					want = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
				case i >= 0:
					want = rules[i].verdict
				}
				if got := verdictOf(t, filter, packed(call, from, arguments)); got != want {
					t.Fatalf("call %d %x of %#x: %#x, not %#x", call, arguments, from, got, want)
				}
			})
		})
	}
}

func (c condition) holds(arguments [6]uint64) bool {
	argument := arguments[c.argument]
	switch c.kind {
	case unix.BPF_JEQ:
		return argument == uint64(c.value)
	case unix.BPF_JSET:
		return (uint32(argument)&c.value != 0) != c.not
	}
	return true
}

// TestRuleIsTheReference: a filter of one rule says what that of a library says. Of several rules the library forgets those which
// come after a condition that does not hold: it goes on to compare the argument where the call's number should be.
func TestRuleIsTheReference(t *testing.T) {
	info, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	compared := map[rule]bool{}
	for _, rules := range policies {
		for _, r := range knownTo(info, rules) {
			if compared[r] {
				continue
			}
			compared[r] = true
			ours, theirs := runnable(t, disassembled(t, assemble([]rule{r}))), runnable(t, reference(t, info, r))
			eachCall([]rule{r}, func(call, from uint32, arguments [6]uint64) {
				data := packed(call, from, arguments)
				if got, want := verdictOf(t, ours, data), verdictOf(t, theirs, data); got != want {
					t.Fatalf("call %d %x of %#x by %+v: %#x, not %#x", call, arguments, from, r, got, want)
				}
			})
		}
	}
	if len(compared) < 100 {
		t.Fatalf("the library knows %d of the rules' calls", len(compared))
	}
}

// eachCall asks about all calls: more often about those of rules, with such arguments as these tell apart.
func eachCall(rules []rule, ask func(call, architecture uint32, arguments [6]uint64)) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, r := range rules {
		for range 50 {
			ask(r.call, architecture, someArguments(random, rules))
		}
	}
	for call := range uint32(500) {
		ask(call, architecture, someArguments(random, rules))
		for _, other := range []uint32{architecture + 1, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, 0} {
			ask(call, other, someArguments(random, rules))
		}
		ask(call|0x40000000, architecture, someArguments(random, rules))
		ask(call|0x80000000, architecture, someArguments(random, rules))
		ask(^call, architecture, someArguments(random, rules))
	}
}

// someArguments are such as rules tell apart, with a bit that is different now and then.
func someArguments(random *rand.Rand, rules []rule) (arguments [6]uint64) {
	for i := range arguments {
		arguments[i] = uint64(rules[random.IntN(len(rules))].when.value)
		if i == 0 && random.IntN(3) == 0 {
			arguments[i] = uint64(os.Getpid())
		}
		if random.IntN(3) == 0 {
			arguments[i] ^= 1 << random.IntN(64)
		}
	}
	return arguments
}

// knownTo are the rules whose calls the library has a name for.
func knownTo(info *arch.Info, rules []rule) (known []rule) {
	for _, r := range rules {
		if _, ok := info.SyscallNumbers[int(r.call)]; ok {
			known = append(known, r)
		}
	}
	return known
}

// reference is what the library makes of a rule.
func reference(t *testing.T, info *arch.Info, r rule) []bpf.Instruction {
	t.Helper()
	name, group := info.SyscallNumbers[int(r.call)], seccomp.SyscallGroup{Action: seccomp.Action(r.verdict)}
	operation := seccomp.BitsSet
	switch {
	case r.when.kind == unix.BPF_JEQ:
		operation = seccomp.Equal
	case r.when.not:
		operation = seccomp.BitsNotSet
	}
	if c := (seccomp.Condition{Argument: r.when.argument, Value: uint64(r.when.value), Operation: operation}); r.when.kind == 0 {
		group.Names = []string{name}
	} else {
		group.NamesWithCondtions = []seccomp.NameWithConditions{{Name: name, Conditions: seccomp.ArgumentConditions{c}}}
	}
	p := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{group}}
	program, err := p.Assemble()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func disassembled(t *testing.T, filter []unix.SockFilter) []bpf.Instruction {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(filter))
	for i, f := range filter {
		raw[i] = bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	program, all := bpf.Disassemble(raw)
	if !all {
		t.Fatal("an instruction is none")
	}
	return program
}

func runnable(t *testing.T, program []bpf.Instruction) *bpf.VM {
	t.Helper()
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// packed is a struct seccomp_data whose words are in the order of a network, as the virtual machine reads them.
func packed(call, architecture uint32, arguments [6]uint64) []byte {
	data := binary.BigEndian.AppendUint32(nil, call)
	data = binary.BigEndian.AppendUint32(data, architecture)
	data = binary.BigEndian.AppendUint64(data, 0) // the instruction's address
	for _, a := range arguments {
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	return data
}

func verdictOf(t *testing.T, vm *bpf.VM, data []byte) uint32 {
	t.Helper()
	v, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

// TestNoCallInTwoLists: the first rule that fits counts, so that a call which is needed cannot be fatal as well.
func TestNoCallInTwoLists(t *testing.T) {
	lists := map[uint32]string{}
	for name, list := range map[string][]uint32{"needed": needed, "also needed": alsoNeeded, "of files": ofFiles, "hostile": hostile, "also hostile": alsoHostile, "memory": memory} {
		for _, call := range list {
			if lists[call] != "" {
				t.Errorf("call %d is %s and %s", call, lists[call], name)
			}
			lists[call] = name
		}
	}
}

func BenchmarkAssemble(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		assemble(policy(true, false))
	}
}
