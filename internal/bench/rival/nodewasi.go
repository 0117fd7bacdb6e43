package rival

import (
	"context"
	"os/exec"
	"path/filepath"
)

// stockPython is CPython as others compile it for WASI, standard library included, from the npm package that Install fetches.
func (p Places) stockPython() string {
	return filepath.Join(p.Dir, "node", "node_modules", "@antonz", "python-wasi", "dist", "python.wasm")
}

// nodeWASI is node's own WASI with a stock python.wasm. V8 has no cache of machine code that outlives a process; a process that
// stays compiles once. Fast calls into node's WASI corrupt its heap now and then (nodejs/node#53087).
func nodeWASI(ctx context.Context, p Places) *Rival {
	r := &Rival{
		Key: "node", Name: "node's WASI", Settings: "node:wasi, the module compiled once for each process, --no-turbo-fast-api-calls", Streams: true, Outside: true,
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return r.missing("there is no node")
	}
	if !there(p.stockPython()) {
		return r.missing(notInstalled)
	}
	r.Version = answer(ctx, node, "--version") + ", CPython 3.12.0"
	r.Installed = diskUsage(filepath.Dir(p.stockPython()))
	base := []string{node, "--no-warnings", "--no-turbo-fast-api-calls", "--input-type=module", "-e"}
	r.Command = func(code string) []string {
		return append(base[:len(base):len(base)], nodeWASIOnce, "--", p.stockPython(), code)
	}
	r.Driver = append(base[:len(base):len(base)], nodeDriver+nodeWASIDriver, "--", p.stockPython())
	return r
}

const nodeWASIOnce = `
import {readFile} from "node:fs/promises";
import {WASI} from "node:wasi";
const [path, code] = process.argv.slice(-2);
const wasi = new WASI({version: "preview1", args: ["python", "-I", "-c", code], env: {}, returnOnExit: true});
const module = await WebAssembly.compile(await readFile(path));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
`

// Standard output of a guest is a file, since node reads a pipe only when it has nothing else to do.
const nodeWASIDriver = `
import {closeSync, mkdtempSync, openSync, readFileSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {WASI} from "node:wasi";

const module = await WebAssembly.compile(readFileSync(process.argv.at(-1)));
const dir = mkdtempSync(join(tmpdir(), "boxer-bench-"));
process.on("exit", () => rmSync(dir, {recursive: true}));

async function fresh(code) {
  const file = join(dir, "out");
  const out = openSync(file, "w");
  const wasi = new WASI({version: "preview1", args: ["python", "-I", "-c", code], env: {}, returnOnExit: true, stdout: out, stderr: out});
  const status = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
  closeSync(out);
  const text = readFileSync(file, "utf8");
  if (status !== 0) throw new Error(text);
  return text;
}
await serve({fresh});
`
