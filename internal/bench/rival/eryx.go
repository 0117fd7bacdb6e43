package rival

import "context"

// eryx is CPython on wasmtime, initialised when it was built. Its documentation has a Sandbox for each run, which takes an
// instance that waits, and a Session for state that stays.
func eryx(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "eryx", Name: "eryx", Settings: "Sandbox.execute, instances kept warm as it comes; Session for programs"}
	r.fromPackage(p, `
import eryx

def text(result):
    return result.stdout if isinstance(result.stdout, str) else result.stdout.decode()

sandbox = eryx.Sandbox()
limits = eryx.ResourceLimits.unlimited()
kept, held = None, []

def keep(code):
    global kept
    kept = kept or eryx.Session()
    return text(kept.execute(code))

def hold(code):
    held.append(eryx.Session())
    return text(held[-1].execute(code))

serve(fresh=lambda code: text(sandbox.execute(code)), keep=keep, hold=hold)
`)
	if r.Missing == "" {
		r.Version = "pyeryx 0.11.0, CPython 3.14"
		r.Command = func(code string) []string { return []string{p.python(), "-m", "eryx", "-c", code} }
	}
	return r
}
