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
	# The compiler's path is that of the copy of this recipe which compiled: the cache serves all of them.
	cc=$(sed -n 's|^CC=[[:space:]]*\(.*/python/cc\).*|\1|p' "$CROSS/Makefile")
	sed -e "s|$cc|clang --target=wasm32-wasi|g" -e "s|$NATIVE/python|python$VERSION|g" \
		-e "s|$WORK|/usr/src|g" -e "s|${cc%/python/cc}|/usr/src|g" \
		"$CROSS/$(cat "$CROSS/pybuilddir.txt")"/_sysconfigdata_*.py >"$dest/_sysconfigdata__wasi_wasm32-wasi.py"
	cp "$CROSS/pyconfig.h" "$TREE/library/usr/local/include/python$VERSION"
	cp "$SRC/python/LICENSE" "$dest/LICENSE.txt"
}

# Compiled modules make up most of pip. Those that it rarely imports go without: two megabytes are the limit.
lay_pip() {
	mkdir -p "$TREE/pip"
	native "$BASES/python/install_wheel.py" "$SRC"/python/Lib/ensurepip/_bundled/pip-*.whl \
		"$TREE/pip" "/$lib/site-packages" /usr/local/bin/python3 \
		'/_vendor/(cachecontrol|distlib|idna|msgpack|pkg_resources|pygments|requests|urllib3)/'
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
