package runtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/internal/lockfile"
	"boxer.dev/internal/wasm"
)

// newEngine makes an engine that ends with the test.
func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func needCompiler(t testing.TB) {
	if !compiles() {
		t.Skipf("programs are interpreted on %s: there is no machine code to cache", goruntime.GOARCH)
	}
}

// inMemory is the source of a module that lies in no layer.
func inMemory(name string, module []byte) source {
	return source{name: name, data: module, digest: sha256.Sum256(module)}
}

// loadAnswer loads an answerModule and checks that it works.
func loadAnswer(t *testing.T, e *Engine, n byte) Stats {
	t.Helper()
	var stats Stats
	p, err := e.load(context.Background(), inMemory("answer", answerModule(n)), &stats)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := p.instantiate(context.Background(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer instance.close()
	for name, want := range map[string]uint64{"answer": uint64(n), "byte": 'x'} {
		got, err := instance.module.ExportedFunction(name).Call(context.Background())
		if err != nil {
			t.Fatalf("calling %q: %v", name, err)
		}
		if got[0] != want {
			t.Fatalf("%q gave %d, want %d", name, got[0], want)
		}
	}
	return stats
}

func TestCacheLevels(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	first := newEngine(t, Options{CacheDir: dir})
	if s := loadAnswer(t, first, 1); s.Compiled != 1 {
		t.Errorf("with an empty cache: %+v", s)
	}
	if s := loadAnswer(t, first, 1); s.MemoryHits != 1 {
		t.Errorf("a second time: %+v", s)
	}
	if s := loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 1); s.CacheHits != 1 {
		t.Errorf("with a new engine: %+v", s)
	}
	// Same but for one instruction, so that types, imports, exports and data are the same.
	if s := loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 2); s.Compiled != 1 {
		t.Errorf("another module: %+v", s)
	}
	if s := loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 1); s.CacheHits != 1 {
		t.Errorf("the first module again: %+v", s)
	}
}

// cacheFiles are the files that a cache keeps, without locks.
func cacheFiles(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(name) != ".lock" {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDamagedCacheIsRebuilt(t *testing.T) {
	needCompiler(t)
	damages := map[string]func(data []byte, file string) error{
		"gone":  func(_ []byte, file string) error { return os.Remove(file) },
		"empty": func(_ []byte, file string) error { return os.Truncate(file, 0) },
		"a directory": func(_ []byte, file string) error {
			os.Remove(file)
			return os.Mkdir(file, 0o700)
		},
		"one byte short": func(data []byte, file string) error { return os.Truncate(file, int64(len(data)-1)) },
		"longer":         func(data []byte, file string) error { return os.WriteFile(file, append(data, 0), 0o600) },
		"of zeros":       func(data []byte, file string) error { return os.WriteFile(file, make([]byte, len(data)), 0o600) },
		"of another kind": func(_ []byte, file string) error {
			return os.WriteFile(file, []byte("WAZEVO\x03dev\xff\xff\xff\xff"), 0o600)
		},
	}
	if goruntime.GOOS != "windows" { // which has no permission bits, and symbolic links for administrators only
		damages["writable by others"] = func(_ []byte, file string) error { return os.Chmod(file, 0o666) }
		damages["a symbolic link"] = func(_ []byte, file string) error {
			elsewhere := filepath.Join(t.TempDir(), "elsewhere")
			return errors.Join(os.Rename(file, elsewhere), os.Symlink(elsewhere, file))
		}
		if os.Geteuid() == 0 {
			damages["somebody else's"] = func(_ []byte, file string) error { return os.Chown(file, 12345, 12345) }
		}
	}
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 7)
			files := cacheFiles(t, dir)
			if len(files) != 1 {
				t.Fatalf("a cache with one module has the files %q", files)
			}
			data, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(data, files[0]); err != nil {
				t.Fatal(err)
			}
			warned := false
			s := loadAnswer(t, newEngine(t, Options{CacheDir: dir, Warn: func(error) { warned = true }}), 7)
			if s.Compiled != 1 {
				t.Errorf("after the damage: %+v", s)
			}
			if warned {
				return // a directory in the way is not swept aside
			}
			if s := loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 7); s.CacheHits != 1 {
				t.Errorf("once rebuilt: %+v", s)
			}
		})
	}
}

// TestDamagedByteIsNoticed flips a bit of each byte of the files. What is noticed is compiled anew, what is not would
// run.
func TestDamagedByteIsNoticed(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	found := answerEntry(t, dir)
	defer found.close()
	end, size := entryTable, int(found.code.segment.size)
	module, fresh := inMemory("answer", answerModule(7)), newEngine(t, Options{CacheDir: dir})
	forImage := module
	forImage.form = restorable
	if err := found.read(found.code.segment.file, restorable); err != nil {
		t.Fatal(err)
	}
	for _, part := range found.parts() {
		if len(*part) == 0 {
			t.Fatal("a part is empty")
		}
		end += len(*part)
	}
	for _, name := range cacheFiles(t, dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for i := range data {
			if i >= end && i < len(data)-size {
				continue // nothing of meaning
			}
			for _, b := range []byte{data[i] ^ 1<<(i%8), data[i]} {
				if _, err := file.WriteAt([]byte{b}, int64(i)); err != nil {
					t.Fatal(err)
				}
				if b == data[i] {
					continue
				}
				if fetches(fresh, module) && fetches(fresh, forImage) {
					t.Fatalf("bit %d of byte %d of %s: not noticed", i%8, i, name)
				}
			}
		}
	}
	if !fetches(fresh, module) || !fetches(fresh, forImage) {
		t.Error("undamaged, it is refused")
	}
}

// fetches reports whether code is accepted from the disk. The engine does not keep it.
func fetches(e *Engine, module source) bool {
	code, err := e.codes.fetch(context.Background(), module)
	return err == nil && code.Close(context.Background()) == nil
}

// TestEngineFilesAreUnderstood holds the format of the engine's files against what is known of it. If this fails with a
// new engine nothing is wrong but the speed.
func TestEngineFilesAreUnderstood(t *testing.T) {
	needCompiler(t)
	if e := answerEntry(t, t.TempDir()); e.code.segment.size == 0 {
		t.Errorf("the code was not found: %+v", e)
	}
	if version := upstream(engineVersion()); version != mappingEngine {
		t.Errorf("wazero is %s, but it is %s that was looked at: read there how it loads code, and say so in hook.go", version, mappingEngine)
	}
}

// TestCodeIsMapped looks for the file among the mappings of the process.
func TestCodeIsMapped(t *testing.T) {
	needCompiler(t)
	if goruntime.GOOS != "linux" {
		t.Skipf("code is copied on %s, see mapOver", goruntime.GOOS)
	}
	dir := t.TempDir()
	e := newEngine(t, Options{CacheDir: dir})
	for _, what := range []string{"compiled", "cached"} {
		loadAnswer(t, e, 7)
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		name := e.codes.codePath(inMemory("answer", answerModule(7)), ".code")
		line, _, found := strings.Cut(string(maps[bytes.LastIndexByte(maps[:max(0, bytes.Index(maps, []byte(name)))], '\n')+1:]), "\n")
		if !found || !strings.Contains(line, " r-xp ") {
			t.Errorf("%s: no executable mapping of %s, but %q", what, name, line)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = newEngine(t, Options{CacheDir: dir})
	}
}

// TestCodeIsCopied loads without mapping, as happens where files cannot be executed.
func TestCodeIsCopied(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	found := answerEntry(t, dir)
	defer found.close()
	var copied bytes.Buffer
	if _, err := copied.ReadFrom(&engineReader{parts: found.code}); err != nil {
		t.Fatal(err)
	}
	parts := parseEngineFile(copied.Bytes())
	if diff := cmp.Diff([][]byte{found.code.front, found.code.back}, [][]byte{parts.front, parts.back}); diff != "" {
		t.Error(diff)
	}
	e := newEngine(t, Options{CacheDir: dir})
	if _, err := e.codes.use(context.Background(), &entry{standIn: found.standIn, code: parts}, inMemory("answer", answerModule(7))); err != nil {
		t.Error(err)
	}
	loadAnswer(t, e, 7)
}

// TestFileCutShortWhileItIsRead is one that had its whole length when it was opened. Where it is mapped, the processor
// faults.
func TestFileCutShortWhileItIsRead(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	found := answerEntry(t, dir)
	defer found.close()
	if err := os.Truncate(found.code.segment.file.Name(), found.code.segment.at); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, Options{CacheDir: dir})
	if _, err := e.codes.use(context.Background(), found, inMemory("answer", answerModule(7))); err == nil {
		t.Error("not noticed")
	}
	loadAnswer(t, e, 7)
}

// answerEntry puts answerModule(7) into a cache and opens its entry.
func answerEntry(t *testing.T, dir string) *entry {
	t.Helper()
	e := newEngine(t, Options{CacheDir: dir})
	loadAnswer(t, e, 7)
	found, err := openEntry(e.codes.codePath(inMemory("answer", answerModule(7)), ".code"), plain)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestStandInNeverRuns shows the engine the stand-in, whose functions do nothing but trap, with no code for it or with
// code that the engine refuses.
func TestStandInNeverRuns(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	found := answerEntry(t, dir)
	defer found.close()
	otherVersion := found.code
	otherVersion.front = bytes.Clone(found.code.front)
	otherVersion.front[7] ^= 1
	for name, code := range map[string]engineFile{"no code": {}, "code of another version": otherVersion} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Options{CacheDir: dir})
			broken := &entry{module: found.module, standIn: found.standIn, code: code}
			if _, err := e.codes.use(context.Background(), broken, inMemory("answer", answerModule(7))); err == nil {
				t.Error("the engine compiled the stand-in")
			}
			loadAnswer(t, e, 7)
		})
	}
}

// TestEngineHasItsHook fails if a new version of wazero has no place for our cache: hook.go has to follow it.
func TestEngineHasItsHook(t *testing.T) {
	if _, err := new(hook).cache(); err != nil {
		t.Fatal(err)
	}
	needCompiler(t)
	e := newEngine(t, Options{CacheDir: t.TempDir(), Warn: func(err error) { t.Error(err) }})
	if e.codes == nil {
		t.Error("the engine has no cache")
	}
}

func TestModulesWithStartFunctionAreCached(t *testing.T) {
	needCompiler(t)
	s := startModule()
	s[wasm.SectionStart] = []byte{0}
	module := s.module()
	dir := t.TempDir()
	for i, want := range []Stats{{Compiled: 1}, {CacheHits: 1}} {
		var got Stats
		if _, err := newEngine(t, Options{CacheDir: dir}).load(context.Background(), inMemory("start", module), &got); err != nil {
			t.Fatal(err)
		}
		if got.Compile = 0; got != want {
			t.Errorf("load %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestLoadsOfOneEngineCompileOnce(t *testing.T) {
	var began atomic.Int32
	e := newEngine(t, Options{Progress: func(p Progress) {
		if !p.Done {
			began.Add(1)
		}
	}})
	loadConcurrently(t, func() (*Engine, error) { return e, nil })
	if n := began.Load(); n != 1 {
		t.Errorf("%d compilations, want 1", n)
	}
}

func TestLoadsOfManyEnginesCompileOnce(t *testing.T) {
	needCompiler(t)
	var began atomic.Int32
	o := Options{CacheDir: t.TempDir(), Progress: func(p Progress) {
		if !p.Done {
			began.Add(1)
		}
	}}
	loadConcurrently(t, func() (*Engine, error) { return New(context.Background(), o) })
	if n := began.Load(); n != 1 {
		t.Errorf("%d compilations, want 1", n)
	}
}

func loadConcurrently(t *testing.T, engine func() (*Engine, error)) {
	t.Helper()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			e, err := engine()
			if err == nil {
				_, err = e.load(context.Background(), inMemory("answer", answerModule(3)), new(Stats))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// TestLoadsOfManyProcessesCompileOnce runs this test in processes of its own, which say what they did.
func TestLoadsOfManyProcessesCompileOnce(t *testing.T) {
	needCompiler(t)
	if dir := os.Getenv("BOXER_TEST_CACHE"); dir != "" {
		s := loadAnswer(t, newEngine(t, Options{CacheDir: dir}), 5)
		if s.Compiled == 1 {
			os.Stdout.WriteString("compiled\n")
		}
		return
	}
	dir := t.TempDir()
	outputs := make([]bytes.Buffer, 4)
	var group sync.WaitGroup
	for i := range outputs {
		group.Go(func() {
			command := exec.Command(os.Args[0], "-test.run=^TestLoadsOfManyProcessesCompileOnce$")
			command.Env = append(os.Environ(), "BOXER_TEST_CACHE="+dir)
			command.Stdout, command.Stderr = &outputs[i], &outputs[i]
			if err := command.Run(); err != nil {
				t.Errorf("%v: %s", err, &outputs[i])
			}
		})
	}
	group.Wait()
	compiled := 0
	for i := range outputs {
		compiled += bytes.Count(outputs[i].Bytes(), []byte("compiled\n"))
	}
	if compiled != 1 {
		t.Errorf("%d of %d processes compiled, want 1", compiled, len(outputs))
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	needCompiler(t)
	e := newEngine(t, Options{CacheDir: t.TempDir()})
	lock, err := lockfile.Exclusive(e.codes.codePath(inMemory("answer", answerModule(9)), ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.load(ctx, inMemory("answer", answerModule(9)), new(Stats)); ExitStatus(err) != StatusInterrupted {
		t.Errorf("while another process compiles: %v", err)
	}
}

func TestUnusableCacheIsDoneWithout(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	var warnings []error
	e := newEngine(t, Options{CacheDir: dir, Warn: func(err error) { warnings = append(warnings, err) }})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := loadAnswer(t, e, 7); s.Compiled != 1 {
		t.Errorf("%+v", s)
	}
	if len(warnings) == 0 {
		t.Error("nothing was said")
	}
}

func TestCacheOpenToOthersIsRefused(t *testing.T) {
	needCompiler(t)
	if goruntime.GOOS == "windows" {
		t.Skip("directories have no permission bits on windows")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := New(context.Background(), Options{CacheDir: dir}); err == nil {
		t.Error("a cache that everybody may write to was accepted")
	}
	made := filepath.Join(t.TempDir(), "a", "b")
	newEngine(t, Options{CacheDir: made})
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a cache that was made: %v, %v", info.Mode(), err)
	}
}

// TestEngineVersionOfFolder: machine code of wazero as it is must not be taken for that of a patched copy, nor of one patch
// for that of another.
func TestEngineVersionOfFolder(t *testing.T) {
	for folder, want := range map[string]string{
		"/go/pkg/mod/github.com/tetratelabs/wazero@v1.12.0/runtime.go":                           "v1.12.0",
		"./internal/wazero/patched/github.com/tetratelabs/wazero@v1.12.0-boxer.0123456789ab":     "v1.12.0-boxer.0123456789ab",
		"/b/internal/wazero/patched/github.com/tetratelabs/wazero@v1.12.0-boxer.0123/runtime.go": "v1.12.0-boxer.0123",
		"../wazero": "",
	} {
		if got := versionIn(folder); got != want {
			t.Errorf("%s: %q, want %q", folder, got, want)
		}
	}
	if got := upstream("v1.12.0-boxer.0123"); got != "v1.12.0" {
		t.Errorf("upstream: %s", got)
	}
}
