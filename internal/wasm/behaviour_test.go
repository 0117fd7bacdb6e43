package wasm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The specification's tests as wast2json writes them: commands over modules in files of their own.
type (
	script struct {
		Commands []command `json:"commands"`
	}
	command struct {
		Type     string `json:"type"`
		Line     int    `json:"line"`
		Name     string `json:"name"`
		Filename string `json:"filename"`
		As       string `json:"as"`
		Action   struct {
			Type   string  `json:"type"`
			Module string  `json:"module"`
			Field  string  `json:"field"`
			Args   []value `json:"args"`
		} `json:"action"`
	}
	value struct {
		Type     string          `json:"type"`
		LaneType string          `json:"lane_type"`
		Value    json.RawMessage `json:"value"`
	}
)

// renumbered gives every function of a module another index, and takes that one for its first function that is
// imported from another module away again by a stub: all of the walker and of the rewriting passes is exercised.
func renumbered(module []byte) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	to := functionMap{total: m.NumFuncs(), shift: 1}
	for i := range m.imported[ExternFunc] {
		to.imports = append(to.imports, uint32(i)+1)
	}
	d := m.draft(speaksOfCode)
	types, _ := m.Section(SectionType)
	d.set(SectionType, m.extended(types, 1, []byte{0x60, 0, 1, byte(TypeI32)}))
	contents := appendU32(nil, uint32(len(m.Imports)+1))
	contents = appendU32(append(appendName(appendName(contents, "boxer"), "none"), byte(ExternFunc)), uint32(len(m.Types)))
	for _, imp := range m.Imports {
		contents = append(contents, imp.raw...)
	}
	d.set(SectionImport, contents)
	if len(m.Functions) > 0 {
		code, err := m.renumberCode(appendU32(nil, uint32(len(m.Functions))), &to)
		if err != nil {
			return nil, err
		}
		d.set(SectionCode, code)
	}
	if err := m.renumberRest(d, &to); err != nil {
		return nil, err
	}
	return Portable(d.encode())
}

// world is one engine with the modules of a script, as they are or rewritten.
type world struct {
	engine  wazero.Runtime
	rewrite func([]byte) ([]byte, error)
	named   map[string]api.Module
	last    api.Module
}

func newWorld(t *testing.T, rewrite func([]byte) ([]byte, error)) *world {
	w := &world{engine: newEngine(t), rewrite: rewrite, named: map[string]api.Module{}}
	meterHost(t, w.engine, func() int32 { return 100 }, func(int64) int64 { return 20 })
	host, err := os.ReadFile(filepath.Join(specTests(t), "testdata", "spectest.wasm"))
	if err == nil {
		err = w.instantiate(host, command{}, "spectest")
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) instantiate(module []byte, c command, as string) error {
	module, err := w.rewrite(module)
	if err != nil {
		return err
	}
	mod, err := w.engine.InstantiateWithConfig(context.Background(), module, wazero.NewModuleConfig().WithName(as))
	if err != nil {
		return err
	}
	w.last = mod
	if c.Name != "" {
		w.named[c.Name] = mod
	}
	return nil
}

// do performs an action and says what came of it, in words that both worlds can be compared by.
func (w *world) do(c command) string {
	mod := w.last
	if c.Action.Module != "" {
		mod = w.named[c.Action.Module]
	}
	if c.Action.Type == "get" {
		return mod.ExportedGlobal(c.Action.Field).String()
	}
	f := mod.ExportedFunction(c.Action.Field)
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits()...)
	}
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
		return message
	}
	for i, t := range f.Definition().ResultTypes() {
		if t < byte(TypeV128) && len(results) == len(f.Definition().ResultTypes()) && results[i] != 0 {
			results[i] = 1 // a reference: its bits are an address
		}
	}
	return fmt.Sprintf("%x", results)
}

func (v value) bits() []uint64 {
	var lanes []string
	if v.Type != "v128" {
		v.LaneType = v.Type
		lanes = []string{""}
		if json.Unmarshal(v.Value, &lanes[0]) != nil {
			return []uint64{0} // null
		}
	} else if err := json.Unmarshal(v.Value, &lanes); err != nil {
		panic(err)
	}
	width := 64
	if n, err := strconv.Atoi(v.LaneType[1:]); err == nil {
		width = n
	}
	words := make([]uint64, max(1, len(lanes)*width/64))
	for i, lane := range lanes {
		n, err := strconv.ParseUint(lane, 10, 64)
		if signed, signedErr := strconv.ParseInt(lane, 10, 64); err != nil && signedErr == nil {
			n = uint64(signed)
		} else if strings.HasPrefix(lane, "nan") {
			n = 0x7ff8 << 48 >> (64 - width)
		}
		n &= 1<<(width-1)<<1 - 1
		words[i*width/64] |= n << (i * width % 64)
	}
	return words
}

// Programs whose function indices were all changed, or that count as they go, compute what they computed before.
func TestRewrittenSpecModulesBehaveTheSame(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(specTests(t), "*", "testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	actions := 0
	for _, file := range scripts {
		name := filepath.Join(filepath.Base(filepath.Dir(filepath.Dir(file))), filepath.Base(file))
		for _, pass := range []string{"renumbered", "Ticks", "Fuel", "Edges"} {
			t.Run(name+" "+pass, func(t *testing.T) { actions += compareWorlds(t, file, passes[pass]) })
		}
	}
	t.Logf("%d actions compared", actions)
	if actions < 150_000 {
		t.Errorf("only %d actions were compared", actions)
	}
}

func compareWorlds(t *testing.T, file string, pass func([]byte) ([]byte, error)) (actions int) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	before := newWorld(t, func(b []byte) ([]byte, error) { return b, nil })
	after := newWorld(t, pass)
	for i, c := range s.Commands {
		switch c.Type {
		case "module":
			as := ""
			if i+1 < len(s.Commands) && s.Commands[i+1].Type == "register" {
				as = s.Commands[i+1].As
			}
			module, err := os.ReadFile(filepath.Join(filepath.Dir(file), c.Filename))
			if err != nil {
				t.Fatal(err)
			}
			err = before.instantiate(module, c, as)
			if rewrittenErr := after.instantiate(module, c, as); err != nil || rewrittenErr != nil {
				t.Fatalf("line %d: original: %v; rewritten: %v", c.Line, err, rewrittenErr)
			}
		case "assert_return", "assert_trap", "action":
			if want, got := before.do(c), after.do(c); want != got {
				t.Errorf("line %d: %s: %s, but %s when rewritten", c.Line, c.Action.Field, want, got)
			}
			actions++
		}
	}
	return actions
}

// A pass without work gives the same bytes, twice the same pass the same result.
func TestRewritingIsDeterministic(t *testing.T) {
	eachSpecModule(t, func(name string, module []byte) {
		once, err := renumbered(module)
		if err != nil {
			return
		}
		again, _ := renumbered(module)
		if !bytes.Equal(once, again) {
			t.Errorf("%s: two runs differ: %s", name, cmp.Diff(once, again))
		}
	})
}
