#!/bin/sh
# Compiles guest/*.c to the library that package onefile links to programs, and puts it where the package embeds it from.
#
# It is kept in the user's cache, by a digest of the sources and of this script. What it takes is a compiler that
# bases/tools.sh knows how to get.
set -eu
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/onefile
key=$(cd "$here" && cat build.sh guest/*.h guest/*.c | sha256sum | cut -c1-32)
built=$cache/$key.wasm

if [ ! -f "$built" ]; then
	mkdir -p "$cache"
	BASES=$here/../../bases APT_HOME=$cache/apt
	export BASES APT_HOME
	"$BASES/tools.sh" >&2
	echo "base: compiling the library of type=wasm" >&2
	# Not -O3: it inlines a third more and gains nothing. No libc: the library holds no addresses, see guest.h.
	(cd "$here/guest" && clang-19 --target=wasm32 -std=c11 -O2 -g0 -ffreestanding -nostdlib -nostartfiles \
		-fPIC -fvisibility=hidden -mbulk-memory -msign-ext -Wall -Wextra -Werror \
		-Wl,-shared -Wl,--experimental-pic -Wl,--no-entry -Wl,--strip-all -Wl,--fatal-warnings \
		-o "$built.$$" *.c)
	mv "$built.$$" "$built"
fi
cmp -s "$built" "$here/library/guest.wasm" || cp "$built" "$here/library/guest.wasm"
