#!/bin/sh
# Fetches what the bases are made of into $WORK/fetched and records the packages' revisions in $WORK/revisions.
#
# Source packages give the upstream tarball, held to bases/python/sources.sha256, and Debian's patches to it, which
# follow the current revision. Binary packages give wasi-libc and the root layer's data. A mirror that lists a newer
# revision than it serves (they lag) yields the newest one that it does serve. Where $PYTHON_SRC is the source of Python,
# the digest of that tree is its revision.
set -eu
. "$BASES/apt.sh"

suite=trixie
sources='zlib bzip2 xz-utils sqlite3'
[ -n "${PYTHON_SRC:-}" ] || sources="python3.13 $sources"
packages='wasi-libc ca-certificates tzdata'
fetched=$WORK/fetched

# revisions_of PACKAGE deb|src lists the revisions that the mirror claims to have, newest first.
revisions_of() {
	apt_private apt-cache madison "$1" | awk -F'|' -v kind="$2" '
		{ gsub(/ /, "", $2); source = $3 ~ / Sources *$/ }
		(kind == "src") == source && !seen[$2]++ { print $2 }' | sort_revisions
}

# sort_revisions orders lines newest first, by dpkg's own comparison.
sort_revisions() {
	sorted=
	while read -r revision; do
		before= after=$sorted
		for other in $sorted; do
			dpkg --compare-versions "$other" ge "$revision" || break
			before="$before $other" after=${after#*"$other"}
		done
		sorted="$before $revision $after"
	done
	printf '%s\n' $sorted
}

fetch_source() {
	apt_private apt-get source -q --download-only --only-source "$1=$2"
}

fetch_package() {
	apt_private apt-get download -q "$1=$2"
}

# newest FETCH KIND PACKAGE fetches the newest revision that can be had and prints "PACKAGE REVISION".
newest() {
	for revision in $(revisions_of "$3" "$2"); do
		if "$1" "$3" "$revision" >&2; then
			echo "$3 $revision"
			return
		fi
		echo "$3 $revision is listed but not served, trying an older one" >&2
	done
	echo "no revision of $3 can be fetched from $suite" >&2
	return 1
}

apt_update "$suite"
rm -rf "$fetched"
mkdir -p "$fetched"
cd "$fetched"
{
	for name in $sources; do newest fetch_source src "$name"; done
	for name in $packages; do newest fetch_package deb "$name"; done
	[ -z "${PYTHON_SRC:-}" ] || echo "python sha256:$(cat "$WORK/source")"
} >"$WORK/revisions.new"
if [ -z "${PYTHON_SRC:-}" ]; then
	sha256sum --check --strict "$BASES/python/sources.sha256"
else
	grep -v ' python3' "$BASES/python/sources.sha256" | sha256sum --check --strict -
fi
# The compilers and the compressor shape the bytes as well.
for tool in clang-19 lld-19 zstd; do
	dpkg-query -W -f '${Package} ${Version}\n' "$tool" 2>/dev/null || echo "$tool unpackaged"
done >>"$WORK/revisions.new"
mv "$WORK/revisions.new" "$WORK/revisions"
