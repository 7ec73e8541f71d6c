#!/usr/bin/env bash
# Runs the benchmark on three servers one after the other: the one of `make bench`, the newest Redis and the newest Valkey
# of those that scripts/servers.sh unpacks: scripts/bench-servers.sh [suite ...].
set -euo pipefail
cd "$(dirname "$0")/.."
servers=$(scripts/servers.sh "$@")
# newest <Redis or Valkey>: the program of the highest version.
newest() { sed -nE "s|^([^ ]+) $1 server v=([0-9.]+).*|\2 \1|p" <<<"$servers" | sort -V | tail -n 1 | cut -d ' ' -f 2; }
for program in "${SESSION_SERVER:-redis-server}" "$(newest Redis)" "$(newest Valkey)"; do
    echo "=== $("$program" --version | sed -E 's/ (sha|malloc)=.*//')"
    SESSION_SERVER=$program cargo bench --locked --bench sessions
done
