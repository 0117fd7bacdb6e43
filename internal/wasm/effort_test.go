package wasm

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// oneHard is a module with one function, of so many locals, that consists of n times some code.
func oneHard(locals, n int, code ...byte) []byte {
	declared := append(appendU32(raw(1), uint32(locals)), byte(TypeI32))
	body := append(append(declared, bytes.Repeat(code, n)...), byte(OpEnd))
	return binaryModule(
		section(SectionType, vec(noneToNone)), section(SectionFunction, vec(raw(0))), section(SectionCode, vec(oneBody(body...))),
	)
}

// A few kilobytes kept the engine busy for minutes.
func TestHardFunctionsAreRefused(t *testing.T) {
	arm := []byte{0x20, 0, 0x04, 0x40, 0x41, 1, 0x21, 0, 0x0b} // if (local 0) { local 0 = 1 }
	table := append(append(appendU32(raw(0x02, 0x40, 0x20, 0, 0x0e), 500_000), make([]byte, 500_001)...), 0x0b)
	for name, test := range map[string]struct {
		module []byte
		ok     bool
	}{
		"small":                            {oneHard(1, 10, arm...), true},
		"as many branches as CPython":      {oneHard(20, 8000, arm...), true},
		"as many locals as CPython":        {oneHard(200, 700, arm...), true},
		"as many loops as there may be":    {oneHard(1, maxLoops, 0x03, 0x40, 0x0b), true},
		"more":                             {oneHard(1, maxLoops+1, 0x03, 0x40, 0x0b), false},
		"many branches":                    {oneHard(1, 100_000, arm...), false},
		"many branches between locals":     {oneHard(5000, 5000, arm...), false},
		"many ways from one branch":        {oneHard(1, 1, table...), false},
		"many locals that nothing follows": {oneHard(50_000, 1, arm...), true},
	} {
		m, err := Parse(test.module)
		if err != nil {
			t.Fatal(err)
		}
		err = m.CheckEffort()
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "compiling it would take too long") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Values that branches carry count for as much: twelve kilobytes took nine seconds.
func TestWideBranchesAreRefused(t *testing.T) {
	wide := func(values, branches int) []byte {
		results := bytes.Repeat(raw(byte(TypeI32)), values)
		code := slices.Concat(raw(0, 0x02, 0, 0x10, 0), bytes.Repeat(raw(0x41, 0, 0x0d, 0), branches), raw(0x0b, 0x0f, 0x0b)) // block call 0 …br_if 0 end return
		return binaryModule(
			section(SectionType, vec(signature(nil, results))), section(SectionFunction, vec(raw(0))), section(SectionCode, vec(oneBody(code...))),
		)
	}
	for _, test := range []struct {
		values, branches int
		ok               bool
	}{{1, 8000, true}, {100, 5000, true}, {1000, 500, true}, {1000, 5000, false}, {5000, 100, false}} {
		m, err := Parse(wide(test.values, test.branches))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.CheckEffort(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Functions that are just within bounds add up.
func TestHardModulesAreRefused(t *testing.T) {
	declared := append(appendU32(raw(1), 500), byte(TypeI32))
	hard := append(append(declared, bytes.Repeat(raw(0x20, 0, 0x04, 0x40, 0x0b), 10_000)...), byte(OpEnd))
	of := func(n int) *Module {
		m, err := Parse(binaryModule(
			section(SectionType, vec(noneToNone)),
			section(SectionFunction, append(appendU32(nil, uint32(n)), make([]byte, n)...)),
			section(SectionCode, append(appendU32(nil, uint32(n)), bytes.Repeat(oneBody(hard...), n)...)),
		))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if err := of(1).CheckEffort(); err != nil {
		t.Error(err)
	}
	if of(100).CheckEffort() == nil {
		t.Error("a module of any number of hard functions is compiled")
	}
}

func TestEffortDoesNotOverflow(t *testing.T) {
	for _, n := range []int64{1 << 20, 1 << 31, 1 << 62} {
		if e := effortOf(1<<30, n, n); e <= maxModuleEffort {
			t.Errorf("%d branches and locals are reckoned at %v", n, e)
		}
	}
}
