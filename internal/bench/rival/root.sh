#!/bin/sh
# Makes the root of a container with Python from Debian packages: root.sh FOLDER
#
# FOLDER/root is what debootstrap's smallest variant with python3 unpacks to, less what images of the kind leave out too:
# package lists and caches, documentation, translations. FOLDER/root.tar is the same as an image's layer, uncompressed. debootstrap
# itself, and runc, are unpacked into FOLDER/debian where the machine has none. It needs root, for debootstrap does.
set -eu
folder=$1
suite=${BOXER_BENCH_SUITE:-trixie}

[ "$(id -u)" = 0 ] || { echo "only root can make the root of a container" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "there is no apt-get to make the root of a container with" >&2; exit 1; }

mkdir -p "$folder/debian"
cd "$folder/debian"
for program in debootstrap runc; do
	if ! command -v "$program" >/dev/null && [ ! -x "usr/sbin/$program" ]; then
		apt-get -o APT::Sandbox::User=root download "$program"
		dpkg-deb -x "$program"_*.deb .
		rm -f "$program"_*.deb
	fi
done
[ ! -f "$folder/root.tar" ] || exit 0

# The mirror is this machine's, whatever suites it follows.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | head -n 1)
: "${mirror:?no Debian mirror is configured on this machine}"
rm -rf "$folder/root.new" "$folder/root"
if [ -x usr/sbin/debootstrap ]; then
	DEBOOTSTRAP_DIR=$PWD/usr/share/debootstrap
	export DEBOOTSTRAP_DIR
	PATH=$PWD/usr/sbin:$PATH
fi
debootstrap --variant=minbase --include=python3 "$suite" "$folder/root.new" "$mirror"
cd "$folder/root.new"
rm -rf var/lib/apt/lists/* var/cache/apt/* var/cache/debconf/* var/log/* usr/share/doc/* usr/share/man/* usr/share/locale/* debootstrap
mv "$folder/root.new" "$folder/root"
tar -C "$folder/root" --numeric-owner --sort=name --one-file-system --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -cf "$folder/root.tar.new" .
mv "$folder/root.tar.new" "$folder/root.tar"
