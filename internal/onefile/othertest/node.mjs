// Runs a module under node's WASI: node node.mjs [--env NAME=VALUE] [--dir HOST::GUEST] MODULE [ARGUMENT...]
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const words = process.argv.slice(2);
const env = {}, preopens = {};
while (words[0].startsWith('--')) {
	const [option, value] = words.splice(0, 2);
	const [left, right] = value.split(option === '--env' ? '=' : '::');
	if (option === '--env') env[left] = right;
	else preopens[right] = left;
}
const wasi = new WASI({ version: 'preview1', args: words, env, preopens, returnOnExit: true });
const { instance } = await WebAssembly.instantiate(await readFile(words[0]), wasi.getImportObject());
process.exit(wasi.start(instance));
