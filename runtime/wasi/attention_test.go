package wasi

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// attentiveModule is signalModule that also exports
//
//	(global (export "boxer.attention") i32 (i32.const 64))
func attentiveModule() []byte {
	module := bytes.Replace(signalModule, []byte("\x06\x08\x01\x7f\x01\x41\x80\x80\x04\x0b"),
		[]byte("\x06\x0e\x02\x7f\x01\x41\x80\x80\x04\x0b\x7f\x00\x41\xc0\x00\x0b"), 1)
	return bytes.Replace(module, []byte("\x07\x2b\x03"), []byte("\x07\x3d\x04\x0fboxer.attention\x03\x01"), 1)
}

// put32 writes words as a program would that has more than it to look after: in one go each.
func put32(memory []byte, at int, words ...uint32) {
	for i, w := range words {
		atomic.StoreUint32(wordAt(memory, uint64(at+4*i)), w)
	}
}

func all(m api.Module) []byte {
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	return memory
}

// TestAttention: the bits are set as long as signals are on their way, and come again when the program overwrites them.
func TestAttention(t *testing.T) {
	p := &Process{}
	g := newGuestIn(t, t.Context(), p, attentiveModule())
	memory := all(g.mod)
	put32(memory, 64, 128, 1, 132, 0x8000_0001, 0)
	put32(memory, 132, 4)
	Attend(g.ctx, g.mod, memory)
	flag, other := wordAt(memory, 128), wordAt(memory, 132)
	for range 3 {
		p.Signal(Deadline)
		for range 3 {
			for atomic.LoadUint32(flag) == 0 || atomic.LoadUint32(other) == 4 {
			}
			if got := atomic.LoadUint32(other); got != 0x8000_0005 {
				t.Errorf("the word is %#x", got)
			}
			put32(memory, 128, 0, 4)
		}
		g.ok("sched_yield")
		if got := g.u32(0); got != uint32(Deadline) {
			t.Errorf("signal %d was taken", got)
		}
	}
	p.Signal(Interrupt)
	Unattend(g.ctx)
	put32(memory, 128, 0, 4)
	p.Signal(Interrupt)
	if f, o := atomic.LoadUint32(flag), atomic.LoadUint32(other); f != 0 || o != 4 {
		t.Errorf("after its run the words are %#x and %#x", f, o)
	}
	Attend(g.ctx, g.mod, memory) // with a signal that came before
	for atomic.LoadUint32(flag) == 0 {
	}
	Unattend(g.ctx)
	Unattend(g.ctx)
}

// What a program says of its table may be anything: no more than the words of its memory change.
func TestHostileAttention(t *testing.T) {
	const size = 1 << 16
	words := func(w ...uint32) (b []byte) {
		for _, w := range w {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	for name, test := range map[string]struct {
		table  uint32
		at     int
		memory []byte
		want   map[int]uint32 // words that change
	}{
		"behind the memory":    {table: size},
		"far behind":           {table: math.MaxUint32 - 3},
		"at an odd address":    {table: 65, at: 65, memory: words(128, 1)},
		"half in memory":       {table: size - 4, at: size - 4, memory: words(128)},
		"at the end":           {table: size - 8, at: size - 8, memory: words(128, 2), want: map[int]uint32{128: 2}},
		"empty":                {table: 64, at: 64, memory: words(0, 1, 128, 1)},
		"not there":            {table: 0},
		"words elsewhere":      {table: 64, at: 64, memory: words(size, 1, math.MaxUint32, 1, 1<<31, 1, 130, 1, 128, 1), want: map[int]uint32{128: 1}},
		"the last word":        {table: 64, at: 64, memory: words(size-4, 8, size-3, 1, size-2, 1, size-1, 1), want: map[int]uint32{size - 4: 8}},
		"itself":               {table: 64, at: 64, memory: words(68, 0xf0, 64, 128), want: map[int]uint32{64: 68 | 128}},
		"that ends itself not": {table: 64, at: 64, memory: words(72, 128), want: map[int]uint32{72: 128, 128: 0}},
		"endless": {table: 64, at: 64, memory: words(slices.Repeat([]uint32{1024, 1}, 100)...),
			want: map[int]uint32{1024: 1}},
		"longer than is looked at": {table: 64, at: 64, memory: append(words(slices.Repeat([]uint32{1024, 1}, maxAttention)...), words(2048, 1)...),
			want: map[int]uint32{1024: 1}},
	} {
		memory := make([]byte, size)
		copy(memory[test.at:], test.memory)
		want := bytes.Clone(memory)
		for at, w := range test.want {
			binary.LittleEndian.PutUint32(want[at:], w)
		}
		setBits(memory, test.table)
		if !bytes.Equal(memory, want) {
			t.Errorf("a table %s changes other words", name)
		}
	}
	setBits(nil, 64)
}

func FuzzSetBits(f *testing.F) {
	f.Add([]byte("\x08\x00\x00\x00\xff\x00\x00\x00"), uint32(0))
	f.Fuzz(func(t *testing.T, memory []byte, table uint32) {
		around := make([]byte, len(memory)+16) // of which no word is within eight bytes of either end
		copy(around[8:], memory)
		before := bytes.Clone(around)
		inner := around[8 : 8+len(memory)]
		setBits(inner, table)
		for i := range around {
			if around[i]&before[i] != before[i] {
				t.Fatalf("bits of byte %d were cleared", i)
			}
		}
		if !bytes.Equal(around[:8], before[:8]) || !bytes.Equal(around[8+len(memory):], before[8+len(memory):]) {
			t.Fatal("something else than the memory has changed")
		}
	})
}

// Tables that are no constants of type i32, and programs that take no signals, are left alone.
func TestNoAttention(t *testing.T) {
	for name, change := range map[string][2]string{
		"that changes":    {"\x7f\x00\x41\xc0\x00\x0b", "\x7f\x01\x41\xc0\x00\x0b"},
		"of another type": {"\x7f\x00\x41\xc0\x00\x0b", "\x7e\x00\x42\xc0\x00\x0b"},
		"a function":      {"\x0fboxer.attention\x03\x01", "\x0fboxer.attention\x00\x00"},
		"no signals":      {"\x0cboxer.signal", "\x0cboxer_signal"},
	} {
		p := &Process{}
		module := bytes.Replace(attentiveModule(), []byte(change[0]), []byte(change[1]), 1)
		g := newGuestIn(t, t.Context(), p, module)
		Attend(g.ctx, g.mod, all(g.mod))
		p.Signal(Interrupt)
		if p.attention.asking != nil {
			t.Errorf("%s: somebody asks", name)
		}
		Unattend(g.ctx)
	}
}

// A program that takes no signals is killed by all but Deadline, which has come before or comes while it runs.
func TestKill(t *testing.T) {
	var killed []Signal
	p := &Process{Kill: func(s Signal) { killed = append(killed, s) }}
	g := newGuest(t, p)
	p.Signal(Interrupt)
	if killed != nil {
		t.Error("what does not run was killed")
	}
	Attend(g.ctx, g.mod, all(g.mod))
	p.Forget()
	p.Signal(Deadline)
	p.Signal(15)
	Unattend(g.ctx)
	p.Signal(15)
	if want := []Signal{Interrupt, 15}; !slices.Equal(killed, want) {
		t.Errorf("it was killed by %v, not %v", killed, want)
	}
}

// BenchmarkAttend is what a run that gets no signals pays.
func BenchmarkAttend(b *testing.B) {
	g := newGuestIn(b, b.Context(), &Process{}, attentiveModule())
	memory := all(g.mod)
	for b.Loop() {
		Attend(g.ctx, g.mod, memory)
		Unattend(g.ctx)
	}
}
