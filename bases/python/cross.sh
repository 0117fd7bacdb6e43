#!/bin/sh
# Cross-compiles the interpreter and its modules to $CROSS/libpython3.*.a. Every module is linked in: a box loads no
# shared libraries of its own.
set -eu
rm -rf "$CROSS"
mkdir -p "$CROSS/Modules"
cd "$CROSS"

# configure rules these out for WASI; with boxer/*.c behind them they work.
cat >Modules/Setup.local <<'SETUP'
*static*
fcntl fcntlmodule.c
grp grpmodule.c
_interpreters _interpretersmodule.c
mmap mmapmodule.c -D_WASI_EMULATED_MMAN -DHAVE_MREMAP
pwd pwdmodule.c
SETUP

export CONFIG_SITE="$BASES/python/config.site"
export CC="$BASES/python/cc" AR RANLIB PKG_CONFIG=/bin/false
export ZLIB_CFLAGS="-I$DEPS/include" ZLIB_LIBS="-L$DEPS/lib -lz"
export BZIP2_CFLAGS="-I$DEPS/include" BZIP2_LIBS="-L$DEPS/lib -lbz2"
export LIBLZMA_CFLAGS="-I$DEPS/include" LIBLZMA_LIBS="-L$DEPS/lib -llzma"
export LIBSQLITE3_CFLAGS="-I$DEPS/include" LIBSQLITE3_LIBS="-L$DEPS/lib -lsqlite3"
export CFLAGS="$WASM_CFLAGS"

# By a relative path, since the interpreter keeps it.
python=../src/python
"$python/configure" -q --host=wasm32-wasip1 --build="$("$python/config.guess")" \
	--with-build-python="$NATIVE/python" --prefix=/usr/local --with-pymalloc \
	--without-ensurepip --disable-test-modules --disable-ipv6
library=libpython$(sed -n "s/^VERSION=[[:space:]]*//p" Makefile).a
make -j"$JOBS" "$library" Modules/_decimal/libmpdec/libmpdec.a Modules/expat/libexpat.a \
	Modules/_hacl/libHacl_Hash_SHA2.a
make -j"$JOBS" pybuilddir.txt
