package rival

import "context"

// pysandbox is CPython on wasmtime. Its documentation has execute for one program, and run for a worker that stays.
func pysandbox(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "pysandbox", Name: "pysandbox", Settings: "PythonRuntime.execute, its cache as it comes; a worker for programs"}
	r.fromPackage(p, `
import asyncio
from pysandbox import PythonRuntime

loop = asyncio.new_event_loop()
runtime = PythonRuntime()

def text(result):
    return result.output.text

def fresh(code):
    return text(loop.run_until_complete(runtime.execute(code)))

def worker():
    async def start():
        return runtime.run("import io, contextlib\nnames = {}\ndef boxer_run(code):\n    out = io.StringIO()\n    with contextlib.redirect_stdout(out):\n        exec(code, names)\n    return out.getvalue()\n")
    return loop.run_until_complete(start())

def call(worker, code):
    return loop.run_until_complete(worker.call(("boxer_run",), None, code))

kept, held = None, []

def keep(code):
    global kept
    kept = kept or worker()
    return call(kept, code)

def hold(code):
    held.append(worker())
    return call(held[-1], code)

serve(fresh=fresh, keep=keep, hold=hold)
`)
	if r.Missing == "" {
		r.Version = "pysandbox-wasi 1.6.4"
		r.Command = func(code string) []string {
			return []string{p.python(), "-c", "import asyncio, sys\nfrom pysandbox import PythonRuntime\nasync def main():\n    runtime = PythonRuntime()\n    print((await runtime.execute(sys.argv[1])).output.text, end='')\n    await runtime.close()\nasyncio.run(main())", code}
		}
	}
	return r
}
