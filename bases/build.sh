#!/bin/sh
# Builds the bases that boxer carries and puts them where bases.go embeds them from.
#
#   build.sh              build what is not in the cache, then install it
#   build.sh --refresh    look for newer package revisions first
#   build.sh --counting   build $XDG_CACHE_HOME/boxer/bases/work/python-counting.wasm, which python/profile.sh runs
#
# A build is identified by a digest of the recipe (the files in this folder, and what takes memory images) and of the
# package revisions that it was made from. Those are recorded when packages are fetched, so that nothing is fetched twice.
# $XDG_CACHE_HOME/boxer/bases keeps the latest finished builds, downloads and intermediate steps. PYTHON_SRC=FOLDER takes
# another Python source tree (3.13 or later, not yet patched or configured) in place of the pinned one, with intermediate
# steps of its own.
set -eu
umask 022
export LC_ALL=C.UTF-8 TZ=UTC0

BASES=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/bases
WORK=$CACHE/work${PYTHON_SRC:+-other}
KEEP=8 # finished builds, of 12 MB each
log=$CACHE/build.log
export BASES WORK APT_HOME="$WORK/apt" SRC="$WORK/src" SYSROOT="$WORK/sysroot" NATIVE="$WORK/native" \
	DEPS="$WORK/deps" CROSS="$WORK/cross" PROGRAM="$WORK/python.wasm" TREE="$WORK/tree" ROOT_TREE="$WORK/root"
export AR=llvm-ar-19 RANLIB=llvm-ranlib-19
# Bulk memory, saturating conversions and sign extension: 13 % smaller and 4 % faster, and every runtime has them.
export WASM_CFLAGS='-O3 -g0 -DNDEBUG -fno-strict-aliasing -mbulk-memory -mnontrapping-fptoint -msign-ext'
# What decides what a memory image looks like, relative to the repository.
imagers='runtime/capture.go runtime/memory/header.go'
# Static functions are told apart by their file's name without its folder, which depends on where the build is. A function
# that is not as it was when it was counted does without its counts.
export PROFILE="$WORK/python.profdata"
names='-mllvm -static-func-full-module-prefix=false'
# Hot calls are inlined as others are: clang's eagerness doubles the interpreter's loop, and wazero keeps less of that in
# registers.
inlining='-mllvm -inline-enable-cost-benefit-analysis=false
	-mllvm -hot-callsite-threshold=250 -mllvm -locally-hot-callsite-threshold=250'
export PROFILE_FLAGS="-fprofile-use=$PROFILE $names $inlining -mllvm -pgo-cold-func-opt=optsize
	-Wno-profile-instr-unprofiled -Wno-backend-plugin"
JOBS=$(nproc)
export JOBS

say() {
	echo "base: $*" >&2
}

digest() {
	sha256sum | cut -d' ' -f1
}

# source_digest covers the source tree that takes the place of the pinned one.
source_digest() {
	(cd "$PYTHON_SRC" && find . -type f ! -path './.git/*' | sort | tr '\n' '\0' | xargs -0 sha256sum) | digest
}

# recipe_digest covers every file that a build depends on, and the other source tree where one is given.
recipe_digest() {
	{
		(cd "$BASES" && find apt.sh build.sh fetch.sh pack.sh tools.sh unpack.sh pack python root -type f \
			! -name '*_test.go' ! -path '*/layout/*' ! -path 'python/tests/*' ! -path 'python/*test*.sh' \
			! -path 'python/profile.sh' ! -path 'python/profile/programs/*' ! -path 'python/profile/runtime/*' |
			sort | xargs sha256sum
			cd .. && sha256sum $imagers)
		[ -z "${PYTHON_SRC:-}" ] || source_digest
	} | digest
}

# build_key RECIPE REVISIONS-FILE names a finished build.
build_key() {
	{ echo "$1"; cat "$2"; } | digest
}

started=$(date +%s)
steps=0

# step NAME WHAT SCRIPT INPUTS... runs a script of ours unless it has run to its end for the same inputs: files' and
# earlier steps' digests. What it prints goes to the log.
step() {
	name=$1 what=$2 script=$3
	shift 3
	inputs=$(cat "$script" "$@" | digest)
	steps=$((steps + 1))
	[ "$(cat "$WORK/stamps/$name" 2>/dev/null)" != "$inputs" ] || return 0
	rm -f "$WORK/stamps/$name"
	say "[$(($(date +%s) - started)) s] $what"
	if ! "$script" >"$log.$name" 2>&1; then
		say "$what failed; the end of $log.$name:"
		tail -n 20 "$log.$name" | cut -c1-200 >&2
		return 1
	fi
	echo "$inputs" >"$WORK/stamps/$name"
}

# stamp NAME is what a later step takes an earlier one as input by.
stamp() {
	echo "$WORK/stamps/$1"
}

unpack() {
	python=$BASES/python
	step unpack 'unpacking sources' "$BASES/unpack.sh" "$WORK/revisions" "$python"/patches/*.patch
	VERSION=$(sed -n 's/^#define PY_VERSION  *"\([0-9]*\.[0-9]*\).*/\1/p' "$SRC/python/Include/patchlevel.h")
	SOURCE_DATE_EPOCH=$(stat -c %Y "$SRC/python/README.rst")
	export VERSION SOURCE_DATE_EPOCH
}

# compile VARIANT INPUT makes $PROGRAM; the native Python is the same for all variants.
compile() {
	compiler="$WORK/flags$1 $2 $python/cc $(find "$python/boxer/include" -type f | sort)"
	echo "$WASM_CFLAGS $PROFILE_FLAGS" >"$WORK/flags$1"
	step "libs$1" 'compiling zlib, bzip2, xz and sqlite' "$python/libs.sh" "$(stamp unpack)" $compiler &
	libs=$!
	step native 'compiling Python for this machine' "$python/native.sh" "$(stamp unpack)"
	wait $libs
	step "cross$1" 'compiling Python to WebAssembly' "$python/cross.sh" \
		"$(stamp native)" "$(stamp "libs$1")" "$python/config.site" $compiler
	step "link$1" 'linking' "$python/link.sh" "$(stamp "cross$1")" "$python"/boxer/*.[ch]
}

build() {
	unpack
	step profile 'expanding the profile' "$python/profile/expand.sh" "$python/profile/counts.txt" "$python"/profile/*.go
	compile '' "$PROFILE"
	step root 'laying out the root' "$BASES/root/tree.sh" "$(stamp unpack)"
	step tree 'laying out Python' "$python/tree.sh" "$(stamp link)" "$python/install_wheel.py" \
		"$python"/library/*.py $(find "$python/pip" -type f | sort)
	step pack 'packing' "$BASES/pack.sh" "$(stamp tree)" "$(stamp root)" "$BASES"/pack/*.go \
		$(for file in $imagers; do echo "$BASES/../$file"; done)
}

# build_counting makes an interpreter that counts instead of using the counts.
build_counting() {
	counters=$BASES/python/profile/runtime/counters.c object=$WORK/counters.o
	unpack
	PROFILE_FLAGS='' "$python/cc" -O2 -Wall -Werror -Wno-format -c "$counters" -o "$object"
	export DEPS="$WORK/deps-counting" CROSS="$WORK/cross-counting" PROGRAM="$WORK/python-counting.wasm"
	# Not -fprofile-generate: with that, clang links a library that there is none of.
	export PROFILE_FLAGS="-Xclang -fprofile-instrument=llvm $names -mllvm -enable-name-compression=false \
		-Qunused-arguments -Wl,$object -Wl,--wrap=__wasi_proc_exit"
	compile -counting "$counters"
}

# install_layout NAME copies a finished layout to where it is embedded from, the index last.
install_layout() {
	from=$CACHE/$key/$1 to=$BASES/$1/layout
	if cmp -s "$from/index.json" "$to/index.json"; then
		return
	fi
	rm -rf "$to/index.json" "$to/blobs" "$to/oci-layout"
	cp -R "$from/blobs" "$from/oci-layout" "$to"
	chmod -R a+r "$to/blobs"
	cp "$from/index.json" "$to/index.json"
}

install_all() {
	install_layout root
	install_layout python
}

if [ -n "${PYTHON_SRC:-}" ] && [ ! -f "$PYTHON_SRC/Include/patchlevel.h" ]; then
	say "PYTHON_SRC=$PYTHON_SRC is no source tree of Python"
	exit 1
fi
mkdir -p "$WORK/stamps"
recipe=$(recipe_digest)
recorded=$CACHE/$recipe.revisions
if [ "${1:-}" = "" ] && [ -f "$recorded" ]; then
	key=$(build_key "$recipe" "$recorded")
	if [ -d "$CACHE/$key" ]; then
		touch "$CACHE/$key" "$recorded"
		install_all
		exit 0
	fi
fi

exec 9>"$CACHE/lock"
flock -n 9 || { say 'waiting for another build'; flock 9; }
step tools 'looking for tools' "$BASES/tools.sh" "$BASES/apt.sh"
[ "${1:-}" != --refresh ] || rm -f "$WORK/stamps/fetch"
[ -z "${PYTHON_SRC:-}" ] || source_digest >"$WORK/source"
step fetch 'fetching sources' "$BASES/fetch.sh" "$BASES/apt.sh" "$BASES/python/sources.sha256" \
	${PYTHON_SRC:+"$WORK/source"}
if [ "${1:-}" = --counting ]; then
	build_counting
	exit 0
fi
key=$(build_key "$recipe" "$WORK/revisions")
if [ ! -d "$CACHE/$key" ]; then
	build
	if [ "$(recipe_digest)" != "$recipe" ]; then
		say 'the recipe was edited while it was built: build again'
		exit 1
	fi
	rm -rf "$CACHE/$key.new"
	mkdir "$CACHE/$key.new"
	cp -R "$WORK/layouts/root" "$WORK/layouts/python" "$CACHE/$key.new"
	mv "$CACHE/$key.new" "$CACHE/$key"
	say "[$(($(date +%s) - started)) s] done"
fi
touch "$CACHE/$key"
cp "$WORK/revisions" "$recorded.new"
mv "$recorded.new" "$recorded"
"$BASES/prune.sh" "$CACHE" "$KEEP"
install_all
