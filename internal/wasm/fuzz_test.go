package wasm

import (
	"bytes"
	"testing"
)

// No bytes make the package panic; what it reads it writes back; and what it and the engine accept, the engine accepts
// after every pass.
func FuzzParse(f *testing.F) {
	for _, seed := range [][]byte{
		everySection, mixed, oneFunction(0x41, 0, 0x1a), binaryModule(), preamble[:4],
		binaryModule(custom(nameSection, raw(1, 3, 1, 0, 0))),
		binaryModule(section(SectionType, raw(1, 0x4e, 1), noneToNone)),
	} {
		f.Add(seed)
	}
	engine := newEngine(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := Parse(module)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Encode(), module) {
			t.Fatal("encoding differs from what was parsed")
		}
		// The engine sees only what has passed the checks that guard its allocations.
		valid := m.CheckCode() == nil && compiles(engine, module) == nil
		for name, pass := range passes {
			rewritten, err := pass(module)
			if valid && err == nil {
				err = compiles(engine, rewritten)
			}
			if valid && err != nil && !refuses(name, m) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// refuses says whether a pass may refuse a valid module.
func refuses(pass string, m *Module) bool {
	for _, e := range m.Exports {
		if metered := pass == "Ticks" || pass == "Fuel"; metered && e.Name == CounterExport {
			return true
		}
		if pass == "ExportGlobals" && bytes.HasPrefix([]byte(e.Name), []byte("boxer.global.")) {
			return true
		}
	}
	for _, imp := range m.Imports {
		if pass != "Skeleton" && (imp.Module == "boxer" || imp.Module == MeterModule) {
			return true
		}
	}
	return false
}
