#!/usr/bin/env bash
# Runs the whole suite on each of the other servers, one of each minor version, but for that which `make test` runs on:
# scripts/test-servers.sh [suite ...], see scripts/servers.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
# minor: of lines that end like "Redis server v=8.0.2", those whose version but for the patch has not been seen.
minor() { awk '{ match($0, /(Redis|Valkey) server v=[0-9]+\.[0-9]+/); if (!seen[substr($0, RSTART, RLENGTH)]++) print }'; }
# tests/loading.rs wants a server that is too old, and goes without where there is none.
scripts/servers.sh bullseye >/dev/null || echo "no server that is too old could be unpacked" >&2
servers=$({ "${REDIS_SERVER:-redis-server}" --version; scripts/servers.sh "$@"; } | minor | tail -n +2)
export MODEL_OPS=${MODEL_OPS:-10000}
failed=()
while read -r program name; do
    echo "=== $name ($(basename "$(dirname "$program")"))"
    SESSION_SERVER=$program cargo test --locked --quiet --test '*' </dev/null || failed+=("$name")
done <<<"$servers"
[ ${#failed[@]} -eq 0 ] || { printf 'failed on: %s\n' "${failed[@]}" >&2; exit 1; }
echo "Passed on:"
cut -d ' ' -f 2- <<<"$servers"
