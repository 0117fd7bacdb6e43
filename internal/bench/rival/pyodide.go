package rival

import (
	"context"
	"os/exec"
	"path/filepath"
)

// pyodide is CPython compiled by Emscripten, in node. What one run leaves behind the next one sees unless each has an
// interpreter of its own, so a fresh one is loaded; loadPyodide caches nothing but V8's code.
func pyodide(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "pyodide", Name: "Pyodide in node", Settings: "loadPyodide for each fresh interpreter; one interpreter for programs"}
	node, err := exec.LookPath("node")
	if err != nil {
		return r.missing("there is no node")
	}
	dir := filepath.Join(p.Dir, "node", "node_modules", "pyodide")
	if !there(dir) {
		return r.missing(notInstalled)
	}
	r.Version = packageVersion(filepath.Join(dir, "package.json"))
	r.Installed = diskUsage(dir)
	module := filepath.Join(dir, "pyodide.mjs")
	base := []string{node, "--no-warnings", "--input-type=module", "-e"}
	r.Command = func(code string) []string { return append(base[:len(base):len(base)], pyodideOnce, "--", module, code) }
	r.Driver = append(base[:len(base):len(base)], nodeDriver+pyodideDriver, "--", module)
	return r
}

const pyodideOnce = `
const [path, code] = process.argv.slice(-2);
const {loadPyodide} = await import(path);
(await loadPyodide()).runPython(code);
`

const pyodideDriver = `
const {loadPyodide} = await import(process.argv.at(-1));

function run(pyodide, code) {
  let out = "";
  pyodide.setStdout({batched: (line) => (out += line + "\n")});
  pyodide.runPython(code);
  return out;
}
let kept;
const held = [];
await serve({
  fresh: async (code) => run(await loadPyodide(), code),
  keep: async (code) => run((kept ??= await loadPyodide()), code),
  hold: async (code) => run(held[held.push(await loadPyodide()) - 1], code),
});
`
