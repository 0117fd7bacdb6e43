package vfs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// libraryLayer is a layer in the shape of Python's standard library: some 1,600
// files in 60 directories, each with its compiled form.
func libraryLayer(b testing.TB, name string) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), name)
	w, err := CreateLayer(file)
	must(b, err)
	source := strings.Repeat("def f(x):\n    return x\n", 400)
	add := func(p string) {
		e := Entry{Path: p, Mode: 0o644, ModTime: epoch, Size: int64(len(source))}
		must(b, w.Add(e, strings.NewReader(source)))
	}
	for d := range 60 {
		for i := range 13 {
			add(fmt.Sprintf("usr/local/lib/python3.13/package%02d/module%s%02d.py", d, name, i))
			add(fmt.Sprintf("usr/local/lib/python3.13/package%02d/__pycache__/module%s%02d.cpython-313.pyc", d, name, i))
		}
	}
	must(b, w.Close())
	return file
}

const module = "/usr/local/lib/python3.13/package31/modulebase07.py"

// openStack opens the library and further layers that lie over parts of it.
func openStack(b testing.TB, files []string) []*Layer {
	b.Helper()
	var layers []*Layer
	for _, f := range files {
		l, err := OpenLayer(f)
		must(b, err)
		layers = append(layers, l)
	}
	return layers
}

func benchmarkTree(b testing.TB, layers int) *FS {
	files := []string{libraryLayer(b, "base")}
	for i := 1; i < layers; i++ {
		files = append(files, libraryLayer(b, fmt.Sprint("over", i)))
	}
	return New(openStack(b, files)...)
}

func BenchmarkOpenLayers(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			files := []string{libraryLayer(b, "base")}
			for i := 1; i < n; i++ {
				files = append(files, libraryLayer(b, fmt.Sprint("over", i)))
			}
			b.ReportAllocs()
			for b.Loop() {
				layers := openStack(b, files)
				f := New(layers...)
				if _, err := f.Stat(module); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				for _, l := range layers {
					l.maps.unmap()
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkStat(b *testing.B) {
	for _, n := range []int{1, 4} {
		f := benchmarkTree(b, n)
		b.Run(fmt.Sprint("layers", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Stat(module); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStatMissing(b *testing.B) {
	f := benchmarkTree(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Stat("/usr/local/lib/python3.13/package31/nothing.py"); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkOpenReadClose(b *testing.B) {
	f := benchmarkTree(b, 1)
	buf := make([]byte, 16<<10)
	b.SetBytes(9200)
	b.ReportAllocs()
	for b.Loop() {
		h, err := f.Open(module, O_RDONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := h.Read(buf); n != 9200 {
			b.Fatal(n, err)
		}
		h.Close()
	}
}

func BenchmarkReadDir(b *testing.B) {
	f := benchmarkTree(b, 4)
	h, err := f.Open("/usr/local/lib/python3.13/package31", O_RDONLY, 0)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if ents, err := h.ReadDirAt(0, 0); len(ents) == 0 || err != nil {
			b.Fatal(len(ents), err)
		}
	}
}

func BenchmarkFork(b *testing.B) {
	f := benchmarkTree(b, 1)
	for i := range 1000 {
		must(b, f.WriteFile(fmt.Sprintf("/tmp%d", i), []byte("x"), 0o644))
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Fork()
	}
}

// BenchmarkForkWrite is what a run does that leaves one file behind.
func BenchmarkForkWrite(b *testing.B) {
	f := benchmarkTree(b, 1)
	data := []byte("result")
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Fork().WriteFile("/usr/out", data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	f := New()
	h, err := f.Open("/f", O_RDWR|O_CREATE, 0o644)
	must(b, err)
	data := make([]byte, 8<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		if _, err := h.WriteAt(data, i%1024*int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendToLayerFile appends a line to a large file of a layer.
func BenchmarkAppendToLayerFile(b *testing.B) {
	l := layerOf(b, []Entry{file("log")}, map[string]string{"log": strings.Repeat("x", 16<<20)})
	base := New(l)
	b.ReportAllocs()
	for b.Loop() {
		h, err := base.Fork().Open("/log", O_WRONLY|O_APPEND, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.Write([]byte("line\n")); err != nil {
			b.Fatal(err)
		}
		h.Close()
	}
}

func BenchmarkDiff(b *testing.B) {
	old := benchmarkTree(b, 4)
	f := old.Fork()
	must(b, f.WriteFile("/usr/new", []byte("x"), 0o644))
	b.ReportAllocs()
	for b.Loop() {
		if changes, err := Diff(old, f); err != nil || len(changes) != 2 {
			b.Fatal(len(changes), err)
		}
	}
}
