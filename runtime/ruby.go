package runtime

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/internal/wasm"
)

// The packages of ruby.wasm for JavaScript (@ruby/…-wasm-wasi) have Ruby as a library: there is no _start, but functions that make an
// interpreter and evaluate source, by the canonical ABI as it was when components were a draft: names tell types, texts are pairs of
// an address and a length in memory that cabi_realloc gives. What follows is what the command ruby does with it. JavaScript, for which
// the library has a hundred lines of imports, is not there; whoever calls it traps.

// Exports of the library, of which the rest of the name is its type.
const (
	rubyInitName = "ruby-init: func(args: list<string>)"
	rubyEvalName = "rb-eval-string-protect: func(str: string)"
	reallocName  = "cabi_realloc"
)

// Modules that the library imports.
const (
	rubyHostModule     = "rb-js-abi-host"
	canonicalABIModule = "canonical_abi"
)

// rubyMain is the rest of the command, in Ruby.
//
//go:embed ruby.rb
var rubyMain string

// rubyLibrary is what a program has that is such a library.
type rubyLibrary struct {
	init, eval string // names of exports
	imports    map[string]api.Module
}

// newRubyLibrary finds the library in a module; nil if that is something else.
func newRubyLibrary(m *wasm.Module) *rubyLibrary {
	l := &rubyLibrary{}
	for _, e := range m.Exports {
		switch {
		case e.Kind != wasm.ExternFunc:
		case strings.HasPrefix(e.Name, rubyInitName):
			l.init = e.Name
		case strings.HasPrefix(e.Name, rubyEvalName):
			l.eval = e.Name
		}
	}
	if len(m.Memories) == 0 || !hasFunc(m, l.init, 2, 0) || !hasFunc(m, l.eval, 2, 1) || !hasFunc(m, reallocName, 4, 1) {
		return nil
	}
	return l
}

// hasFunc reports whether a module exports a function of 32-bit integers.
func hasFunc(m *wasm.Module, name string, parameters, results int) bool {
	e, ok := m.Export(name)
	if !ok || e.Kind != wasm.ExternFunc {
		return false
	}
	t, i32 := m.FuncType(e.Index), string(api.ValueTypeI32)
	return string(t.Params.Encoding) == strings.Repeat(i32, parameters) && string(t.Results.Encoding) == strings.Repeat(i32, results)
}

// provide makes the modules that the library imports, of functions of the types that it wants.
func (l *rubyLibrary) provide(ctx context.Context, r wazero.Runtime, m *wasm.Module) error {
	l.imports = map[string]api.Module{}
	for _, name := range []string{rubyHostModule, canonicalABIModule} {
		b, known := r.NewHostModuleBuilder(name), map[string]wasm.FuncType{}
		for _, i := range m.Imports {
			if i.Module != name || i.Kind != wasm.ExternFunc {
				continue
			}
			t := m.Types[i.Type]
			if before, ok := known[i.Name]; ok {
				if !bytes.Equal(before.Params.Encoding, t.Params.Encoding) || !bytes.Equal(before.Results.Encoding, t.Results.Encoding) {
					return &unfitError{fmt.Sprintf("it imports the function %q.%q with two types", name, i.Name)}
				}
				continue
			}
			known[i.Name] = t
			b.NewFunctionBuilder().WithGoModuleFunction(rubyHostFunction(i, t), t.Params.Encoding, t.Results.Encoding).Export(i.Name)
		}
		compiled, err := b.Compile(ctx)
		if err != nil {
			return err
		}
		// Without a name, since another version of the library has other imports.
		if l.imports[name], err = r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("")); err != nil {
			return err
		}
	}
	return nil
}

// rubyHostFunction is a function that the library imports. Handles of Ruby's objects are what Ruby has for them: nobody else holds any.
func rubyHostFunction(i wasm.Import, t wasm.FuncType) api.GoModuleFunc {
	handle := strings.HasPrefix(i.Name, "resource_new_") || strings.HasPrefix(i.Name, "resource_get_")
	switch {
	case i.Module == canonicalABIModule && handle && t.Params.Len == 1 && t.Results.Len == 1:
		return func(context.Context, api.Module, []uint64) {}
	case i.Module == canonicalABIModule && strings.HasPrefix(i.Name, "resource_drop_"):
		return func(context.Context, api.Module, []uint64) {}
	}
	function, _, _ := strings.Cut(i.Name, ":")
	reason := fmt.Errorf("%sthere is no JavaScript to call (%s)", wasmError, printable(function))
	return func(context.Context, api.Module, []uint64) { panic(reason) }
}

// resolving has the library's imports found.
func (l *rubyLibrary) resolving(ctx context.Context) context.Context {
	return experimental.WithImportResolver(ctx, func(name string) api.Module { return l.imports[name] })
}

// command runs the library as the command ruby.
func (l *rubyLibrary) command(ctx context.Context, i *instance, args []string) error {
	memory := canonicalMemory{i.module, i.module.ExportedFunction(reallocName)}
	list, length, err := memory.list(ctx, rubyArguments(args))
	if err != nil {
		return err
	}
	if _, err := i.module.ExportedFunction(l.init).Call(ctx, list, length); err != nil {
		return err
	}
	source, length, err := memory.text(ctx, rubyMain+"\x00")
	if err != nil {
		return err
	}
	if _, err = i.module.ExportedFunction(l.eval).Call(ctx, source, length); err == nil {
		err = sys.NewExitError(1) // after an error in what ruby.rb does before the program begins
	}
	return err
}

// canonicalMemory is the memory of a module to which values are passed by the canonical ABI.
type canonicalMemory struct {
	module  api.Module
	realloc api.Function
}

func (m canonicalMemory) allocate(ctx context.Context, alignment, size int) (address uint64, err error) {
	results, err := m.realloc.Call(ctx, 0, 0, uint64(alignment), uint64(size))
	if err != nil {
		return 0, err
	}
	return results[0], nil
}

var errOutside = errors.New(wasmError + reallocName + " gave an address outside of the memory")

// text puts a text into memory.
func (m canonicalMemory) text(ctx context.Context, s string) (address, length uint64, err error) {
	address, err = m.allocate(ctx, 1, len(s))
	if err == nil && !m.module.Memory().WriteString(uint32(address), s) {
		err = errOutside
	}
	return address, uint64(len(s)), err
}

// list puts texts into memory, with the zero byte after each that C wants.
func (m canonicalMemory) list(ctx context.Context, texts []string) (address, length uint64, err error) {
	const pair = 8
	if address, err = m.allocate(ctx, 4, pair*len(texts)); err != nil {
		return 0, 0, err
	}
	for n, s := range texts {
		start, size, err := m.text(ctx, s+"\x00")
		if err != nil {
			return 0, 0, err
		}
		at, linear := uint32(address)+pair*uint32(n), m.module.Memory()
		if !linear.WriteUint32Le(at, uint32(start)) || !linear.WriteUint32Le(at+4, uint32(size)) {
			return 0, 0, errOutside
		}
	}
	return address, uint64(len(texts)), nil
}

// rubyArguments takes a command line of ruby(1) apart. The library knows all options but does not run the program; so it is given
// another one that does nothing, and ruby.rb the real one, before its arguments.
func rubyArguments(args []string) []string {
	options, kind, program := []string{args[0], "-EUTF-8"}, "input", ""
	rest := args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" && rest[0] != "--" {
		option := rest[0]
		rest = rest[1:]
		switch {
		case strings.HasPrefix(option, "-e"):
			line := option[2:]
			if line == "" && len(rest) > 0 {
				line, rest = rest[0], rest[1:]
			}
			kind, program = "text", program+line+"\n"
		case option == "--version" || option == "--help" || option == "-h" || option == "--copyright":
			kind = "nothing"
			options = append(options, option)
		default:
			options = append(options, option)
			if takesArgument := option == "-I" || option == "-r" || option == "-E" || option == "-C" || option == "-W:"; takesArgument && len(rest) > 0 {
				options, rest = append(options, rest[0]), rest[1:]
			}
		}
	}
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if kind == "input" && len(rest) > 0 {
		if rest[0] != "-" {
			kind, program = "file", rest[0]
		}
		rest = rest[1:]
	}
	return append(append(options, "-e_=0", "--", kind, program), rest...)
}
