#!/bin/sh
# Makes sure that the other runtimes that modules are tested under are there: node, which has to be, and wasmtime, which is
# unpacked from its Python package into the user's cache.
set -eu
tools=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/tools
version=50.0.1
wasmtime=$tools/wasmtime-$version

if ! command -v node >/dev/null; then
	echo "tests need node (20 or later) in PATH; on Debian: apt-get install nodejs" >&2
	exit 1
fi
[ ! -d "$wasmtime" ] || exit 0
if ! python3 -m pip --version >/dev/null 2>&1; then
	echo "tests need python3 with pip in PATH, to get wasmtime" >&2
	exit 1
fi
rm -rf "$wasmtime.new"
python3 -m pip install --quiet --disable-pip-version-check --no-deps --root-user-action=ignore --target "$wasmtime.new" "wasmtime==$version" >&2
mv "$wasmtime.new" "$wasmtime"
