#!/bin/sh
# Builds the same Python for this machine: the cross build runs it to freeze modules, and it writes the .pyc files.
# Lightly optimised: it lives for a minute, and its results do not depend on its speed.
set -eu
rm -rf "$NATIVE"
mkdir -p "$NATIVE"
cd "$NATIVE"
"$SRC/python/configure" -q --without-ensurepip --disable-test-modules OPT='-O1 -g0 -DNDEBUG' PKG_CONFIG=/bin/false
make -j"$JOBS" python sharedmods
