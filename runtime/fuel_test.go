package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
)

// startingModule is a program with a start function that has the given instructions.
func startingModule(code ...byte) string {
	s := startModule()
	s[wasm.SectionFunction] = vector([]byte{0}, []byte{0})
	s[wasm.SectionStart] = []byte{1}
	s[wasm.SectionCode] = vector(body(), body(code...))
	return string(s.module())
}

// countdown counts down from 1,000 at address 0: eleven instructions a turn.
var countdown = []byte{
	0x41, 0, 0x41, 0xe8, 7, 0x36, 2, 0,
	0x03, 0x40, 0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6b, 0x36, 2, 0, 0x41, 0, 0x28, 2, 0, 0x0d, 0, 0x0b,
}

// What runs while a program is instantiated is counted, and ended, as what comes after.
func TestStartFunctionsAreMetered(t *testing.T) {
	b := newBox(t, map[string]string{
		"/counts": startingModule(countdown...), "/forever": startingModule(0x03, 0x40, 0x0c, 0, 0x0b),
	}, v1.Config{})
	var stats Stats
	if _, err := run(t, b, Cmd{Args: []string{"/counts"}, Limits: Limits{Fuel: 1 << 30}, Stats: &stats}); err != nil {
		t.Error(err)
	}
	if stats.Fuel < 8000 || stats.Fuel > 12_000 {
		t.Errorf("%d instructions are counted", stats.Fuel)
	}
	if _, err := run(t, b, Cmd{Args: []string{"/forever"}, Limits: Limits{Fuel: 1_000_000}}); !errors.Is(err, ErrOutOfFuel) {
		t.Errorf("with fuel: %v", err)
	}
	if got, err := run(t, b, Cmd{Args: []string{"/forever"}, Limits: Limits{Timeout: time.Millisecond}}); got.Status != StatusDeadline {
		t.Errorf("with a deadline: %+v, %v", got, err)
	}
}

// Programs too short to ask for fuel use it up all the same.
func TestShortProgramsUseUpFuel(t *testing.T) {
	b := newBox(t, map[string]string{"/short": string(startModule(0x41, 0, 0x1a).module())}, v1.Config{})
	for _, script := range []string{"while :; do /short; done", "while :; do /short | /short; done"} {
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", script}, Limits: Limits{Fuel: 100}})
		if !errors.Is(err, ErrOutOfFuel) || got.Status != StatusOutOfFuel {
			t.Errorf("%s: %+v, %v", script, got, err)
		}
	}
}

// Who has used more fuel than there was has run out of it, however the program ended, and wherever it looked.
func TestOutOfFuelHoweverItEnds(t *testing.T) {
	long := bytes.Repeat([]byte{0x41, 0, 0x1a}, 1000)
	for _, counting := range []Counting{CountIfNeeded, CountAlways} {
		e := newEngine(t, Options{Counting: counting})
		b, err := e.NewBox(newTree(t, map[string]string{
			"/returns": string(startModule(long...).module()),
			"/traps":   string(startModule(append(long, 0x00)...).module()),
			"/forever": string(startModule(0x03, 0x40, 0x0c, 0, 0x0b).module()),
		}), v1.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, program := range []string{"/returns", "/traps", "/forever"} {
			got, err := run(t, b, Cmd{Args: []string{program}, Limits: Limits{Fuel: 900}})
			if !errors.Is(err, ErrOutOfFuel) || got.Status != StatusOutOfFuel {
				t.Errorf("counting %d: %s: %+v, %v", counting, program, got, err)
			}
		}
	}
}

// What a shell does after a program that has used up the fuel does not depend on when that is noticed: nothing.
func TestOutOfFuelEndsTheRun(t *testing.T) {
	burn := append(bytes.Repeat([]byte{0x41, 0, 0x1a}, 1000), 0x00)
	files := map[string]string{
		"/forever": string(startModule(0x03, 0x40, 0x0c, 0, 0x0b).module()),
		"/ends":    string(startModule(bytes.Repeat([]byte{0x41, 0, 0x1a}, 1000)...).module()),
		"/traps":   string(startModule(burn...).module()),
		"/starts":  startingModule(0x03, 0x40, 0x0c, 0, 0x0b),
	}
	for name, engine := range map[string]func() (*Engine, error){"charged": shared, "tested": counting} {
		b := newBoxOf(t, engine, files, v1.Config{})
		for program := range files {
			for _, script := range []string{"echo before; %s; echo after", "echo before; %s || echo after", "echo before; %s | cat; echo after"} {
				script = fmt.Sprintf(script, program)
				var stats Stats
				got, err := run(t, b, Cmd{Args: []string{"sh", "-c", script}, Limits: Limits{Fuel: 900}, Stats: &stats})
				if !errors.Is(err, ErrOutOfFuel) || got.Stdout != "before\n" || stats.Fuel != 900 {
					t.Errorf("%s, %s: %+v, %v, fuel %d", name, script, got, err, stats.Fuel)
				}
			}
		}
	}
}

// A start function that fails has its counter go with it, and is charged all the same.
func TestFailedStartFunctionsUseUpFuel(t *testing.T) {
	files := map[string]string{"/burns": startingModule(append(slices.Clone(countdown), 0x00)...)}
	for name, engine := range map[string]func() (*Engine, error){"charged": shared, "tested": counting} {
		b := newBoxOf(t, engine, files, v1.Config{})
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", "while :; do /burns; done"}, Limits: Limits{Fuel: 100_000_000}})
		if !errors.Is(err, ErrOutOfFuel) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What is charged is so by any engine, and what is not by none.
func TestProgramsAreChargedWhateverOthersCount(t *testing.T) {
	files := map[string]string{"/loops": string(startModule(countdown...).module())}
	var counts []int64
	for _, counting := range []Counting{CountIfNeeded, CountAlways, CountNever} {
		e := newEngine(t, Options{Counting: counting})
		b, err := e.NewBox(newTree(t, files), v1.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var stats Stats
		for _, c := range []Cmd{{}, {Stats: &stats, CountFuel: true}} {
			c.Args = []string{"/loops"}
			if _, err := run(t, b, c); err != nil {
				t.Error(err)
			}
			if stats.Fuel > 0 != c.CountFuel {
				t.Errorf("%d instructions are counted", stats.Fuel)
			}
		}
		counts = append(counts, stats.Fuel)
	}
	if counts[0] < 8000 || counts[0] != counts[1] || counts[0] != counts[2] {
		t.Errorf("instructions are counted as %d", counts)
	}
}

// A program that waits for a thread would wait in the engine, where no context reaches it.
func TestSharedMemoryIsRefused(t *testing.T) {
	s := startModule(0x41, 0, 0x41, 0, 0x42, 0x7f, 0xfe, 1, 2, 0, 0x1a) // memory.atomic.wait32(0, 0, -1)
	s[wasm.SectionMemory] = vector([]byte{3, 1, 1})
	b := newBox(t, map[string]string{"/waits": string(s.module())}, v1.Config{})
	if _, err := run(t, b, Cmd{Args: []string{"/waits"}}); err == nil || !strings.Contains(err.Error(), "shared") {
		t.Error(err)
	}
}

// An initialisation that never ends can be stopped.
func TestCaptureIsStopped(t *testing.T) {
	s := startModule()
	s[wasm.SectionFunction] = vector([]byte{0}, []byte{0})
	s[wasm.SectionExport] = vector(exportFunc("_start", 0), exportFunc(exportInitialize, 1))
	s[wasm.SectionCode] = vector(body(), body(0x03, 0x40, 0x0c, 0, 0x0b))
	b := newBox(t, map[string]string{"/program": string(s.module())}, v1.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := b.Capture(ctx, &Cmd{Args: []string{"/program"}}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
