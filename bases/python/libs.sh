#!/bin/sh
# Cross-compiles the C libraries behind zlib, bz2, lzma and sqlite3 into $DEPS.
set -eu
rm -rf "$DEPS"
mkdir -p "$DEPS/lib" "$DEPS/include" "$DEPS/build"
cc=$BASES/python/cc

build_zlib() {
	mkdir -p "$DEPS/build/zlib" && cd "$DEPS/build/zlib"
	CHOST=wasm32 CC=$cc AR=$AR RANLIB=$RANLIB CFLAGS="$WASM_CFLAGS -DHAVE_UNISTD_H=1" "$SRC/zlib/configure" --static
	make libz.a
	cp libz.a "$DEPS/lib"
	cp zconf.h "$SRC/zlib/zlib.h" "$DEPS/include"
}

build_bzip2() {
	mkdir -p "$DEPS/build/bzip2" && cd "$DEPS/build/bzip2"
	for name in blocksort huffman crctable randtable compress decompress bzlib; do
		"$cc" $WASM_CFLAGS -D_FILE_OFFSET_BITS=64 -c "$SRC/bzip2/$name.c" -o "$name.o"
	done
	"$AR" rcs "$DEPS/lib/libbz2.a" ./*.o
	cp "$SRC/bzip2/bzlib.h" "$DEPS/include"
}

build_xz() {
	mkdir -p "$DEPS/build/xz" && cd "$DEPS/build/xz"
	"$SRC/xz/configure" -q --host=wasm32-wasi --prefix="$DEPS" --disable-threads --disable-shared --disable-nls \
		--disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo --disable-scripts --disable-doc \
		CC="$cc" AR="$AR" RANLIB="$RANLIB" CFLAGS="$WASM_CFLAGS"
	make -C src/liblzma install
}

# sqlite3.c is made out of the source tree's files by the project's own scripts, natively. The "unix" file system is
# chosen over the one without locks that SQLite takes for WASI: it keeps connections of one process apart by itself.
build_sqlite() {
	mkdir -p "$DEPS/build/sqlite" && cd "$DEPS/build/sqlite"
	"$SRC/sqlite3/configure" --disable-tcl --disable-readline --disable-shared >/dev/null
	make sqlite3.c
	"$cc" $WASM_CFLAGS -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_WAL -DSQLITE_OMIT_LOAD_EXTENSION \
		-DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_COLUMN_METADATA \
		-DSQLITE_DEFAULT_UNIX_VFS='"unix"' -DSQLITE_MAX_MMAP_SIZE=0 -c sqlite3.c -o sqlite3.o
	"$AR" rcs "$DEPS/lib/libsqlite3.a" sqlite3.o
	cp sqlite3.h "$DEPS/include"
}

(build_zlib)
(build_bzip2)
(build_xz)
(build_sqlite)
