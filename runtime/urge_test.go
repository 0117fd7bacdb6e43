package runtime

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"

	"boxer.dev/internal/wasm"
)

// A program whose turns take long ends with its context, not with its slice: here that is minutes later. A loop that calls
// nothing, and does not access memory much, would keep the counter to itself.
func TestProgramIsUrged(t *testing.T) {
	for name, slow := range map[string][]byte{
		"calls":  {0x10, 1},                                                          // call 1
		"memory": bytes.Repeat([]byte{0x41, 8, 0x41, 8, 0x28, 2, 0, 0x36, 2, 0}, 50), // at address 8 nothing changes, slowly
	} {
		t.Run(name, func(t *testing.T) { urge(t, slow) })
	}
}

func urge(t *testing.T, slow []byte) {
	turn := bytes.Join([][]byte{
		{0x03, 0x40, 0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0}, // loop: count at address 0
		slow,
		{0x0c, 0, 0x0b}, // br 0
	}, nil)
	module := startModule()
	module[wasm.SectionFunction] = vector([]byte{0}, []byte{0})
	module[wasm.SectionCode] = vector(body(turn...), body())
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	source := inMemory("turning", module.module())
	p, err := e.load(t.Context(), source, new(Stats))
	if err != nil {
		t.Fatal(err)
	}
	i, err := p.instance(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.close()
	const slice = math.MaxInt32 // turns, of a tenth of a microsecond each
	i.counter.Set(slice)
	ctx, cancel := context.WithCancel(t.Context())
	defer i.urge(ctx)()
	done := make(chan error)
	go func() { done <- i.run(ctx) }()
	for turns := uint32(0); turns == 0; {
		turns, _ = i.module.Memory().ReadUint32Le(0)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if turns, _ := i.module.Memory().ReadUint32Le(0); turns > slice/2 {
		t.Errorf("it went on for %d turns, of %d in its slice", turns, slice)
	}
}
