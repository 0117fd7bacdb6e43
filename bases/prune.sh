#!/bin/sh
# prune.sh CACHE KEEP removes finished builds, and records of what they were made from, but for the KEEP used last.
set -eu
cd "$1"
for kind in '[0-9a-f]{64}' '[0-9a-f]{64}[.]revisions'; do
	ls -t | { grep -Ex "$kind" || :; } | tail -n +$(($2 + 1)) | xargs rm -rf
done
