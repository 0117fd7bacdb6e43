package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/memory"
)

// Exports by which a program takes part in memory images. The first two are Wizer's convention
// (https://github.com/bytecodealliance/wizer); the third is ours, see docs/architecture.md.
const (
	exportInitialize = "wizer.initialize" // () -> (): what is captured is the memory after it
	exportResume     = "wizer.resume"     // () -> (): in place of _start where the memory comes from an image
	exportServes     = "boxer.serves"     // () -> i32: whether the image can do what this run asks for; called before the start
)

var errMemory = errors.New("not enough memory for the program's linear memory")

// instance is a program with a memory of its own. It is used by one run at a time.
type instance struct {
	module  api.Module
	memory  *memory.Memory
	image   *memory.Image // nil: it has to initialise itself
	globals []api.MutableGlobal
	meters  metering
	counter api.MutableGlobal // what it counts by; nil if it does not
	ended   error             // of the last run

	initialize, serves, start api.Function
	ruby                      *rubyLibrary
}

// instantiate makes an instance in which nothing has run, but for the module's start function where there is no image.
func (p *program) instantiate(ctx context.Context, image *memory.Image, account *memory.Account) (_ *instance, err error) {
	i := &instance{image: image, meters: p.meters}
	defer func() {
		if r := recover(); r != nil {
			if r != errMemory {
				panic(r)
			}
			err = errMemory
		}
		if err != nil && i.memory != nil {
			i.memory.Free()
		}
	}()
	allocate := func(_, max uint64) experimental.LinearMemory {
		if i.memory, err = newMemory(image, max); err != nil {
			panic(errMemory)
		}
		if !i.memory.Charge(account, imageSize(image)) {
			panic(errMemory)
		}
		return &initialMemory{Memory: i.memory}
	}
	// The engine's own source of random numbers, which nothing here reads, takes 5 KB and 10 µs to make.
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(rand.Reader)
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate))
	if p.ruby != nil {
		ctx, i.ruby = p.ruby.resolving(ctx), p.ruby
	}
	if i.module, err = p.wazero.InstantiateModule(ctx, p.compiled, config); err != nil {
		return nil, err
	}
	i.counter, _ = i.module.ExportedGlobal(wasm.CounterExport).(api.MutableGlobal)
	i.start = i.module.ExportedFunction("_start")
	if image == nil {
		i.initialize = i.module.ExportedFunction("_initialize")
		return i, nil
	}
	if resume := i.module.ExportedFunction(exportResume); resume != nil {
		i.start = resume
	}
	i.serves = i.module.ExportedFunction(exportServes)
	return i, i.restore()
}

func imageSize(image *memory.Image) uint64 {
	if image == nil {
		return 0
	}
	return image.Size
}

func newMemory(image *memory.Image, max uint64) (*memory.Memory, error) {
	if image == nil {
		return memory.New(max), nil
	}
	return image.New(max)
}

// initialMemory turns a failure of the first allocation, with which wazero's interface cannot cope, into a panic that
// instantiate knows. It does not get larger than the engine can take.
type initialMemory struct {
	*memory.Memory
	started bool
}

func (m *initialMemory) Reallocate(size uint64) (buffer []byte) {
	if size <= addressable() {
		buffer = m.Memory.Reallocate(size)
	}
	if buffer == nil && size > 0 && !m.started {
		panic(errMemory)
	}
	m.started = true
	return buffer
}

// restore completes what the image's file does not hold: the size that memory had grown to, and the globals.
func (i *instance) restore() error {
	size := uint64(0)
	if linear := i.module.Memory(); hasMemory(linear) {
		size = bytesOf(linear)
		if size < i.image.Size {
			linear.Grow(uint32((i.image.Size - size) >> 16))
			size = bytesOf(linear)
		}
	}
	if size != i.image.Size {
		return fmt.Errorf("%w: its size does not fit the program", memory.ErrForeign)
	}
	for _, saved := range i.image.Globals {
		global, ok := i.module.ExportedGlobal(saved.Name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("%w: the program has no such globals", memory.ErrForeign)
		}
		i.globals = append(i.globals, global)
	}
	i.setGlobals()
	return nil
}

func (i *instance) setGlobals() {
	for n, global := range i.globals {
		global.Set(i.image.Globals[n].Value)
	}
}

// hasMemory tells whether there is a memory. What wazero has for a module without one is not nil but has a nil pointer in it.
func hasMemory(linear api.Memory) bool {
	value := reflect.ValueOf(linear)
	return value.IsValid() && !value.IsNil()
}

// bytesOf is the size of a linear memory, 0 if there is none. Its own Size is 32 bits wide, and so 0 for 4 GiB.
func bytesOf(linear api.Memory) uint64 {
	if !hasMemory(linear) {
		return 0
	}
	pages, _ := linear.Grow(0)
	return uint64(pages) << 16
}

// serve reports whether the instance can do what the run asks for.
func (i *instance) serve(ctx context.Context) (bool, error) {
	if i.serves == nil {
		return true, nil
	}
	results, err := i.serves.Call(ctx)
	i.ended = err
	return err == nil && len(results) == 1 && results[0] != 0, err
}

// run runs the program to its end. The result is what the engine says: see ending.
func (i *instance) run(ctx context.Context) (err error) {
	defer func() { i.ended = err }()
	for _, function := range []api.Function{i.initialize, i.start} {
		if function != nil && err == nil {
			_, err = function.Call(ctx)
		}
	}
	if err == nil && i.ruby != nil {
		err = i.ruby.command(ctx, i, argsOf(ctx))
	}
	return err
}

// reusable reports whether the instance may be reset: it began as an image, and its last run came to an end by itself.
func (i *instance) reusable() bool {
	var exit *sys.ExitError
	return i.image != nil && (i.ended == nil || errors.As(i.ended, &exit))
}

// grown reports whether its memory is larger than its image, so that it cannot be reset.
func (i *instance) grown() bool {
	return i.image != nil && bytesOf(i.module.Memory()) != i.image.Size
}

// reset makes the instance as new. It gives the number of memory pages that the run had written. An instance that cannot
// be reset must be closed.
func (i *instance) reset() (touched int, err error) {
	if !i.reusable() {
		return i.touched(), errNotReusable
	}
	if i.memory != nil {
		if touched, err = i.memory.Reset(); err != nil {
			return touched, err
		}
	}
	i.renew()
	return touched, nil
}

// resetKnown is reset where that takes only a moment. It reports whether it was done.
func (i *instance) resetKnown() bool {
	if !i.reusable() || i.memory == nil {
		return false
	}
	_, ok := i.memory.ResetKnown()
	if ok {
		i.renew()
	}
	return ok
}

func (i *instance) renew() {
	i.setGlobals()
	if i.counter != nil {
		i.counter.Set(0)
	}
	i.ended = nil
}

// copy makes the instance, which is as new, equal to another one of its program and image that nothing runs in. All of
// their globals that can change are exported.
func (i *instance) copy(from *instance, globals []string) error {
	if linear := from.module.Memory(); hasMemory(linear) {
		wanted, _ := linear.Grow(0)
		own, _ := i.module.Memory().Grow(0)
		if _, ok := i.module.Memory().Grow(wanted - own); !ok {
			return errMemory
		}
		if _, err := i.memory.CopyFrom(from.memory); err != nil {
			return err
		}
	}
	for _, name := range globals {
		if global, ok := i.module.ExportedGlobal(name).(api.MutableGlobal); ok {
			global.Set(from.module.ExportedGlobal(name).Get())
		}
	}
	return nil
}

// touched is how many pages of memory are the instance's own.
func (i *instance) touched() int {
	if i.memory == nil {
		return 0
	}
	touched, _ := i.memory.Touched() // where it cannot be told, none
	return touched
}

var errNotReusable = errors.New("the program did not come to its end, or did not begin as an image")

func (i *instance) close() { _ = i.module.Close(context.Background()) }
