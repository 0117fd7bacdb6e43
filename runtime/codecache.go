package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/cpu"

	"boxer.dev/internal/lockfile"
)

// digest is the SHA-256 of a module.
type digest [sha256.Size]byte

// codeCache keeps machine code on disk.
//
// wazero has such a cache, and this one stands on it: its files lie in the same directory, and its reader maps them. Two
// things are missing there. It believes what it reads (but for a checksum of the machine code itself), so that a file cut
// short is an error for ever and a damaged table of offsets a jump to anywhere; here each file is named by an entry that
// holds its length and checksum, and what does not agree is compiled again. And it decodes and validates the module
// before it asks for its code, which for CPython takes longer than everything else together; here the entry holds a
// stand-in for the module, see standIn, under whose key the real module's code is filed.
//
// Below the directory of the cache:
//
//	KEY.entry        an entry, see entry.go; KEY is made of the module's digest and all that its code depends on
//	KEY.lock         held exclusively by the process that compiles
//	KEY.tmp/         its workplace, swept by the next one
//	wazero-…/        machine code, in the engine's own format and under its own names
type codeCache struct {
	dir     string
	machine string // what machine code depends on besides the module
	wazero  wazero.Runtime
	build   wazero.RuntimeConfig
	workers int
}

// entryVersion changes with the format of entries and with any rewriting of modules on their way to the compiler.
const entryVersion = "1"

var errMiss = errors.New("not in the cache")

// newCodeCache prepares dir. It is nil without an error if machine code cannot be told from that of other engines.
func newCodeCache(dir string, features api.CoreFeatures, workers int) (*codeCache, error) {
	version := engineVersion()
	if version == "" {
		return nil, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	return &codeCache{
		dir:     dir,
		machine: fmt.Sprint(entryVersion, version, goruntime.GOOS, goruntime.GOARCH, processor(), uint64(features)),
		build:   runtimeConfig(features),
		workers: workers,
	}, nil
}

// engineVersion is wazero's version in this executable, or "" if it cannot be told. Test binaries record no versions, but
// the names of source files have them.
func engineVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch {
			case module.Path != wazeroModule:
			case module.Replace != nil:
				return module.Replace.Version
			default:
				return module.Version
			}
		}
	}
	file, _ := goruntime.FuncForPC(reflect.ValueOf(wazero.NewRuntime).Pointer()).FileLine(0)
	_, version, _ := strings.Cut(filepath.ToSlash(file), wazeroModule+"@")
	version, _, _ = strings.Cut(version, "/")
	return version
}

const wazeroModule = "github.com/tetratelabs/wazero"

// processor lists the features of the processor by which wazero chooses instructions.
func processor() []bool {
	return []bool{
		cpu.X86.HasSSE41, cpu.X86.HasBMI1, cpu.X86.HasBMI2, cpu.X86.HasPOPCNT,
		cpu.ARM64.HasATOMICS,
	}
}

func (c *codeCache) path(d digest, suffix string) string {
	hash := sha256.New()
	hash.Write(d[:])
	hash.Write([]byte(c.machine))
	return filepath.Join(c.dir, hex.EncodeToString(hash.Sum(nil))+suffix)
}

// load gives the module's machine code to the cache's runtime, compiling it if need be; then compiling is called, and what it returns when
// that is done.
func (c *codeCache) load(ctx context.Context, module source, compiling func() func()) (_ wazero.CompiledModule, hit bool, _ error) {
	if compiled, err := c.fetch(ctx, module); err == nil {
		return compiled, true, nil
	}
	lock, err := c.lock(ctx, module.digest)
	if err != nil {
		return nil, false, err
	}
	defer lock.Close()
	if compiled, err := c.fetch(ctx, module); err == nil { // somebody else compiled it meanwhile
		return compiled, true, nil
	}
	defer compiling()()
	if err := c.compile(ctx, module); err != nil {
		return nil, false, err
	}
	compiled, err := c.fetch(ctx, module)
	return compiled, false, err
}

// lockPoll is how often a lock is asked for that another process holds while it compiles, which takes seconds. A wait
// in the kernel could not end with a context.
const lockPoll = 20 * time.Millisecond

// lock waits for the module's lock, or for the end of ctx.
func (c *codeCache) lock(ctx context.Context, d digest) (*lockfile.Lock, error) {
	for {
		lock, err := lockfile.TryExclusive(c.path(d, ".lock"))
		if !errors.Is(err, lockfile.ErrLocked) {
			return lock, err
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
}

// fetch gives the runtime the module's code from disk. Any error means that the module must be compiled.
func (c *codeCache) fetch(ctx context.Context, module source) (wazero.CompiledModule, error) {
	e, err := readEntry(c.path(module.digest, ".entry"))
	if err != nil || e.Module != module.digest {
		return nil, errMiss
	}
	code, err := e.openCode(c.dir)
	if err != nil {
		return nil, errMiss
	}
	defer code.Close()
	shown := e.standIn
	if len(shown) == 0 {
		shown = module.lasting()
	}
	compiled, err := c.wazero.CompileModule(ctx, shown)
	if err != nil {
		return nil, errMiss
	}
	// The engine opened the file by name. If it was not there any more, the engine has compiled the stand-in, which must
	// never run, and has filed the result.
	if !sameFile(code) {
		compiled.Close(ctx)
		os.Remove(code.Name())
		return nil, errMiss
	}
	return compiled, nil
}

// sameFile reports whether the open file is still the one of its name.
func sameFile(file *os.File) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(file.Name())
	return err == nil && os.SameFile(open, named)
}

// compile fills the cache with the module's code. The module's lock is held.
func (c *codeCache) compile(ctx context.Context, module source) error {
	d := module.digest
	scratch := c.path(d, ".tmp")
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	code, err := c.compileIn(ctx, filepath.Join(scratch, "module"), module.data)
	if err != nil {
		return err
	}
	stand, err := standIn(module.data, d)
	if err != nil {
		return err
	}
	alias := code
	if stand != nil {
		if alias, err = c.compileIn(ctx, filepath.Join(scratch, "standin"), stand); err != nil {
			return fmt.Errorf("compiling the stand-in: %w", err)
		}
	}
	name := filepath.Join(filepath.Base(filepath.Dir(alias)), filepath.Base(alias))
	e, err := describe(code, d, name, stand)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o700); err != nil {
		return err
	}
	if err := os.Rename(code, filepath.Join(c.dir, name)); err != nil {
		return err
	}
	return e.write(filepath.Join(scratch, "entry"), c.path(d, ".entry"))
}

// compileIn compiles a module with an engine whose cache is an empty directory, and returns the one file that is in it
// afterwards. It is how the name is learned that the engine has for a module.
func (c *codeCache) compileIn(ctx context.Context, dir string, module []byte) (file string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	files, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return "", err
	}
	defer files.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, c.build.WithCompilationCache(files))
	defer r.Close(ctx)
	compiled, err := compileModule(ctx, r, module, c.workers)
	if err != nil {
		return "", err
	}
	defer compiled.Close(ctx)
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the engine made %d files of one module", len(found))
	}
	return found[0], nil
}
