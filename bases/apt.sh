# Packages of a chosen Debian suite, without touching the machine's own apt configuration.
#
# Sourced, not run. apt gets a state directory, a cache and a list of sources of our own under $APT_HOME; the mirror
# in that list is the one the machine is configured with (sources.list(5), both formats), with only the suite's name
# swapped. $BOXER_DEBIAN_MIRROR names a mirror where the machine has none to offer.

: "${APT_HOME:?the folder for the private apt state}"
apt_etc=${APT_ETC:-/etc/apt}

# os_release KEY prints one value of os-release(5).
os_release() {
	(. /etc/os-release 2>/dev/null && eval "printf '%s\n' \"\${$1:-}\"")
}

# apt_entries prints the machine's sources as "URI SUITE COMPONENTS SIGNED-BY", one suite a line.
apt_entries() {
	cat /dev/null "$apt_etc"/sources.list.d/*.sources 2>/dev/null | awk '
		function flush_stanza(  u, s, n, m, i, j) {
			if (types ~ /(^| )deb( |$)/ && enabled !~ /no/) {
				n = split(uris, u, " "); m = split(suites, s, " ")
				for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
					print u[i], s[j], (components ~ /(^| )main( |$)/ ? "main" : "other"), (signed ~ /^\// ? signed : "-")
			}
			types = uris = suites = components = signed = enabled = ""
		}
		/^[ \t]*$/ { flush_stanza(); next }
		/^#/ { next }
		{ key = tolower($1); value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
		key == "types:" { types = value }
		key == "uris:" { uris = value }
		key == "suites:" { suites = value }
		key == "components:" { components = value }
		key == "signed-by:" { signed = value }
		key == "enabled:" { enabled = value }
		END { flush_stanza() }'
	cat /dev/null "$apt_etc"/sources.list "$apt_etc"/sources.list.d/*.list 2>/dev/null | awk '
		$1 != "deb" { next }
		{
			signed = "-"; at = 2
			if ($2 ~ /^\[/) {
				for (; at <= NF; at++) {
					field = $at; gsub(/[\[\]]/, "", field)
					if (field ~ /^signed-by=/) { signed = substr(field, 11) }
					if ($at ~ /\]$/) { at++; break }
				}
			}
			kind = "other"
			for (i = at + 2; i <= NF; i++) if ($i == "main") kind = "main"
			print $at, $(at + 1), kind, signed
		}'
}

# apt_mirror SUITE prints "URI SIGNED-BY" of the machine's mirror for its own SUITE (bookworm, bookworm-security).
apt_mirror() {
	apt_entries | awk -v suite="$1" '$2 == suite && $3 == "main" { print $1, $4; exit }'
}

# apt_source URI SUITE SIGNED-BY prints one stanza of sources.list(5).
apt_source() {
	printf 'Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\n' "$1" "$2"
	case $3 in -) ;; *) printf 'Signed-By: %s\n' "$3" ;; esac
	printf '\n'
}

# apt_configure SUITE writes the private sources: SUITE and, where the machine follows one, its security updates.
apt_configure() {
	own=$(os_release VERSION_CODENAME)
	apt_suite=$1
	apt_dir=$APT_HOME/$apt_suite
	mkdir -p "$apt_dir/etc" "$apt_dir/state/lists/partial" "$apt_dir/cache/archives/partial"
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	if [ -n "${BOXER_DEBIAN_MIRROR:-}" ]; then
		apt_source "$BOXER_DEBIAN_MIRROR" "$apt_suite" "$keyring" >"$apt_dir/etc/boxer.sources"
		return
	fi
	main=$(apt_mirror "$own")
	if [ -z "$main" ] || [ "$(os_release ID)" != debian ]; then
		echo "no Debian mirror is configured on this machine; name one in BOXER_DEBIAN_MIRROR" >&2
		return 1
	fi
	security=$(apt_mirror "$own-security")
	{
		apt_source "${main% *}" "$apt_suite" "${main##* }"
		[ -z "$security" ] || apt_source "${security% *}" "$apt_suite-security" "${security##* }"
	} >"$apt_dir/etc/boxer.sources"
}

# apt_private PROGRAM ARGS... runs apt-get or apt-cache on the suite that apt_configure chose last. Proxies and
# credentials stay the machine's: only where packages are listed from changes.
apt_private() {
	program=$1
	shift
	DEBIAN_FRONTEND=noninteractive "$program" \
		-o Dir::Etc::sourcelist="$apt_dir/etc/boxer.sources" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$apt_dir/state/lists" \
		-o Dir::Cache="$apt_dir/cache" \
		-o APT::Sandbox::User=root \
		-o Acquire::Retries=3 \
		"$@"
}

# apt_update SUITE fetches the suite's indexes.
apt_update() {
	apt_configure "$1" && apt_private apt-get update -q
}
