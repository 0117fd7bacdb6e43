package rival

import (
	"context"
	"path/filepath"
)

// monty is an interpreter of a subset of Python, written in Rust. Its documentation has a pool of worker processes, of which
// each session takes one.
func monty(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "monty", Name: "Monty", Settings: "a pool of workers, a session checked out for each run"}
	r.Env = []string{"MONTY_BIN=" + filepath.Join(p.Dir, r.Key, "bin", "monty")}
	r.fromPackage(p, `
from pydantic_monty import Monty

pool = Monty(max_processes=64)
pool.__enter__()

def feed(session, code):
    out = []
    session.feed_run(code, print_callback=lambda stream, text: out.append(text))
    return "".join(out)

def fresh(code):
    with pool.checkout() as session:
        return feed(session, code)

kept, held = None, []

def keep(code):
    global kept
    kept = kept or pool.checkout().__enter__()
    return feed(kept, code)

def hold(code):
    held.append(pool.checkout().__enter__())
    return feed(held[-1], code)

serve(fresh=fresh, keep=keep, hold=hold)
`)
	if r.Missing == "" {
		r.Version = "pydantic-monty 1.4.0, a subset of Python"
		r.Command = func(code string) []string { return []string{filepath.Join(p.Dir, r.Key, "bin", "monty"), "-c", code} }
	}
	return r
}
