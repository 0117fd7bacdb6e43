package runtime

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
	"boxer.dev/oci"
	"boxer.dev/runtime/memory"
	"boxer.dev/vfs"
)

// Instructions of the modules below.
func store8(address uint16, value ...byte) []byte { // i32.const address; value; i32.store8
	code := append([]byte{0x41}, leb(address)...)
	return append(append(code, value...), 0x3a, 0, 0)
}

func leb(n uint16) []byte { return []byte{byte(n)&0x7f | 0x80, byte(n>>7)&0x7f | 0x80, byte(n >> 14)} }

var (
	getGlobal  = []byte{0x23, 0}
	setGlobal  = []byte{0x24, 0}
	growMemory = []byte{0x41, 1, 0x40, 0, 0x1a} // i32.const 1; memory.grow; drop
	trap       = []byte{0x00}
	closeFile  = []byte{0x41, 4, 0x10, 2, 0x1a} // fd_close(4); drop
	openFile   = []byte{                        // path_open(3, 0, 1100, 1, 0, fd_read, 0, 0, 1200); drop
		0x41, 3, 0x41, 0, 0x41, 0xcc, 8, 0x41, 1, 0x41, 0, 0x42, 2, 0x42, 0, 0x41, 0, 0x41, 0xb0, 9, 0x10, 1, 0x1a,
	}
)

func join(code ...[]byte) []byte { return bytes.Join(code, nil) }

// initialised is a program of Wizer's kind. wizer.initialize puts '*' at address 1000 and '#' into a global, then carries
// out initialize. _start prints the byte at 1000 and the global, spoils both, and carries out rest.
func initialised(initialize, rest []byte) []byte {
	imports := vector(
		append(append(text("wasi_snapshot_preview1"), text("fd_write")...), 0, 1),
		append(append(text("wasi_snapshot_preview1"), text("path_open")...), 0, 2),
		append(append(text("wasi_snapshot_preview1"), text("fd_close")...), 0, 3),
	)
	ready := join(store8(1000, 0x41, '*'), []byte{0x41, '#'}, setGlobal, initialize)
	start := join(
		store8(1001, getGlobal...),
		[]byte{0x41, 1, 0x41, 0, 0x41, 1, 0x41, 0xd0, 9, 0x10, 0, 0x1a}, // fd_write(1, 0, 1, 1232); drop
		store8(1000, 0x41, 'X'), []byte{0x41, 'Y'}, setGlobal, store8(60000, 0x41, 1), rest,
	)
	iovec := []byte{0xe8, 3, 0, 0, 2, 0, 0, 0} // 1000, 2
	return sections{
		wasm.SectionType: vector(typeVoid, []byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f},
			[]byte{0x60, 9, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7e, 0x7e, 0x7f, 0x7f, 1, 0x7f},
			[]byte{0x60, 1, 0x7f, 1, 0x7f}),
		wasm.SectionImport:   imports,
		wasm.SectionFunction: vector([]byte{0}, []byte{0}),
		wasm.SectionMemory:   vector([]byte{0, 1}),
		wasm.SectionGlobal:   vector([]byte{0x7f, 1, 0x41, '?', 0x0b}),
		wasm.SectionExport:   vector(exportFunc("_start", 3), exportFunc("wizer.initialize", 4)),
		wasm.SectionCode:     vector(body(start...), body(ready...)),
		wasm.SectionData: vector(
			append([]byte{0, 0x41, 0, 0x0b}, append([]byte{byte(len(iovec))}, iovec...)...),
			append([]byte{0, 0x41, 0xcc, 8, 0x0b}, text("f")...), // at 1100, the name of a file
		),
	}.module()
}

// layered makes a box whose files are in layers: one for each map, the lowest first.
func layered(t testing.TB, e *Engine, layers ...map[string][]byte) *oci.Rootfs {
	t.Helper()
	root := &oci.Rootfs{Config: &v1.ConfigFile{}}
	for _, files := range layers {
		layer, err := newLayer(files)
		if err != nil {
			t.Fatal(err)
		}
		root.Layers = append(root.Layers, layer)
	}
	return root
}

func load(t testing.TB, e *Engine, root *oci.Rootfs) *Box {
	t.Helper()
	box, err := e.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// imaged makes a box with a program and an image of it.
func imaged(t testing.TB, e *Engine, module []byte) *oci.Rootfs {
	t.Helper()
	root, _, err := withImage(layered(t, e, map[string][]byte{"p": module}), e, &Cmd{Args: []string{"/p"}})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// prints runs /p and compares what it prints. It reports whether the run began as an image.
func prints(t *testing.T, b *Box, c Cmd, want string) (restored bool) {
	t.Helper()
	var stats Stats
	c.Args, c.Stats = []string{"/p"}, &stats
	got, _ := run(t, b, c)
	if got.Stdout != want {
		t.Errorf("it prints %q, want %q (%s)", got.Stdout, want, got.Stderr)
	}
	return stats.Restored == 1
}

func engines(t *testing.T) map[string]*Engine {
	return map[string]*Engine{
		"in memory": newEngine(t, Options{}),
		"cached":    newEngine(t, Options{CacheDir: t.TempDir()}),
		"pooled":    newEngine(t, Options{Keep: 4}),
	}
}

// Memory and globals are those after initialisation, in each run anew.
func TestImageIsRestored(t *testing.T) {
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) {
			box := load(t, e, imaged(t, e, initialised(nil, nil)))
			for range 3 {
				if !prints(t, box, Cmd{}, "*#") {
					t.Error("the image was not used")
				}
				if prints(t, box, Cmd{Fresh: true}, "\x00?") {
					t.Error("an image was used")
				}
			}
		})
	}
}

// What is in the pool is byte for byte the image, whatever the last run did; what cannot be made so is not in the pool.
func TestPooledInstanceIsAsNew(t *testing.T) {
	for name, test := range map[string]struct {
		rest []byte
		kept bool
	}{
		"returns":            {nil, true},
		"grows memory":       {growMemory, false},
		"traps":              {trap, false},
		"leaves a file open": {openFile, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Options{Keep: 4})
			root := imaged(t, e, initialised(nil, test.rest))
			box := load(t, e, root)
			for range 3 {
				if !prints(t, box, Cmd{}, "*#") {
					t.Fatal("the image was not used")
				}
				if kept := checkPools(t, e); kept != test.kept {
					t.Errorf("an instance is kept: %v", kept)
				}
			}
		})
	}
}

// checkPools compares every idle instance with its image, and reports whether there are any.
func checkPools(t *testing.T, e *Engine) (kept bool) {
	t.Helper()
	for _, s := range e.programs {
		for _, pool := range s.program.pools.byImage {
			for _, i := range pool.clean {
				kept = true
				if !bytes.Equal(i.memory.Reallocate(i.image.Size), i.image.Bytes()) {
					t.Error("memory differs from the image")
				}
				if bytesOf(i.module.Memory()) != i.image.Size {
					t.Error("memory has another size than the image")
				}
				for n, g := range i.globals {
					if g.Get() != i.image.Globals[n].Value {
						t.Errorf("global %s is %d", i.image.Globals[n].Name, g.Get())
					}
				}
			}
		}
	}
	return kept
}

// Memory that a program grew by is zero for the next one (wasmer #6651).
func TestGrownMemoryIsNotPassedOn(t *testing.T) {
	e := newEngine(t, Options{Keep: 4})

	spoil := join(growMemory, store8(1000, 0x41, 'X'))
	for range 3 {
		prints(t, load(t, e, imaged(t, e, initialised(nil, spoil))), Cmd{}, "*#")
	}
}

// A file that one run left open is not there for the next (bashkit #1576): descriptors begin anew.
func TestOpenFilesAreNotPassedOn(t *testing.T) {
	e := newEngine(t, Options{Keep: 1})
	module := initialised(nil, join(openFile, store8(1001, 0x41, 0xb0, 9, 0x2d, 0, 0), // the descriptor it was given
		[]byte{0x41, 1, 0x41, 0, 0x41, 1, 0x41, 0xd0, 9, 0x10, 0, 0x1a}))
	box := load(t, e, imaged(t, e, module))
	tree := func() *vfs.FS {
		f := box.tree.Fork()
		if err := f.WriteFile("/f", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for range 3 {
		prints(t, box, Cmd{FS: tree()}, "*#\xd8\x04") // the byte that was spoiled
	}
}

// A run that is interrupted leaves nothing to be reused.
func TestInterruptedInstanceIsNotKept(t *testing.T) {
	e := newEngine(t, Options{Keep: 4})
	box := load(t, e, imaged(t, e, initialised(nil, nil)))
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	_ = box.Run(ctx, &Cmd{Args: []string{"/p"}})
	if checkPools(t, e) {
		t.Error("an instance is kept")
	}
	prints(t, box, Cmd{}, "*#")
}

// Runs that do not ask for statistics are reset behind their backs; many at once do not meet.
func TestPoolUnderLoad(t *testing.T) {
	e := newEngine(t, Options{Keep: 3})
	box := load(t, e, imaged(t, e, initialised(nil, nil)))
	t.Run("runs", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 50 {
					if got, err := run(t, box, Cmd{Args: []string{"/p"}}); err != nil || got.Stdout != "*#" {
						t.Fatalf("%q, %v", got.Stdout, err)
					}
				}
			})
		}
	})
	for _, s := range e.programs {
		s.program.pools.cleaning.Wait()
	}
	if !checkPools(t, e) {
		t.Error("no instance is kept")
	}
}

// After a run with an image, a run of a module without one begins with its own memory (CVE-2022-39393).
func TestImageOfPreviousTenantIsGone(t *testing.T) {
	e := newEngine(t, Options{Keep: 4})
	prints(t, load(t, e, imaged(t, e, initialised(nil, nil))), Cmd{}, "*#")
	prints(t, load(t, e, layered(t, e, map[string][]byte{"p": initialised(nil, trap)})), Cmd{}, "\x00?")
}

// refused runs /p in a box with this image in the place of its own, and wants it to start without one.
func refused(t *testing.T, root *oci.Rootfs, stored []byte, because error) {
	t.Helper()
	var warned error
	e := newEngine(t, Options{Warn: func(err error) { warned = err }})
	module, err := load(t, e, root).tree.ReadFile("/p")
	if err != nil {
		t.Fatal(err)
	}
	layer, err := newLayer(map[string][]byte{vfs.Reserved + "/" + ImageName(memory.Digest(inMemory("", module).digest)): stored})
	if err != nil {
		t.Fatal(err)
	}
	above := *root
	above.Layers = append(above.Layers[:len(above.Layers):len(above.Layers)], layer)
	if prints(t, load(t, e, &above), Cmd{}, "\x00?") {
		t.Error("the image was used")
	}
	if !errors.Is(warned, because) {
		t.Errorf("the warning is %v, want %v", warned, because)
	}
}

// Images of another module, cut off or altered are refused (pyodide #6254, hyperlight #746, bashkit #977).
func TestImageRefused(t *testing.T) {
	e := newEngine(t, Options{})
	root := layered(t, e, map[string][]byte{"p": initialised(nil, nil)})
	box := load(t, e, root)
	var stored bytes.Buffer
	if _, err := box.Capture(context.Background(), &Cmd{Args: []string{"/p"}}, &stored); err != nil {
		t.Fatal(err)
	}
	var other bytes.Buffer
	another := load(t, e, layered(t, e, map[string][]byte{"p": initialised(nil, growMemory)}))
	if _, err := another.Capture(context.Background(), &Cmd{Args: []string{"/p"}}, &other); err != nil {
		t.Fatal(err)
	}
	altered := bytes.Clone(stored.Bytes())
	altered[len(altered)-1] ^= 1
	refused(t, root, other.Bytes(), memory.ErrForeign)
	refused(t, root, altered, memory.ErrDamaged)
	refused(t, root, stored.Bytes()[:stored.Len()-1], memory.ErrDamaged)
	refused(t, root, append(stored.Bytes(), 0), memory.ErrDamaged)
	refused(t, root, []byte("an image"), memory.ErrDamaged)
}

// An image that is damaged where it lies in the cache is made anew from the layer.
func TestImageInCacheCut(t *testing.T) {
	dir := t.TempDir()
	first := newEngine(t, Options{CacheDir: dir})
	root := imaged(t, first, initialised(nil, nil))
	prints(t, load(t, first, root), Cmd{}, "*#")
	files, err := filepath.Glob(filepath.Join(dir, "*.image"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	contents, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], contents[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, Options{CacheDir: dir})
	if !prints(t, load(t, e, root), Cmd{}, "*#") {
		t.Error("the image was not used")
	}
}

// An image of an image holds what is different.
func TestImageUponImage(t *testing.T) {
	e := newEngine(t, Options{})
	first := imaged(t, e, initialised(nil, nil))
	second, taken, err := withImage(first, e, &Cmd{Args: []string{"/p"}})
	if err != nil {
		t.Fatal(err)
	}
	if taken.Parent == nil || taken.Pages != 0 {
		t.Errorf("%d pages differ from those of %v", taken.Pages, taken.Parent)
	}
	box := load(t, newEngine(t, Options{}), second)
	if !prints(t, box, Cmd{}, "*#") {
		t.Error("the image was not used")
	}
}

// Where a file that the topmost image read is another, the image below it, which did not read it, serves.
func TestStaleImageGivesWayToTheOneBelow(t *testing.T) {
	e := newEngine(t, Options{})
	module := initialised(nil, nil)
	first := imaged(t, e, module)
	// The second image is taken where there is a file of the same program that reads nothing: so it is given one by hand.
	box := load(t, e, first)
	parent := box.image(inMemory("", module).digest, box.layers)
	header := parent.Header
	header.Files = []string{"/f"}
	changed := bytes.Clone(parent.Bytes())
	changed[1000] = '+'
	var stored bytes.Buffer
	if _, _, err := memory.Encode(&stored, &header, changed, parent.Image); err != nil {
		t.Fatal(err)
	}
	second := *first
	second.Layers = append(second.Layers[:len(second.Layers):len(second.Layers)], layered(t, e, map[string][]byte{
		"f": []byte("as it was"), vfs.Reserved + "/" + ImageName(header.Module): stored.Bytes(),
	}).Layers...)
	prints(t, load(t, e, &second), Cmd{}, "+#")
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !prints(t, load(t, e, &second), Cmd{Mounts: []Mount{{Source: file, Target: "/f"}}}, "*#") {
		t.Error("no image was used")
	}
	third := second
	third.Layers = append(third.Layers[:len(third.Layers):len(third.Layers)], layered(t, e, map[string][]byte{"f": []byte("changed")}).Layers...)
	if !prints(t, load(t, e, &third), Cmd{}, "*#") {
		t.Error("no image was used")
	}
}

// A layer above says that there is no image.
func TestImageHidden(t *testing.T) {
	e := newEngine(t, Options{})
	root := imaged(t, e, initialised(nil, nil))
	module, err := load(t, e, root).tree.ReadFile("/p")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "layer")
	w, err := vfs.CreateLayer(name)
	if err != nil {
		t.Fatal(err)
	}
	hidden := vfs.Reserved + "/" + ImageName(memory.Digest(inMemory("", module).digest))
	if err := errors.Join(w.Add(vfs.Entry{Path: hidden, Whiteout: true}, nil), w.Close()); err != nil {
		t.Fatal(err)
	}
	layer, err := vfs.OpenLayer(name)
	if err != nil {
		t.Fatal(err)
	}
	root.Layers = append(root.Layers, layer)
	if prints(t, load(t, e, root), Cmd{}, "\x00?") {
		t.Error("an image was used")
	}
}

// An image speaks of the files that initialisation read. Where they are others, it is not used.
func TestImageIsNotStale(t *testing.T) {
	e := newEngine(t, Options{})
	reading := initialised(join(openFile, closeFile), nil)
	root, _, err := withImage(layered(t, e, map[string][]byte{"p": reading, "f": []byte("as it was")}), e, &Cmd{Args: []string{"/p"}})
	if err != nil {
		t.Fatal(err)
	}
	if !prints(t, load(t, e, root), Cmd{}, "*#") {
		t.Error("the image was not used")
	}
	t.Run("mount over it", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("changed"), 0o644); err != nil {
			t.Fatal(err)
		}
		box := load(t, e, root)
		if prints(t, box, Cmd{Mounts: []Mount{{Source: filepath.Join(dir, "f"), Target: "/f"}}}, "\x00?") {
			t.Error("a stale image was used")
		}
		if !prints(t, box, Cmd{Mounts: []Mount{{Source: dir, Target: "/other"}}}, "*#") {
			t.Error("a mount elsewhere keeps the image from being used")
		}
	})
	t.Run("layer over it", func(t *testing.T) {
		above := *root
		above.Layers = append(root.Layers[:len(root.Layers):len(root.Layers)], layered(t, e, map[string][]byte{"f": []byte("changed")}).Layers...)
		if prints(t, load(t, e, &above), Cmd{}, "\x00?") {
			t.Error("a stale image was used")
		}
	})
	t.Run("layer beside it", func(t *testing.T) {
		above := *root
		above.Layers = append(root.Layers[:len(root.Layers):len(root.Layers)], layered(t, e, map[string][]byte{"g": nil}).Layers...)
		if !prints(t, load(t, e, &above), Cmd{}, "*#") {
			t.Error("the image was not used")
		}
	})
	t.Run("tree of the caller", func(t *testing.T) {
		box := load(t, e, root)
		tree := box.tree.Fork()
		if !prints(t, box, Cmd{FS: tree}, "*#") {
			t.Error("the image was not used")
		}
		if err := tree.Remove("/f"); err != nil {
			t.Fatal(err)
		}
		if prints(t, box, Cmd{FS: tree}, "\x00?") {
			t.Error("a stale image was used")
		}
	})
}

// Looked for in vain and there now: the image would not have it.
func TestImageOfWhatWasAbsent(t *testing.T) {
	e := newEngine(t, Options{})
	root := imaged(t, e, initialised(join(openFile), nil))
	above := *root
	above.Layers = append(above.Layers, layered(t, e, map[string][]byte{"f": []byte("new")}).Layers...)
	if prints(t, load(t, e, &above), Cmd{}, "\x00?") {
		t.Error("a stale image was used")
	}
}

func TestNotCapturable(t *testing.T) {
	e := newEngine(t, Options{})
	tableSet := []byte{0x41, 0, 0xd0, 0x70, 0x26, 0} // i32.const 0; ref.null func; table.set 0
	withTable := startModule(tableSet...)
	withTable[wasm.SectionTable] = vector([]byte{0x70, 0, 1})
	withTable[wasm.SectionExport] = vector(exportFunc("_start", 0), exportFunc("wizer.initialize", 0))
	reference := startModule()
	reference[wasm.SectionGlobal] = vector([]byte{0x70, 1, 0xd0, 0x70, 0x0b})
	reference[wasm.SectionExport] = withTable[wasm.SectionExport]
	for name, test := range map[string]struct {
		module []byte
		want   string
	}{
		"plain program": {startModule().module(), "it exports no function wizer.initialize"},
		"open file":     {initialised(openFile, nil), `its initialisation leaves open /f`},
		"table":         {withTable.module(), "changes tables"},
		"reference":     {reference.module(), "global 0, of type funcref, can change"},
		"script":        {[]byte("text"), "not a WebAssembly module"},
	} {
		t.Run(name, func(t *testing.T) {
			box := load(t, e, layered(t, e, map[string][]byte{"p": test.module, "f": []byte("x")}))
			_, err := box.Capture(context.Background(), &Cmd{Args: []string{"/p"}}, new(bytes.Buffer))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// A capture that exits or never comes back gives an error, and no image.
func TestCaptureEnds(t *testing.T) {
	e := newEngine(t, Options{})
	box := load(t, e, layered(t, e, map[string][]byte{"p": initialised(trap, nil)}))
	var trapped *TrapError
	if _, err := box.Capture(context.Background(), &Cmd{Args: []string{"/p"}}, new(bytes.Buffer)); !errors.As(err, &trapped) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	box = load(t, e, layered(t, e, map[string][]byte{"p": initialised(nil, nil)}))
	if taken, err := box.Capture(ctx, &Cmd{Args: []string{"/p"}}, new(bytes.Buffer)); err == nil && taken == nil {
		t.Error("neither an image nor an error")
	}
}

// A close look at the cache finds what is not what the box's layer gives, wherever that is.
func TestExamineCache(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, Options{CacheDir: dir})
	root := imaged(t, e, initialised(nil, nil))
	prints(t, load(t, e, root), Cmd{}, "*#")
	for _, test := range []struct {
		suffix  string
		examine func(repair bool) (Examined, error)
	}{
		{".image", func(repair bool) (Examined, error) {
			return ExamineImages(dir, repair, slices.Values([]*oci.Rootfs{root}))
		}},
		{".code", func(repair bool) (Examined, error) { return ExamineCode(dir, repair) }},
	} {
		if found, err := test.examine(false); err != nil || found.Whole == 0 || len(found.Damaged) > 0 {
			t.Fatalf("%s: %+v, %v", test.suffix, found, err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"+test.suffix))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		contents, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		place := 100
		if test.suffix == ".code" {
			place = len(contents) - 1
		}
		contents[place] ^= 1
		if err := errors.Join(os.Remove(files[0]), os.WriteFile(files[0], contents, 0o600)); err != nil {
			t.Fatal(err)
		}
		if found, err := test.examine(true); err != nil || len(found.Damaged) != 1 {
			t.Errorf("%s changed: %+v, %v", test.suffix, found, err)
		}
		if found, err := test.examine(false); err != nil || len(found.Damaged) != 0 {
			t.Errorf("%s repaired: %+v, %v", test.suffix, found, err)
		}
	}
}
