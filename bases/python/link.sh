#!/bin/sh
# Links the interpreter with boxer/*.c into one reactor module, $PROGRAM.
set -eu
cc=$BASES/python/cc
here=$BASES/python/boxer
objects=$CROSS/boxer
rm -rf "$objects"
mkdir -p "$objects"

# Names that wasi-libc defines together with others, taken over by ours.
wraps='__wasi_poll_oneoff __wasilibc_find_relpath_alloc _exit chdir chmod clock_nanosleep fchmod fchmodat fcntl fpathconf ioctl mkdir mkdirat open openat pathconf'

for file in "$here"/*.c; do
	name=${file##*/}
	"$cc" $WASM_CFLAGS -std=c11 -Wall -Wextra -Wno-unused-parameter -Werror \
		-D_GNU_SOURCE -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS \
		-I"$SRC/python/Include" -I"$SRC/python/Include/internal" -I"$CROSS" -I"$DEPS/include" \
		-c "$file" -o "$objects/${name%.c}.o"
done

set --
for name in $wraps; do
	set -- "$@" "-Wl,--wrap=$name"
done

# A deep C stack, placed first: running over its end traps instead of overwriting data.
"$cc" -nostartfiles -Wl,--no-entry "$@" \
	-Wl,-z,stack-size=8388608 -Wl,--stack-first -Wl,--initial-memory=20971520 \
	-Wl,--export=__stack_pointer -Wl,--export=boxer.attention -Wl,--strip-all -Wl,--fatal-warnings \
	-o "$PROGRAM" "$objects"/*.o "$CROSS"/libpython3.*.a \
	"$CROSS"/Modules/_decimal/libmpdec/libmpdec.a "$CROSS"/Modules/expat/libexpat.a \
	"$CROSS"/Modules/_hacl/libHacl_Hash_SHA2.a \
	-L"$DEPS/lib" -lsqlite3 -lz -lbz2 -llzma \
	-ldl -lm -lwasi-emulated-signal -lwasi-emulated-process-clocks -lc-printscan-long-double
