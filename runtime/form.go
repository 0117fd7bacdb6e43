package runtime

import "boxer.dev/internal/wasm"

// form is how a module is shown to the engine. The machine code is the same for all of them.
type form byte

const (
	plain      form = iota
	exporting       // with its mutable globals exported, so that they can be captured
	restorable      // to be instantiated for a memory image
)

// of gives the module, or what stands in for it, in that form.
func (f form) of(module []byte) (shown []byte, err error) {
	switch f {
	case exporting:
		shown, _, err = wasm.ExportGlobals(module, wasm.GlobalPrefix)
		return shown, err
	case restorable:
		shown, _, err = wasm.Restorable(module)
		return shown, err
	}
	return module, nil
}
