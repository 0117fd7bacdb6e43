#!/bin/sh
# Makes sure that what the tests of registries talk to is there: Debian's docker-registry and skopeo.
#
# The registry is unpacked into the user's cache, not installed, since its package starts a server. What is missing of skopeo is
# installed as root on Debian; anywhere else it is named.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/tools
registry=$tools/docker-registry

need_registry() { ! command -v docker-registry >/dev/null && [ ! -x "$registry" ]; }
need_skopeo() { ! command -v skopeo >/dev/null; }

need_registry || need_skopeo || exit 0
if ! command -v dpkg-deb >/dev/null || ! command -v apt-get >/dev/null; then
	echo "tests need docker-registry and skopeo in PATH; apt-get and dpkg-deb, to get Debian's, are missing" >&2
	exit 1
fi
APT_HOME=$tools/apt
. "$here/../../../bases/apt.sh"
apt_update "$(os_release VERSION_CODENAME)" >&2
if need_registry; then
	new=$tools/docker-registry.new
	rm -rf "$new"
	mkdir -p "$new"
	(cd "$new" && apt_private apt-get download docker-registry >&2 && dpkg-deb -x docker-registry_*.deb .)
	mv "$new/usr/bin/docker-registry" "$registry"
	rm -rf "$new"
fi
need_skopeo || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "skopeo is missing, and only root can have it installed" >&2
	exit 1
fi
apt_private apt-get install -yq --no-install-recommends skopeo >&2
