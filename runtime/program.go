package runtime

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/wasi"
)

// boxerModule is the import module by which a program shows that it is made for boxer.
const boxerModule = "boxer"

// program is a module that is compiled and known to be runnable.
type program struct {
	wazero   wazero.Runtime
	compiled wazero.CompiledModule
	meters   metering
	globals  []string // that it exports
	knowsDir bool     // asks for its working directory; others start at "/"
	deaf     bool     // takes no signals
	pools    pools    // of instances, if it is restorable
	ruby     *rubyLibrary
}

// unfitError says why a valid module is no program.
type unfitError struct{ reason string }

func (e *unfitError) Error() string { return e.reason }

// newProgram looks at what the module imports and exports. The engine would tell as well, but to do so it writes an account
// of every function.
func newProgram(ctx context.Context, r wazero.Runtime, code *machineCode, meters metering) (*program, error) {
	m, err := wasm.Parse(code.shown)
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	p := &program{wazero: r, compiled: code.CompiledModule, meters: meters}
	if p.ruby, err = fit(m); err != nil {
		return nil, err
	}
	_, takes := m.Export(wasi.ExportSignal)
	p.deaf = !takes
	for _, e := range m.Exports {
		if e.Kind == wasm.ExternGlobal {
			p.globals = append(p.globals, e.Name)
		}
	}
	host := hostFunctions{}
	for _, i := range m.Imports {
		switch i.Kind {
		case wasm.ExternFunc:
			if p.ruby != nil && (i.Module == rubyHostModule || i.Module == canonicalABIModule) {
				continue
			}
			if err := host.provide(r, i, m.Types[i.Type]); err != nil {
				return nil, err
			}
			p.knowsDir = p.knowsDir || i.Module == boxerModule
		case wasm.ExternMemory:
			return nil, &unfitError{fmt.Sprintf("it imports the memory %q.%q; a program brings its own", i.Module, i.Name)}
		}
	}
	if p.ruby != nil {
		return p, p.ruby.provide(ctx, r, m)
	}
	return p, nil
}

// fit says whether a module is one that can be started: a command, or Ruby.
func fit(m *wasm.Module) (*rubyLibrary, error) {
	for _, memory := range m.Memories {
		if memory.Shared { // there are no threads to share it with, and who waits for one waits in the engine, for ever
			return nil, &unfitError{"its memory is shared between threads, which programs do not have"}
		}
	}
	start, ok := m.Export("_start")
	if !ok || start.Kind != wasm.ExternFunc {
		if ruby := newRubyLibrary(m); ruby != nil {
			return ruby, nil
		}
		return nil, &unfitError{"WebAssembly library: it exports no function _start"}
	}
	if t := m.FuncType(start.Index); t.Params.Len+t.Results.Len > 0 {
		return nil, &unfitError{"its function _start takes or returns values; WASI's does neither"}
	}
	return nil, nil
}

// hostFunctions are what the host's modules have, as far as they have been asked for.
type hostFunctions map[string]map[string]api.FunctionDefinition

// provide checks an imported function against what the host has.
func (h hostFunctions) provide(r wazero.Runtime, i wasm.Import, want wasm.FuncType) error {
	if _, known := h[i.Module]; !known {
		h[i.Module] = nil
		if host := r.Module(i.Module); host != nil {
			h[i.Module] = host.ExportedFunctionDefinitions()
		}
	}
	have := h[i.Module][i.Name]
	if have == nil {
		return &unfitError{fmt.Sprintf("it imports the function %q.%q, which boxer does not have (it has WASI preview 1)", i.Module, i.Name)}
	}
	if !bytes.Equal(have.ParamTypes(), want.Params.Encoding) || !bytes.Equal(have.ResultTypes(), want.Results.Encoding) {
		return &unfitError{fmt.Sprintf("it imports the function %q.%q with another type than WASI has it", i.Module, i.Name)}
	}
	return nil
}
