#!/usr/bin/env bash
# Runs the whole suite on each of the other servers, but for the version that `make test` runs on:
# scripts/test-servers.sh [suite ...], see scripts/servers.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
version() { sed -E 's/ (sha|malloc)=.*//'; }
stock=$("${REDIS_SERVER:-redis-server}" --version | version)
servers=$(scripts/servers.sh "$@" | sort -u -k 2 | awk -v stock="$stock" 'substr($0, index($0, " ") + 1) != stock')
export MODEL_OPS=${MODEL_OPS:-10000}
failed=()
while read -r program name; do
    echo "=== $name ($(basename "$(dirname "$program")"))"
    SESSION_SERVER=$program cargo test --locked --quiet --test '*' </dev/null || failed+=("$name")
done <<<"$servers"
[ ${#failed[@]} -eq 0 ] || { printf 'failed on: %s\n' "${failed[@]}" >&2; exit 1; }
echo "Passed on:"
cut -d ' ' -f 2- <<<"$servers"
