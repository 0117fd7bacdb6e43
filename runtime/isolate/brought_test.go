package isolate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"boxer.dev/runtime"
)

// section is one of a module.
func section(id byte, contents ...string) string {
	return string([]byte{id}) + sized(strings.Join(contents, ""))
}

// sized is contents after their length.
func sized(contents string) string {
	return string(binary.AppendUvarint(nil, uint64(len(contents)))) + contents
}

// program is a module whose _start has the given instructions, which may call fd_write as function 0, and with text behind a buffer's
// address and length at 0.
func program(text, code string) []byte {
	return []byte("\x00asm\x01\x00\x00\x00" +
		section(1, "\x02", "\x60\x04\x7f\x7f\x7f\x7f\x01\x7f", "\x60\x00\x00") +
		section(2, "\x01", "\x16wasi_snapshot_preview1", "\x08fd_write", "\x00\x00") +
		section(3, "\x01\x01") +
		section(5, "\x01\x00\x01") +
		section(7, "\x02", "\x06_start\x00\x01", "\x06memory\x02\x00") +
		section(10, "\x01", sized("\x00"+code+"\x0b")) +
		section(11, "\x01", "\x00\x41\x00\x0b", string([]byte{byte(8 + len(text)), 8, 0, 0, 0, byte(len(text)), 0, 0, 0}), text))
}

// printing is a program that prints text.
func printing(text string) []byte {
	return program(text, "\x41\x01\x41\x00\x41\x01\x41\x04\x10\x00\x1a") // fd_write(1, 0, 1, 4)
}

const endless = "\x03\x40\x0c\x00\x0b" // loop br 0 end

// A program that a run brings runs as it would in this process.
func TestBroughtProgram(t *testing.T) {
	p, box := newPool(t, &Pool{}), newBox(t)
	here := loadHere(t, box.Root)
	hello, loop := printing("hello\n"), program("", endless)
	file := func(name string, mode fs.FileMode, data []byte) []runtime.File {
		return []runtime.File{{Path: "/data", Data: []byte("data\n")}, {Path: name, Mode: mode, Data: data}}
	}
	for name, c := range map[string]runtime.Cmd{
		"by its path":         {Args: []string{"/x/hello", "a"}, Files: file("/x/hello", 0, hello)},
		"in the directory":    {Args: []string{"./hello"}, Dir: "/work", Files: file("hello", 0, hello)},
		"by its name":         {Args: []string{"hello"}, Files: file("/usr/bin/hello", 0o755, hello)},
		"by the shell":        {Args: []string{"sh", "-c", "cat /data; /x/hello | tr h j; ls -l /x"}, Files: file("/x/hello", 0o755, hello)},
		"beside another":      {Args: []string{"sh", "-c", "/a && /b"}, Files: append(file("/a", 0o755, hello), file("/b", 0o755, printing("b"))...)},
		"as data":             {Args: []string{"wc", "-c", "/x/hello"}, Files: file("/x/hello", 0, hello)},
		"replaced":            {Args: []string{"sh", "-c", "echo echo script > /x/hello; /x/hello"}, Files: file("/x/hello", 0o755, hello)},
		"endless":             {Args: []string{"/loop"}, Files: file("/loop", 0, loop), Limits: runtime.Limits{Timeout: 50 * time.Millisecond}},
		"out of fuel":         {Args: []string{"/loop"}, Files: file("/loop", 0, loop), Limits: runtime.Limits{Fuel: 100_000}},
		"a trap":              {Args: []string{"/trap"}, Files: file("/trap", 0, program("", "\x00"))},
		"cut short":           {Args: []string{"/cut"}, Files: file("/cut", 0, hello[:len(hello)-20])},
		"malformed":           {Args: []string{"/bad"}, Files: file("/bad", 0, program("", "\x1a"))},
		"unlike programs":     {Args: []string{"/lib"}, Files: file("/lib", 0, []byte("\x00asm\x01\x00\x00\x00"))},
		"malformed, by shell": {Args: []string{"sh", "-c", "/bad; echo $?"}, Files: file("/bad", 0o755, program("", "\x1a"))},
	} {
		t.Run(name, func(t *testing.T) {
			var outputs [2]string
			var results [2]runtime.Result
			for i, run := range []func(*runtime.Cmd) error{
				func(c *runtime.Cmd) error { return here.Run(t.Context(), c) },
				func(c *runtime.Cmd) error { return p.Run(t.Context(), box, c) },
			} {
				var out bytes.Buffer
				c := c
				c.Stdout, c.Stderr = &out, &out
				results[i] = runtime.ResultOf(run(&c))
				outputs[i] = out.String()
			}
			if outputs[0] != outputs[1] || results[0] != results[1] {
				t.Errorf("in this process %q, %+v;\nin a worker %q, %+v", outputs[0], results[0], outputs[1], results[1])
			}
		})
	}
}

// What was compiled of a program that a run brought serves further runs of the same tenant, and nobody else.
func TestBroughtProgramIsTheTenants(t *testing.T) {
	p := newPool(t, &Pool{})
	p.CacheDir = t.TempDir()
	a, b := newBox(t), Box{}
	b.Root, a.Tenant, b.Tenant = a.Root, "a", "b"
	c := &runtime.Cmd{Args: []string{"/hello"}, Files: []runtime.File{{Path: "/hello", Data: printing("hello\n")}}}
	for _, box := range []Box{a, a, b} {
		if err := p.Run(t.Context(), box, c); err != nil {
			t.Fatal(err)
		}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for key, class := range p.classes {
		if want := map[string]int{"a": 2, "b": 1}[key.tenant]; len(class.idle) != 1 || class.idle[0].given != want {
			t.Errorf("%s: %d workers", key.tenant, len(class.idle))
		}
	}
	if len(p.classes) != 2 {
		t.Errorf("%d classes", len(p.classes))
	}
	noCode(t, p.CacheDir)
}

// A box that comes from whoever asks is compiled as what runs bring is.
func TestForeignBox(t *testing.T) {
	p := newPool(t, &Pool{})
	p.CacheDir = t.TempDir()
	box := newBoxOf(t, "program", string(printing("hello\n")))
	box.Foreign = true
	var out bytes.Buffer
	c := &runtime.Cmd{Args: []string{"/program"}, Stdout: &out}
	if err := p.Run(t.Context(), box, c); err != nil || out.String() != "hello\n" {
		t.Fatalf("%q, %v", out.String(), err)
	}
	noCode(t, p.CacheDir)
	box.Foreign = false // the same box of somebody who is trusted
	if err := p.Run(t.Context(), box, c); err != nil || len(p.classes) != 2 {
		t.Errorf("%d classes, %v", len(p.classes), err)
	}
	p.compileTime, box.Foreign, box.Tenant = -1, true, "b"
	if err := p.Run(t.Context(), box, c); runtime.ResultOf(err).Outcome != runtime.OutcomeNotExecutable {
		t.Errorf("%v", err)
	}
}

// noCode checks that there is no machine code in a cache.
func noCode(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".code") {
			t.Errorf("%s is in the cache for all", entry.Name())
		}
	}
}

// A program that is compiled for ever is refused, whoever waits for it.
func TestBroughtProgramThatIsCompiledForEver(t *testing.T) {
	p := newPool(t, &Pool{compileTime: -1})
	c := &runtime.Cmd{Args: []string{"/hello"}, Files: []runtime.File{{Path: "/hello", Data: printing("hello\n")}}}
	err := p.Run(t.Context(), newBox(t), c)
	var refused *runtime.NotExecutableError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "to compile") {
		t.Errorf("%v", err)
	}
}
