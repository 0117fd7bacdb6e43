#!/bin/sh
# Makes sure that the browser is there in which the page of `boxer serve` is tested: Debian's chromium. Its version is not
# pinned, since Debian keeps the latest alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools=${XDG_CACHE_HOME:-${HOME:?}/.cache}/boxer/tools

! command -v chromium >/dev/null || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
	echo "tests need chromium in PATH; on Debian, root can: apt-get install chromium" >&2
	exit 1
fi
APT_HOME=$tools/apt
. "$here/../../bases/apt.sh"
apt_update "$(os_release VERSION_CODENAME)" >&2
apt_private apt-get install -yq --no-install-recommends chromium fonts-dejavu-core >&2
