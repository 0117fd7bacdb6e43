#!/bin/sh
# Makes sure that the programs the recipes use are there: installs what is missing as root on Debian, from the machine's
# own suite, and says exactly what is missing anywhere else.
set -eu
. "$BASES/apt.sh"

runtime=/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a

# Command or file, and the package that brings it.
needed="clang-19:clang-19 wasm-ld-19:lld-19 llvm-ar-19:llvm-19 llvm-ranlib-19:llvm-19 llvm-profdata-19:llvm-19
	$runtime:libclang-rt-19-dev-wasm32
	gcc:gcc /usr/include/stdlib.h:libc6-dev make:make tclsh:tcl patch:patch zstd:zstd xz:xz-utils bzip2:bzip2"

# missing prints the packages of what is not there.
missing() {
	for pair in $needed; do
		case ${pair%%:*} in
		/*) [ -e "${pair%%:*}" ] || echo "${pair##*:}" ;;
		*) command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}" ;;
		esac
	done | sort -u
}

if ! command -v go >/dev/null; then
	echo "Go is missing: https://go.dev/doc/install" >&2
	exit 1
fi
if ! command -v dpkg-deb >/dev/null || ! command -v apt-get >/dev/null; then
	echo "the bases are built from Debian's packages: apt-get and dpkg-deb are missing" >&2
	exit 1
fi
packages=$(missing)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || [ "$(os_release ID)" != debian ]; then
	echo "these packages are missing, and only root on Debian can have them installed:" $packages >&2
	exit 1
fi
apt_update "$(os_release VERSION_CODENAME)"
apt_private apt-get install -yq --no-install-recommends $packages
packages=$(missing)
if [ -n "$packages" ]; then
	echo "still missing after their installation:" $packages >&2
	exit 1
fi
