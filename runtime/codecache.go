package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/cpu"

	"boxer.dev/internal/lockfile"
	"boxer.dev/runtime/memory"
)

// digest is the SHA-256 of a module.
type digest [sha256.Size]byte

// codeCache keeps machine code on disk, a file KEY.code for each module, where KEY is made of the module's digest and all
// that its code depends on. KEY.lock is held by the process that compiles, KEY.digest is explained in origin.go.
//
// wazero has such a cache too. It believes what it reads but for a checksum of the code itself, so that a file cut short
// is an error for ever and a damaged table of offsets a jump to anywhere; it reads that table eight bytes at a time; and
// it decodes and validates the module before it looks for its code, which for CPython takes longer than everything else
// together. So its files are replaced by ours, see hook.go and entry.go, and the module by a stand-in, see standin.go.
type codeCache struct {
	dir     string
	machine string // what machine code depends on besides the module
	config  wazero.RuntimeConfig
	workers int
	warn    func(error)

	hook   *hook          // of wazero
	wazero wazero.Runtime // where programs run
}

// entryVersion changes with the format of entries and with any rewriting of modules on their way to the compiler.
const entryVersion = "15"

// newCodeCache prepares dir.
func newCodeCache(o Options, features api.CoreFeatures, warn func(error)) (*codeCache, error) {
	dir, err := filepath.Abs(o.CacheDir)
	if err != nil {
		return nil, err
	}
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	return &codeCache{
		dir:     dir,
		machine: fmt.Sprint(entryVersion, engineVersion(), recordsVersions(), goruntime.GOOS, goruntime.GOARCH, processor(), uint64(features)),
		config:  runtimeConfig(features),
		workers: o.Workers,
		warn:    warn,
		hook:    &hook{},
	}, nil
}

// load gives the module's machine code, compiling it if need be; then compiling is called, and what it returns when that
// is done. A cache that cannot be written to costs a warning.
func (c *codeCache) load(ctx context.Context, module source, compiling func() func()) (_ *machineCode, hit bool, _ error) {
	if code, err := c.fetch(ctx, module); err == nil {
		return code, true, nil
	}
	lock, err := lockfile.ExclusiveUntil(ctx, c.codePath(module, ".lock"))
	switch {
	case err == nil:
		defer lock.Close()
		if code, err := c.fetch(ctx, module); err == nil { // somebody else compiled it meanwhile
			return code, true, nil
		}
	case ctx.Err() != nil:
		return nil, false, ended(ctx)
	default:
		c.warn(fmt.Errorf("locking the cache of machine code: %w", err))
	}
	defer compiling()()
	e, err := c.compile(ctx, module)
	if err != nil {
		return nil, false, err
	}
	if err = e.write(c.codePath(module, ".tmp"), c.codePath(module, ".code")); err == nil {
		if err := prune(c.dir, time.Now()); err != nil {
			c.warn(err)
		}
		var code *machineCode
		if code, err = c.fetch(ctx, module); err == nil { // in memory that the system can take back
			return code, false, nil
		}
	}
	c.warn(fmt.Errorf("caching the machine code of %q: %w", module.name, err))
	code, err := c.use(ctx, e, module)
	return code, false, err
}

// fetch gives the module's code from disk. Any error means that the module must be compiled.
func (c *codeCache) fetch(ctx context.Context, module source) (*machineCode, error) {
	e, err := openEntry(c.codePath(module, ".code"), module.form)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if e.module != module.digest {
		return nil, errDamaged
	}
	markUsed(c.codePath(module, ".code"))
	return c.use(ctx, e, module)
}

// has reports whether there is a file with the module's code.
func (c *codeCache) has(module source) bool {
	_, err := os.Stat(c.codePath(module, ".code"))
	return err == nil
}

// use gives wazero an entry's code for its module.
func (c *codeCache) use(ctx context.Context, e *entry, module source) (*machineCode, error) {
	shown, err := e.shown(module)
	if err != nil {
		return nil, err
	}
	compiled, err := c.hook.answering(e.code, func() (wazero.CompiledModule, error) { return c.wazero.CompileModule(ctx, shown) })
	return &machineCode{compiled, shown}, err
}

// compile compiles the module, in a wazero of its own so that others can be loaded meanwhile.
func (c *codeCache) compile(ctx context.Context, module source) (*entry, error) {
	compiler := &hook{}
	files, err := compiler.cache()
	if err != nil {
		return nil, err
	}
	defer files.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, c.config.WithCompilationCache(files))
	defer r.Close(ctx)
	var metered []byte
	code, err := compiler.capturing(func() error {
		module.form = plain
		compiled, err := compileModule(ctx, r, module, c.workers)
		if err == nil {
			metered = compiled.shown
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	e := &entry{module: module.digest, code: parseEngineFile(code)}
	e.standIn, e.restorable, err = standIns(metered, module.digest)
	return e, err
}

// processor lists the features of the processor by which wazero chooses instructions.
func processor() []bool {
	return []bool{
		cpu.X86.HasSSE41, cpu.X86.HasBMI1, cpu.X86.HasBMI2, cpu.X86.HasPOPCNT,
		cpu.ARM64.HasATOMICS,
	}
}

// codePath is that of the code of a module which counts as it is to.
func (c *codeCache) codePath(module source, suffix string) string {
	return c.path(module.digest, suffix, byte(module.meters))
}

func (c *codeCache) path(d digest, suffix string, more ...byte) string {
	hash := sha256.New()
	hash.Write(d[:])
	hash.Write([]byte(c.machine))
	hash.Write(more)
	return filepath.Join(c.dir, hex.EncodeToString(hash.Sum(nil))+suffix)
}

// engineVersion is wazero's version in this executable, or "" if it cannot be told, in which case there is no cache. Test
// binaries record no versions, but the names of source files have them; so has the folder of a patched copy
// (internal/wazero/prepare.sh).
var engineVersion = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch {
			case module.Path != wazeroModule:
			case module.Replace == nil:
				return module.Version
			case strings.HasPrefix(module.Replace.Version, "v"):
				return module.Replace.Version
			default: // a folder
				return versionIn(module.Replace.Path)
			}
		}
	}
	file, _ := goruntime.FuncForPC(reflect.ValueOf(wazero.NewRuntime).Pointer()).FileLine(0)
	return versionIn(file)
})

// recordsVersions is whether this executable knows the versions of its modules. wazero puts its own into what it compiles and,
// where it cannot tell, as in a test binary, another word: neither kind of executable takes the other's code.
func recordsVersions() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && len(info.Deps) > 0
}

// addressable is how many bytes of memory the engine keeps a program within. wazero 1.12.0 takes a constant address from
// 2 GiB on for one below the memory on amd64, unless it is patched.
var addressable = sync.OnceValue(func() uint64 {
	if goruntime.GOARCH == "amd64" && engineVersion() == upstream(engineVersion()) {
		return 2 << 30
	}
	return memory.MaxSize
})

// versionIn is the version of wazero that a path names, or "".
func versionIn(path string) string {
	_, version, _ := strings.Cut(filepath.ToSlash(path), wazeroModule+"@")
	version, _, _ = strings.Cut(version, "/")
	return version
}

// upstream is the version of wazero that a patched one is a copy of.
func upstream(version string) string {
	version, _, _ = strings.Cut(version, "-boxer.")
	return version
}

const wazeroModule = "github.com/tetratelabs/wazero"
