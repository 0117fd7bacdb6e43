#!/bin/sh
# Lays CPython's own test-suite out in a folder, as a box expects it at /usr/local/lib/python3.*/test:
#
#   testsuite.sh DEST
#
# It comes from the same source package as the base, which does not ship it. Tests of what a box cannot have (idlelib,
# tkinter, turtle) are left out. Others ask whether they run on WASI, of which they expect less than a box gives: they are
# told no. Processes, threads and sockets they ask for apart.
set -eu
dest=${1:?the folder to lay the tests out in}
base=$(cd "$(dirname "$0")/.." && pwd)
"$base/build.sh"
source=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/bases/work${PYTHON_SRC:+-other}/src/python/Lib
if [ ! -d "$source/test" ]; then
	echo "the sources are not in the cache any more: run bases/build.sh --refresh" >&2
	exit 1
fi
rm -rf "$dest/test"
mkdir -p "$dest/test"
(cd "$source/test" && tar -cf - --exclude=__pycache__ --exclude=./test_idle.py --exclude=./test_tkinter \
	--exclude=./test_ttk --exclude=./test_turtle.py --exclude=./wheeldata .) | tar -C "$dest/test" -xf -
support=$dest/test/support/__init__.py
sed -i -e 's/^is_wasi = .*/is_wasi = False/' -e 's/^    or is_wasi$/    or sys.platform == "wasi"/' "$support"
if ! grep -q '^is_wasi = False' "$support" || [ "$(grep -c '^    or sys.platform == "wasi"' "$support")" != 3 ]; then
	echo "$support asks for WASI in another way than expected" >&2
	exit 1
fi
