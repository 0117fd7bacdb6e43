package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"boxer.dev/runtime/wasi"
)

// boxerModule is the import module by which a program shows that it is made for boxer.
const boxerModule = "boxer"

// program is a module that is compiled and known to be runnable.
type program struct {
	wazero   wazero.Runtime
	compiled wazero.CompiledModule
	knowsDir bool // asks for its working directory; others start at "/"
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

var errMemory = errors.New("not enough memory for the program's linear memory")

// run runs the program to its end. The result is what the engine says: see ending.
func (p *program) run(ctx context.Context, process *wasi.Process, stats *Stats) (err error) {
	ctx, err = wasi.NewContext(ctx, process)
	if err != nil {
		return err
	}
	defer func() {
		if closing := process.Close(); err == nil {
			err = closing
		}
	}()
	watch := stopwatch()
	instance, err := p.instantiate(ctx)
	stats.Instantiate += watch()
	if err != nil {
		return err
	}
	defer instance.Close(ctx)
	for _, name := range []string{"_initialize", "_start"} {
		if function := instance.ExportedFunction(name); function != nil && err == nil {
			_, err = function.Call(ctx)
		}
	}
	stats.Run += watch()
	if memory := instance.Memory(); memory != nil {
		pages, _ := memory.Grow(0) // Size is 32 bits wide, and so 0 for 4 GiB
		stats.PeakMemory = max(stats.PeakMemory, uint64(pages)<<16)
	}
	return err
}

// instantiate makes an instance in which nothing has run but the module's start function.
func (p *program) instantiate(ctx context.Context) (instance api.Module, err error) {
	var memory experimental.LinearMemory
	allocate := func(cap, max uint64) experimental.LinearMemory {
		memory = newMemory(cap, max)
		return &initialMemory{LinearMemory: memory}
	}
	defer func() {
		if r := recover(); r != nil {
			if r != errMemory {
				panic(r)
			}
			err = errMemory
		}
		if err != nil && memory != nil {
			memory.Free()
		}
	}()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	return p.wazero.InstantiateModule(experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate)), p.compiled, config)
}

// initialMemory turns a failure of the first allocation, with which wazero's interface cannot cope, into a panic that
// instantiate knows.
type initialMemory struct {
	experimental.LinearMemory
	started bool
}

func (m *initialMemory) Reallocate(size uint64) []byte {
	buffer := m.LinearMemory.Reallocate(size)
	if buffer == nil && size > 0 && !m.started {
		panic(errMemory)
	}
	m.started = true
	return buffer
}
