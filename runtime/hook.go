package runtime

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"sync"

	"github.com/tetratelabs/wazero"
)

// wazero takes machine code from, and gives it to, an interface of three methods, of which it has one implementation: a
// directory. There is no way to hand in another, so the field that holds it is set from here. Nothing else in boxer
// reaches into wazero. Should a new version have no such field, hook.cache says so, engines keep code in memory only, and
// a test fails.

// hook is an implementation of wazero's internal/filecache.Cache that moves code for one compilation at a time, whatever
// the key.
type hook struct {
	mutex    sync.Mutex
	code     *engineFile // what wazero is answered; nil: it is to compile
	captures bool        // somebody wants what it compiles
	captured []byte      // what it has compiled
}

// mappingEngine is the version of wazero that is known to read code into an anonymous mapping that holds nothing else, to
// call mprotect on that and in the end munmap, so that the file may take its place (internal/engine/wazevo/engine_cache.go,
// deserializeCompiledModule). Any other version is given a copy, until somebody has looked and changed this.
const mappingEngine = "v1.12.0"

var (
	errNoHook  = errors.New("this version of wazero keeps machine code in a way that is not known")
	errRefused = errors.New("the engine does not accept the machine code")
)

// cache is a cache for a wazero.RuntimeConfig that asks h.
func (h *hook) cache() (cache wazero.CompilationCache, err error) {
	cache = wazero.NewCompilationCache()
	pointer := reflect.ValueOf(cache)
	if pointer.Kind() != reflect.Pointer || pointer.Elem().Kind() != reflect.Struct {
		return nil, errNoHook
	}
	field := pointer.Elem().FieldByName("fileCache")
	if !field.IsValid() || field.Kind() != reflect.Interface || !reflect.TypeOf(h).Implements(field.Type()) {
		return nil, errNoHook
	}
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(h))
	return cache, nil
}

// answering calls compile, in which wazero is given code instead of compiling. A file that ends before it should, or
// that the disk does not give back, is an error even where it is mapped.
func (h *hook) answering(code engineFile, compile func() (wazero.CompiledModule, error)) (compiled wazero.CompiledModule, err error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.code = &code
	defer func() { h.code = nil }()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(interface{ Addr() uintptr }) // runtime/debug.SetPanicOnFault
			if !ok {
				panic(r)
			}
			compiled, err = nil, fmt.Errorf("%w: fault at %#x", errDamaged, fault.Addr())
		}
	}()
	return compile()
}

// capturing calls compile, in which wazero compiles, and returns the code.
func (h *hook) capturing(compile func() error) ([]byte, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.captured, h.captures = nil, true
	defer func() { h.captures = false }()
	if err := compile(); err != nil {
		return nil, err
	}
	if h.captured == nil {
		return nil, fmt.Errorf("compiling: %w", errNoHook)
	}
	return h.captured, nil
}

// Get gives the code.
func (h *hook) Get([32]byte) (content io.ReadCloser, ok bool, err error) {
	if h.code == nil {
		return nil, false, nil
	}
	return &engineReader{parts: *h.code, maps: upstream(engineVersion()) == mappingEngine}, true, nil
}

// Add takes the code of what was compiled.
func (h *hook) Add(_ [32]byte, content io.Reader) (err error) {
	if h.captures {
		h.captured, err = io.ReadAll(content)
	}
	return err
}

// Delete is how wazero says that the code is from another version of it. It would go on to compile what it was shown:
// the stand-in, which must never run.
func (h *hook) Delete([32]byte) error { return errRefused }
