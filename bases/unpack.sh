#!/bin/sh
# Unpacks what fetch.sh fetched: patched sources into $SRC, wasi-libc into $SYSROOT, data packages into $WORK/packages.
set -eu
fetched=$WORK/fetched

# revision PACKAGE prints its recorded revision without the epoch, as file names have it.
revision() {
	awk -v name="$1" '$1 == name { sub(/^[0-9]+:/, "", $2); print $2 }' "$WORK/revisions"
}

# security_patches SERIES lists the patches that fix a weakness; the others adapt a program to Debian.
security_patches() {
	grep -E 'CVE-|overflow|use-after-free' "$1" | grep -v '^#' || true
}

# unpack_source PACKAGE TARBALL DEST unpacks the upstream tarball and applies the security fixes in series order.
unpack_source() {
	echo "unpacking $1 $(revision "$1")"
	mkdir -p "$3"
	tar --strip-components=1 --no-same-owner -C "$3" -xf "$2"
	packaging=$(mktemp -d)
	tar -C "$packaging" -xf "$fetched/$1_$(revision "$1")".debian.tar.*
	series=$packaging/debian/patches/series
	if [ -f "$series" ]; then
		for name in $(security_patches "$series"); do
			echo "  $name"
			patch -d "$3" -p1 -s --no-backup-if-mismatch <"$packaging/debian/patches/$name"
		done
	fi
	rm -rf "$packaging"
}

# apply_own_patches applies the recipe's own patches to the Python source tree.
apply_own_patches() {
	for file in "$BASES"/python/patches/*.patch; do
		[ -e "$file" ] || continue
		echo "  ${file##*/}"
		patch -d "$SRC/python" -p1 -s --no-backup-if-mismatch <"$file"
	done
}

rm -rf "$SRC" "$SYSROOT" "$WORK/packages"
mkdir -p "$SRC" "$SYSROOT" "$WORK/packages"
if [ -n "${PYTHON_SRC:-}" ]; then
	cp -a "$PYTHON_SRC" "$SRC/python"
else
	unpack_source python3.13 "$fetched"/python3.13_*.orig.tar.xz "$SRC/python"
fi
apply_own_patches
unpack_source zlib "$fetched"/zlib_*.orig.tar.gz "$SRC/zlib"
unpack_source bzip2 "$fetched"/bzip2_*.orig.tar.gz "$SRC/bzip2"
unpack_source xz-utils "$fetched"/xz-utils_*.orig.tar.xz "$SRC/xz"
unpack_source sqlite3 "$fetched"/sqlite3_*.orig.tar.xz "$SRC/sqlite3"
for deb in "$fetched"/*.deb; do
	dpkg-deb -x "$deb" "$WORK/packages"
done
cp -R "$WORK/packages/usr/include" "$WORK/packages/usr/lib" "$SYSROOT"
