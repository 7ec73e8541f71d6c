#!/usr/bin/env bash
# Runs the whole suite on each of the other servers: scripts/test-servers.sh [suite ...], see scripts/servers.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
servers=$(scripts/servers.sh "$@")
export MODEL_OPS=${MODEL_OPS:-20000}
failed=()
while read -r program version; do
    echo "=== $version ($(basename "$(dirname "$program")"))"
    SESSION_SERVER=$program cargo test --locked --quiet --test '*' </dev/null || failed+=("$version")
done < <(sort -u -k 2 <<<"$servers")
[ ${#failed[@]} -eq 0 ] || { printf 'failed on: %s\n' "${failed[@]}" >&2; exit 1; }
echo "Passed on:"
sort -u -k 2 <<<"$servers" | cut -d ' ' -f 2-
