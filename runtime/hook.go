package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
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
	code     []byte // what wazero is answered; nil: it is to compile
	captured []byte // what it has compiled
}

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

// answering calls compile, in which wazero is given code instead of compiling.
func (h *hook) answering(code []byte, compile func() (wazero.CompiledModule, error)) (wazero.CompiledModule, error) {
	if len(code) == 0 {
		return nil, errRefused
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.code = code
	defer func() { h.code = nil }()
	return compile()
}

// capturing calls compile, in which wazero compiles, and returns the code.
func (h *hook) capturing(compile func() error) ([]byte, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.captured = nil
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
	return io.NopCloser(bytes.NewReader(h.code)), true, nil
}

// Add takes the code of what was compiled.
func (h *hook) Add(_ [32]byte, content io.Reader) (err error) {
	h.captured, err = io.ReadAll(content)
	return err
}

// Delete is how wazero says that the code is from another version of it. It would go on to compile what it was shown:
// the stand-in, which must never run.
func (h *hook) Delete([32]byte) error { return errRefused }
