#!/usr/bin/env bash
# Runs the examples of the README in other languages, as they are printed, with their own client libraries against a server
# with the module, and compares what they print: scripts/test-clients.sh <module>
set -euo pipefail
cd "$(dirname "$0")/.."
module=$(realpath "$1")
work=$PWD/build/clients
mkdir -p "$work"

for tool in python3 node npm; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install it to run the examples of the README" >&2; exit 1; }
done
[ -d "$work/python/redis" ] || python3 -m pip install --quiet --root-user-action=ignore --target "$work/python" 'redis>=5,<9'
[ -d "$work/node_modules/redis" ] || npm install --silent --no-audit --no-fund --prefix "$work" 'redis@^6' >/dev/null

# The examples name the default port; here it is a free one.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$port" --save '' --dir "$work" --logfile "$work/log" \
    --loadmodule "$module" &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 200); do
    "${REDIS_CLI:-redis-cli}" -p "$port" ping >/dev/null 2>&1 && break
    sleep 0.05
done

# block <language>: the first block of this language; output <language>: the text block that follows it.
block() { awk -v lang="$1" '$0 == "```" lang && !seen { inside = seen = 1; next } $0 == "```" { inside = 0 } inside' README.md; }
output() { awk -v lang="$1" '$0 == "```" lang { armed = 1 } armed && $0 == "```text" { inside = 1; next } $0 == "```" { if (inside) exit } inside' README.md; }

failed=0
check() { # check <language> <command that reads the program from standard input>
    if diff <(output "$1") <(block "$1" | sed "s/6379/$port/g" | "${@:2}" 2>&1); then
        echo "README, $1: as printed"
    else
        echo "README, $1: differs" >&2
        failed=$((failed + 1))
    fi
}
check python env PYTHONPATH="$work/python" python3 -
cd_node() { cat >"$work/example.mjs" && node "$work/example.mjs"; }
check js cd_node
echo "$((2 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
