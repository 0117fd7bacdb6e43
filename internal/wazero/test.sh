#!/bin/sh
# Runs wazero's own tests on the copy with patches: the specification's, those of the compiler, and programs that fuzzing
# found. What compares listings of intermediate code is left out: to change that is what the patches do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/prepare.sh" >/dev/null
cd "$here"/patched/github.com/tetratelabs/wazero@*
spec=./internal/integration_test/spectest engine=./internal/engine/wazevo
go test $spec/... ./internal/integration_test/fuzzcases $engine $engine/backend/... $engine/ssa
