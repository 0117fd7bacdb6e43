#!/bin/sh
# Makes copies of the modules that boxer is built with patches of, wazero and the shell's interpreter, in the versions that go.mod
# names, applies the patches, and prints the flag by which go takes the copies:
#
#   go build $(internal/wazero/prepare.sh) ./cmd/boxer
#
# The copies are in $XDG_CACHE_HOME/boxer/wazero, under names that cover the version and the patches. A link in patched/ has
# such a name, too, since wazero's becomes part of the executable (runtime/codecache.go): machine code is never taken from another
# compiler. Without the flag boxer is built with the modules as they are: it is slower, and hostile programs can do more harm
# (docs/security.md).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/wazero
patched=internal/wazero/patched

# put FILE replaces a file by what is read, if that differs.
put() {
	cat >"$1.$$"
	if cmp -s "$1.$$" "$1"; then rm "$1.$$"; else mv "$1.$$" "$1"; fi
}

# copied MODULE PATCHES makes a copy, and prints how go.mod replaces the module by it.
copied() {
	version=$(go list -m -f '{{.Version}}' "$1")
	digest=$(cat "$2"/*.patch | sha256sum | cut -c1-12)
	name=$1@$version-boxer.$digest
	copy=$cache/$name
	if [ ! -d "$copy" ]; then
		go mod download "$1" >&2
		mkdir -p "${copy%/*}"
		cp -R "$(go list -m -f '{{.Dir}}' "$1")" "$copy.$$"
		chmod -R u+w "$copy.$$"
		for patch in "$2"/*.patch; do
			patch -d "$copy.$$" -p1 -s --no-backup-if-mismatch <"$patch" >&2
		done
		mv -T "$copy.$$" "$copy"
	fi
	if [ "$(readlink "$patched/$name")" != "$copy" ]; then
		rm -rf "$patched/$1"@*
		mkdir -p "$patched/${name%/*}"
		ln -s "$copy" "$patched/$name"
	fi
	echo "replace $1 => ./$patched/$name"
}

mkdir -p $patched
wazero=$(copied github.com/tetratelabs/wazero internal/wazero/patches)
shell=$(copied mvdan.cc/sh/v3 internal/shell/patches)
{ cat go.mod && echo "$wazero" && echo "$shell"; } | put $patched/boxer.mod
put $patched/boxer.sum <go.sum
echo "-modfile=$patched/boxer.mod"
