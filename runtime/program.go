package runtime

import (
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// boxerModule is the import module by which a program shows that it is made for boxer.
const boxerModule = "boxer"

// program is a module that is compiled and known to be runnable.
type program struct {
	wazero   wazero.Runtime
	compiled wazero.CompiledModule
	knowsDir bool  // asks for its working directory; others start at "/"
	pools    pools // of instances, if it is restorable
}

// unfitError says why a valid module is no program.
type unfitError struct{ reason string }

func (e *unfitError) Error() string { return e.reason }

func newProgram(r wazero.Runtime, compiled wazero.CompiledModule) (*program, error) {
	start, ok := compiled.ExportedFunctions()["_start"]
	if !ok {
		return nil, &unfitError{"WebAssembly library: it exports no function _start"}
	}
	if len(start.ParamTypes()) > 0 || len(start.ResultTypes()) > 0 {
		return nil, &unfitError{"its function _start takes or returns values; WASI's does neither"}
	}
	p := &program{wazero: r, compiled: compiled}
	for _, function := range compiled.ImportedFunctions() {
		module, name, _ := function.Import()
		if err := provides(r, module, name, function); err != nil {
			return nil, err
		}
		p.knowsDir = p.knowsDir || module == boxerModule
	}
	for _, memory := range compiled.ImportedMemories() {
		module, name, _ := memory.Import()
		return nil, &unfitError{fmt.Sprintf("it imports the memory %q.%q; a program brings its own", module, name)}
	}
	return p, nil
}

// provides checks an imported function against what the host's modules have.
func provides(r wazero.Runtime, module, name string, want api.FunctionDefinition) error {
	var have api.FunctionDefinition
	if host := r.Module(module); host != nil {
		have = host.ExportedFunctionDefinitions()[name]
	}
	if have == nil {
		return &unfitError{fmt.Sprintf("it imports the function %q.%q, which boxer does not have (it has WASI preview 1)", module, name)}
	}
	if !slices.Equal(have.ParamTypes(), want.ParamTypes()) || !slices.Equal(have.ResultTypes(), want.ResultTypes()) {
		return &unfitError{fmt.Sprintf("it imports the function %q.%q with another type than WASI has it", module, name)}
	}
	return nil
}
