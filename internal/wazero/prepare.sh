#!/bin/sh
# Makes a copy of the wazero that go.mod names, applies patches/ to it, and prints the flag by which go takes the copy:
#
#   go build $(internal/wazero/prepare.sh) ./cmd/boxer
#
# The copy is in $XDG_CACHE_HOME/boxer/wazero, under a name that covers the version and the patches. A link in patched/ has
# that name, too, since it becomes part of the executable (runtime/codecache.go): machine code is never taken from another
# compiler. Without the flag boxer is built with wazero as it is, and does the same more slowly.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
module=github.com/tetratelabs/wazero
version=$(go list -m -f '{{.Version}}' $module)
digest=$(cat "$here"/patches/*.patch | sha256sum | cut -c1-12)
name=$module@$version-boxer.$digest
copy=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/wazero/$name
patched=internal/wazero/patched

# put FILE replaces a file by what is read, if that differs.
put() {
	cat >"$1.$$"
	if cmp -s "$1.$$" "$1"; then rm "$1.$$"; else mv "$1.$$" "$1"; fi
}

if [ ! -d "$copy" ]; then
	go mod download $module
	mkdir -p "${copy%/*}"
	cp -R "$(go list -m -f '{{.Dir}}' $module)" "$copy.$$"
	chmod -R u+w "$copy.$$"
	for patch in "$here"/patches/*.patch; do
		patch -d "$copy.$$" -p1 -s --no-backup-if-mismatch <"$patch" >&2
	done
	mv -T "$copy.$$" "$copy"
fi
if [ "$(readlink "$patched/$name")" != "$copy" ]; then
	rm -rf "$patched"
	mkdir -p "$patched/${name%/*}"
	ln -s "$copy" "$patched/$name"
fi
{ cat go.mod && echo "replace $module => ./$patched/$name"; } | put $patched/boxer.mod
put $patched/boxer.sum <go.sum
echo "-modfile=$patched/boxer.mod"
