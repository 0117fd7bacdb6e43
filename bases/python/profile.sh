#!/bin/sh
# Measures what the interpreter does and keeps it as profile/counts.txt, by which the base is then optimised:
#
#   profile.sh BOXER
#
# The interpreter is built to count (profile/runtime/counters.c) and runs each of profile/programs in a box. That need not
# be done for every change: what has changed since only does without its counts.
set -eu
boxer=$(realpath "${1:?the boxer program}")
here=$(cd "$(dirname "$0")" && pwd)
counting=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/bases/work${PYTHON_SRC:+-other}/python-counting.wasm
"$here/../build.sh" --counting

box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
mkdir "$box/context" "$box/counts"
cp "$counting" "$box/context/python"
cat >"$box/context/Boxfile" <<'BOXFILE'
FROM python:3.13
COPY python /usr/local/bin/python3.13
BOXFILE
# The store of boxes is below $HOME: this box is for here only.
in_box() {
	HOME=$box XDG_DATA_HOME=$box/data XDG_CACHE_HOME=$box/cache "$boxer" "$@"
}
in_box build -q -t counting "$box/context" >/dev/null

for program in "$here"/profile/programs/*.py; do
	name=${program##*/}
	echo "profile: $name" >&2
	if ! in_box run -e PYTHONHASHSEED=0 -e BOXER_PROFILE="/counts/${name%.py}" -v "$box/counts:/counts" \
		-v "$here/profile/programs:/programs:ro" counting python3 "/programs/$name" >"$box/output" 2>&1; then
		tail -n 5 "$box/output" >&2
		exit 1
	fi
done
cd "$here/../.."
go run ./bases/python/profile combine "$box"/counts/* >"$box/counts.txt"
cp "$box/counts.txt" "$here/profile/counts.txt"
