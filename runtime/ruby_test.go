package runtime

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
)

func TestRubyArguments(t *testing.T) {
	for _, test := range []struct{ line, options, program string }{
		{"ruby", "", "input|"},
		{"ruby -", "", "input|"},
		{"ruby a.rb b -c", "", "file|a.rb|b|-c"},
		{"ruby -w -I lib -rjson a.rb", "-w|-I|lib|-rjson", "file|a.rb"},
		{"ruby -e x -ey a -b", "", "text|x\ny\n|a|-b"},
		{"ruby -e x -- -b", "", "text|x\n|-b"},
		{"ruby -- -b", "", "file|-b"},
		{"ruby -r", "-r", "input|"},
		{"ruby -e", "", "text|\n"},
		{"ruby --version", "--version", "nothing|"},
	} {
		want := append([]string{"ruby", "-EUTF-8"}, words(test.options)...)
		want = append(append(want, "-e_=0", "--"), strings.Split(test.program, "|")...)
		if diff := cmp.Diff(want, rubyArguments(strings.Fields(test.line))); diff != "" {
			t.Errorf("%s:\n%s", test.line, diff)
		}
	}
}

func words(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, "|")
}

// rubyModule says by its exports that it is Ruby, as far as they are named. Its allocator gives always the same address; it can call
// JavaScript (function 0) and drop what is none (1).
func rubyModule(memory bool, init, realloc []byte, imports ...[]byte) []byte {
	typeInit, typeEval := []byte{0x60, 2, 0x7f, 0x7f, 0}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f}
	typeRealloc := []byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f}
	s := sections{
		wasm.SectionType: vector(typeVoid, typeTake, typeInit, typeEval, typeRealloc),
		wasm.SectionImport: vector(append([][]byte{
			append(append(text(rubyHostModule), text("is-js: func()")...), 0, 0),
			append(append(text(canonicalABIModule), text("resource_drop_js-abi-value")...), 0, 1),
		}, imports...)...),
		wasm.SectionFunction: vector([]byte{2}, []byte{3}, []byte{4}),
		wasm.SectionMemory:   vector([]byte{0, 1}),
		wasm.SectionExport:   vector(exportFunc(rubyInitName+" -> ()", byte(2+len(imports))), exportFunc(rubyEvalName, byte(3+len(imports))), exportFunc(reallocName, byte(4+len(imports)))),
		wasm.SectionCode:     vector(body(init...), body(0x41, 0), body(realloc...)),
	}
	if !memory {
		delete(s, wasm.SectionMemory)
	}
	return s.module()
}

// TestModulesThatPassForRuby: what only has the names of Ruby's library is refused, or traps.
func TestModulesThatPassForRuby(t *testing.T) {
	at16, far := []byte{0x41, 16}, []byte{0x41, 0x7f}
	again := func(kind byte) []byte {
		return append(append(text(rubyHostModule), text("is-js: func()")...), 0, kind)
	}
	for name, test := range map[string]struct {
		module  []byte
		outcome Outcome
		message string
	}{
		"does nothing":        {rubyModule(true, nil, at16), OutcomeExit, ""},
		"drops":               {rubyModule(true, []byte{0x41, 1, 0x10, 1}, at16), OutcomeExit, ""},
		"calls JavaScript":    {rubyModule(true, []byte{0x10, 0}, at16), OutcomeTrap, "there is no JavaScript to call (is-js)"},
		"allocates elsewhere": {rubyModule(true, nil, far), OutcomeTrap, "cabi_realloc gave an address outside"},
		"traps":               {rubyModule(true, []byte{0}, at16), OutcomeTrap, "unreachable"},
		"has no memory":       {rubyModule(false, nil, at16), OutcomeNotExecutable, "exports no function _start"},
		"imports twice":       {rubyModule(true, nil, at16, again(0)), OutcomeExit, ""},
		"and by two types":    {rubyModule(true, nil, at16, again(1)), OutcomeNotExecutable, "with two types"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, map[string]string{"/ruby": string(test.module)}, v1.Config{})
			_, err := run(t, b, Cmd{Args: []string{"/ruby", "-e", "x"}})
			if got := ResultOf(err); got.Outcome != test.outcome || err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("%s: %v", got.Outcome, err)
			}
		})
	}
}

// TestLibraryIsRefusedBeforeItIsCompiled: what cannot be started is not worth a minute of compiling, nor a place in the cache.
func TestLibraryIsRefusedBeforeItIsCompiled(t *testing.T) {
	needCompiler(t)
	s := startModule()
	s[wasm.SectionExport] = vector(exportFunc("start", 0))
	e := newEngine(t, Options{CacheDir: t.TempDir()})
	b, err := e.NewBox(newTree(t, map[string]string{"/library": string(s.module())}), v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(t, b, Cmd{Args: []string{"/library"}})
	var unfit *NotExecutableError
	if !errors.As(err, &unfit) {
		t.Fatal(err)
	}
	space, err := MeasureCache(e.options.CacheDir)
	if err != nil || space.Code.Files > 0 {
		t.Errorf("%+v, %v", space, err)
	}
}
