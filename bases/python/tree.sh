#!/bin/sh
# Lays out the base's files below $TREE: interpreter/, library/ and pip/, one folder a layer.
set -eu
umask 022
lib=usr/local/lib/python$VERSION
native() {
	PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 "$NATIVE/python" -X utf8 "$@"
}

lay_interpreter() {
	bin=$TREE/interpreter/usr/local/bin
	mkdir -p "$bin"
	cp "$PROGRAM" "$bin/python$VERSION"
	chmod 755 "$bin/python$VERSION"
	ln -s "python$VERSION" "$bin/python3"
	ln -s python3 "$bin/python"
}

# What a box cannot use stays out: tests, and what needs Tk. ensurepip's wheel is the pip layer, installed.
lay_library() {
	dest=$TREE/library/$lib
	mkdir -p "$dest/site-packages" "$dest/lib-dynload" "$TREE/library/usr/local/include/python$VERSION"
	(cd "$SRC/python/Lib" && tar -cf - \
		--exclude=./test --exclude=./idlelib --exclude=./tkinter --exclude=./turtledemo --exclude=./turtle.py \
		--exclude=./ensurepip/_bundled --exclude=__pycache__ --exclude='*.exe' .) | tar -C "$dest" -xf -
	cp "$BASES"/python/library/*.py "$dest"
	# The compiler's path is that of the copy of this recipe which compiled: the cache serves all of them.
	cc=$(sed -n 's|^CC=[[:space:]]*\(.*/python/cc\).*|\1|p' "$CROSS/Makefile")
	sed -e "s|$cc|clang --target=wasm32-wasi|g" -e "s|$NATIVE/python|python$VERSION|g" \
		-e "s|$WORK|/usr/src|g" -e "s|${cc%/python/cc}|/usr/src|g" \
		"$CROSS/$(cat "$CROSS/pybuilddir.txt")"/_sysconfigdata_*.py >"$dest/_sysconfigdata__wasi_wasm32-wasi.py"
	cp "$CROSS/pyconfig.h" "$TREE/library/usr/local/include/python$VERSION"
	cp "$SRC/python/LICENSE" "$dest/LICENSE.txt"
}

# pip as it works in a box: without processes, without a network. Two megabytes are the limit, and compiled modules make
# up most of it: those that it does not import to install something go without.
lay_pip() {
	rare='/__main__|/_vendor/(distro|pkg_resources|pygments|truststore)/'
	rare="$rare|/distlib/(database|index|locators|manifest|markers|metadata|version|wheel)\\."
	rare="$rare|/idna/(codec|compat|uts46data)\\.|/packaging/(licenses/|metadata\\.)"
	rare="$rare|/platformdirs/(android|macos|windows)\\.|/resolution/legacy/|/urllib3/contrib/_?(app|ntlm|pyo|sec)"
	rare="$rare|/rich/(_inspect|_stack|_timer|_win.*|bar|diagnose|layout|prompt|rule|status|syntax|traceback|tree)\\."
	wheel=$WORK/pip here=$BASES/python/pip
	rm -rf "$wheel"
	mkdir -p "$wheel" "$TREE/pip/etc/xdg/pip"
	native -m zipfile -e "$SRC"/python/Lib/ensurepip/_bundled/pip-*.whl "$wheel"
	for patch in "$here"/patches/*.patch; do
		patch -s -d "$wheel" -p1 --no-backup-if-mismatch <"$patch"
	done
	rm "$wheel/pip/_vendor/certifi/cacert.pem"
	cp "$here/child.py" "$here/refusal.py" "$wheel/pip/_internal/utils"
	cp "$here/pip.conf" "$TREE/pip/etc/xdg/pip"
	native "$BASES/python/install_wheel.py" "$wheel" "$TREE/pip" "/$lib/site-packages" /usr/local/bin/python3 \
		"$rare"
}

# compile_library writes __pycache__ beside every source, without looking at the source again when it is loaded. One
# process and a fixed order: what marshal writes depends on what was compiled before.
compile_library() {
	native -m compileall -q -j1 --invalidation-mode unchecked-hash -s "$TREE/library" -p / "$TREE/library/$lib"
}

rm -rf "$TREE"
lay_interpreter
lay_library
compile_library
lay_pip
