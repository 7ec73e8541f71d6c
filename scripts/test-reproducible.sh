#!/usr/bin/env bash
# Builds the module, its Debian package and its bill of materials twice, in folders of different names at different times, and
# compares the bytes: of the last commit, whatever the work tree is. scripts/test-reproducible.sh
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
unset SOURCE_DATE_EPOCH
commit=$(git rev-parse HEAD) # of both, whatever is committed meanwhile
for folder in one a-longer-name/two; do
    git clone --quiet --no-hardlinks . "$base/$folder"
    git -C "$base/$folder" checkout --quiet --detach "$commit"
    (cd "$base/$folder" && scripts/dist.sh module >/dev/null)
    [ "$folder" != one ] || sleep 1 # another second on the clock
done
diff -r "$base/one/build/dist" "$base/a-longer-name/two/build/dist"
cat "$base/one/build/dist/SHA256SUMS"
