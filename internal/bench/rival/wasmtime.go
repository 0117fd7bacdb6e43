package rival

import (
	"context"
	"path/filepath"
)

// wasmtime is the engine itself with a stock python.wasm, compiled ahead of time as its documentation has it for starts that
// are fast; instances are made from a compiled module that stays loaded.
func wasmtime(ctx context.Context, p Places) *Rival {
	r := &Rival{
		Key: "wasmtime", Name: "wasmtime", Settings: "a stock python.wasm compiled ahead of time (Module.deserialize_file)", Streams: true, Outside: true,
	}
	if !there(p.stockPython()) {
		return r.missing(notInstalled)
	}
	compiled := filepath.Join(p.Dir, "python.cwasm")
	prelude := "wasm, compiled = " + literal(p.stockPython()) + ", " + literal(compiled) + "\n" + wasmtimeStart
	if r.fromPackage(p, prelude+wasmtimeDriver); r.Missing != "" {
		return r
	}
	r.Version = "50.0.1, CPython 3.12.0"
	r.Command = func(code string) []string { return []string{p.python(), "-c", prelude + wasmtimeOnce, code} }
	return r
}

const wasmtimeStart = `
import os, tempfile
from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

engine = Engine()
if not os.path.exists(compiled):
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(compiled), delete=False) as new:
        new.write(Module.from_file(engine, wasm).serialize())
    os.replace(new.name, compiled)
module = Module.deserialize_file(engine, compiled)
linker = Linker(engine)
linker.define_wasi()

def run(code, configure):
    store, wasi = Store(engine), WasiConfig()
    wasi.argv = ["python", "-I", "-c", code]
    configure(wasi)
    store.set_wasi(wasi)
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except ExitTrap as end:
        return end.code
    return 0
`

const wasmtimeOnce = `
import sys

def inherit(wasi):
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()

sys.exit(run(sys.argv[1], inherit))
`

const wasmtimeDriver = `
def fresh(code):
    with tempfile.NamedTemporaryFile() as out:
        def configure(wasi):
            wasi.stdout_file = out.name
            wasi.inherit_stderr()
        status = run(code, configure)
        text = open(out.name).read()
    if status:
        raise RuntimeError(f"exit status {status}")
    return text

serve(fresh=fresh)
`
