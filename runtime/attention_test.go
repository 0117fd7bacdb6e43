package runtime

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/wasi"
)

// Where the programs here have what, besides what telling has.
const (
	flagAt  = 128 // set by the host
	takenAt = 256 // the last signal
	toldAt  = 260 // the one that is told of
	tableAt = 320
	turnsAt = 512
	leaveAt = 516 // set by the test
	wasAt   = 520 // what was at takenAt then
)

func wordFrom(at int) []byte { return slices.Concat([]byte{0x41}, constant(at), []byte{0x28, 2, 0}) }

// wordTo stores what the code leaves.
func wordTo(at int, code ...[]byte) []byte {
	return slices.Concat([]byte{0x41}, constant(at), slices.Concat(code...), []byte{0x36, 2, 0})
}

func i32(n int) []byte { return append([]byte{0x41}, constant(n)...) }

var (
	loop  = []byte{0x03, 0x40}
	again = []byte{0x45, 0x0d, 0} // i32.eqz; br_if 0
	end   = []byte{0x0b}
)

// taking is a program that notes the signals that it takes.
func taking(start ...[]byte) sections {
	s := telling([][]byte{{0x60, 1, 0x7f, 1, 0x7f}}, []byte{2},
		bodyOf(nil, start...), bodyOf(nil, wordTo(takenAt, []byte{0x20, 0}), i32(1)))
	s[wasm.SectionExport] = vector(exportFunc("_start", 1), exportFunc(wasi.ExportSignal, 2))
	return s
}

// attentive is one that does nothing but look for them. It asks for attention by these words, and looks at flagAt. It says of each signal
// which it was, counted from '0', and ends after Deadline.
func attentive(words ...uint32) string {
	say := slices.Concat(wordTo(16, wordFrom(toldAt), i32('0'), []byte{0x6a}), tells, wordTo(16, i32('x')))
	s := taking(tells, i32(1), []byte{0x40, 0, 0x1a}, // memory.grow; drop
		loop, wordFrom(flagAt), wordFrom(takenAt), []byte{0x72}, again, // i32.or
		wordTo(flagAt, i32(0)), tells, wordFrom(takenAt), again,
		wordTo(toldAt, wordFrom(takenAt)), wordTo(takenAt, i32(0)), say,
		wordFrom(toldAt), i32(int(Deadline)), []byte{0x46}, again, end) // i32.eq
	s[wasm.SectionGlobal] = vector(slices.Concat([]byte{0x7f, 0}, i32(tableAt), end))
	s[wasm.SectionExport] = vector(exportFunc("_start", 1), exportFunc(wasi.ExportSignal, 2), append(text("boxer.attention"), 3, 0))
	var table []byte
	for _, word := range words {
		table = binary.LittleEndian.AppendUint32(table, word)
	}
	s[wasm.SectionData][0]++ // segments
	s[wasm.SectionData] = slices.Concat(s[wasm.SectionData], []byte{0}, i32(tableAt), end, text(string(table)))
	return string(s.module())
}

// answering sends the next signal when something is said for the first time, and whenever a signal was taken.
type answering struct {
	strings.Builder
	next    []Signal
	signals chan Signal
}

func (a *answering) Write(p []byte) (int, error) {
	if first := a.Len() == 0; len(a.next) > 0 && (first || string(p) != "x") {
		next := a.next[0]
		a.next = a.next[1:]
		go func() { a.signals <- next }()
	}
	return a.Builder.Write(p)
}

// A program that spins takes one signal after another, whatever else is in its table, and whether it counts or not.
func TestAttentivePrograms(t *testing.T) {
	const size = 1 << 16 // of the memory that it begins with
	said := regexp.MustCompile(`^x+2x+2x+H$`)
	for name, table := range map[string][]uint32{
		"one word":              {flagAt, 1, 0},
		"among others":          {size - 4, 1, size, 1, size + flagAt, 1, flagAt, 0x80, flagAt + 4, 1, 0},
		"among words elsewhere": {1, 1, 1<<32 - 1, 1, 1 << 31, 1, flagAt + 2, 1, flagAt, 1},
		"names itself":          {tableAt, 0, tableAt + 4, 0, flagAt, 1},
		"endless":               slices.Repeat([]uint32{flagAt, 1}, 1000),
	} {
		for counts, engine := range []func() (*Engine, error){shared, counting} {
			b := newBoxOf(t, engine, map[string]string{"/p": attentive(table...)}, v1.Config{})
			out := &answering{next: []Signal{Interrupt, Interrupt, Deadline}, signals: make(chan Signal)}
			_, err := run(t, b, Cmd{Args: []string{"/p"}, Stdout: out, Signals: out.signals})
			if got := out.String(); err != nil || !said.MatchString(got) {
				t.Errorf("%s, counting %d: %q, %v", name, counts, got, err)
			}
		}
	}
}

// What the host is not asked for is told at the next call.
func TestInattentivePrograms(t *testing.T) {
	if engineVersion() == upstream(engineVersion()) {
		t.Skip("boxer is built without the patches of internal/wazero: garbage collection would wait for the program")
	}
	module := taking(
		loop, wordTo(turnsAt, wordFrom(turnsAt), i32(1), []byte{0x6a}), wordFrom(leaveAt), again, end,
		wordTo(wasAt, wordFrom(takenAt)), tells).module()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	source := inMemory("inattentive", module)
	source.meters = uncounted
	p, err := e.load(t.Context(), source, new(Stats))
	if err != nil {
		t.Fatal(err)
	}
	process := &wasi.Process{}
	ctx, err := wasi.NewContext(t.Context(), process)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	i, err := p.instance(ctx, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.close()
	memory := i.memory.Bytes()
	word := func(at int) *uint32 { return (*uint32)(unsafe.Pointer(&memory[at])) }
	i.attend(ctx)
	done := make(chan error)
	go func() { done <- i.run(ctx) }()
	for begun := uint32(0); begun == 0; {
		begun = atomic.LoadUint32(word(turnsAt))
	}
	process.Signal(Interrupt)
	for since := atomic.LoadUint32(word(turnsAt)); atomic.LoadUint32(word(turnsAt))-since < 1_000_000; {
	}
	atomic.StoreUint32(word(leaveAt), 1)
	if err := <-done; err != nil {
		t.Error(err)
	}
	i.unattend(ctx)
	if was, taken := *word(wasAt), *word(takenAt); was != 0 || taken != uint32(Interrupt) {
		t.Errorf("before the call signal %d was taken, and then %d", was, taken)
	}
}

// A signal that a program does not take ends the program and not the shell that has started it.
func TestSignalsEndOneProgram(t *testing.T) {
	spins := string(telling(nil, nil, bodyOf(nil, tells, forever)).module())
	for counts, engine := range []func() (*Engine, error){shared, counting} {
		b := newBoxOf(t, engine, map[string]string{"/p": spins}, v1.Config{})
		out := &answering{next: []Signal{Interrupt}, signals: make(chan Signal)}
		_, err := run(t, b, Cmd{Args: []string{"sh", "-c", "/p; echo $?"}, Stdout: out, Signals: out.signals})
		if got := out.String(); got != "x130\n" || err != nil {
			t.Errorf("counting %d: %q, %v", counts, got, err)
		}
	}
}
