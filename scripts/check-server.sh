#!/usr/bin/env bash
# Fails, and says why, unless a program is a server that the module can be loaded into: scripts/check-server.sh <program>
set -euo pipefail
server=$1

if ! command -v "$server" >/dev/null; then
    echo "There is no $server (REDIS_SERVER names the server's program; without it, redis-server is taken)" >&2
    exit 1
fi
# "Redis server v=7.0.15 sha=…", "Valkey server v=8.0.1 sha=…"
said=$("$server" --version 2>/dev/null | head -n 1) || true
if ! [[ $said =~ ^(Redis|Valkey)\ server\ v=([0-9]+)\. ]]; then
    echo "$server is no Redis or Valkey server: its --version says '$said'" >&2
    exit 1
fi
least=7
[ "${BASH_REMATCH[1]}" = Redis ] || least=8
if [ "${BASH_REMATCH[2]}" -lt $least ]; then
    echo "$server is too old: ${said%% sha=*}. redis-session needs Redis 7.0 or Valkey 8.0, or a later one" >&2
    exit 1
fi
