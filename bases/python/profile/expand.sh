#!/bin/sh
# Makes $PROFILE, which clang reads, out of counts.txt.
set -eu
cd "$BASES/.."
go build -trimpath -o "$WORK/profile" ./bases/python/profile
"$WORK/profile" expand "$BASES/python/profile/counts.txt" >"$WORK/profile.txt"
llvm-profdata-19 merge -o "$PROFILE" "$WORK/profile.txt"
