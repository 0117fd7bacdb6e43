#!/bin/sh
# Packs the laid out trees into $WORK/layouts: root, one layer, and python, which begins with that same layer.
set -eu
layouts=$WORK/layouts
full=$(sed -n 's/^#define PY_VERSION  *"\(.*\)"/\1/p' "$SRC/python/Include/patchlevel.h")

# labels prints the package revisions as members of a JSON object.
labels() {
	while read -r package revision; do
		printf '\t\t\t"dev.boxer.revision.%s": "%s",\n' "$package" "$revision"
	done <"$WORK/revisions"
}

# config ENV-LINE CMD prints the image's configuration.
config() {
	cat <<END
{
	"architecture": "wasm",
	"os": "wasip1",
	"config": {
		"Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"$1],
		$2
		"WorkingDir": "/",
		"Labels": {
$(labels)
			"org.opencontainers.image.title": "$3",
			"org.opencontainers.image.version": "$4"
		}
	}
}
END
}

mkdir -p "$layouts"
config '' '' root "$(awk '$1 == "tzdata" { print $2 }' "$WORK/revisions")" >"$WORK/root.json"
config ", \"LANG=C.UTF-8\", \"PYTHON_VERSION=$full\"" '"Cmd": ["python3"],' python "$full" >"$WORK/python.json"

root="$ROOT_TREE=minimal root: users, CA certificates, time zones"
cd "$BASES/.."
go build -trimpath -o "$WORK/pack" ./bases/pack
"$WORK/pack" "$layouts/root" root "$WORK/root.json" "$root"
"$WORK/pack" -snapshot python3 "$layouts/python" "python:$VERSION" "$WORK/python.json" "$root" \
	"$TREE/interpreter=CPython $full for wasm32-wasip1" \
	"$TREE/library=standard library of CPython $full" \
	"$TREE/pip=pip, as bundled with CPython $full"
