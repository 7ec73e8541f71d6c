#!/usr/bin/env bash
# Runs the examples of docs/clients.md and of docs/cluster.md, as they are printed, with their own client
# libraries, against a server and a cluster with the module, and compares what they print: scripts/test-clients.sh <module>
set -euo pipefail
cd "$(dirname "$0")/.."
module=$(realpath "$1")
work=$PWD/build/clients
mkdir -p "$work"

for tool in python3 node npm; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install it to run the examples of the documentation" >&2; exit 1; }
done
[ -d "$work/python/redis" ] || python3 -m pip install --quiet --root-user-action=ignore --target "$work/python" 'redis>=8.1,<9'
[ -d "$work/node_modules/redis" ] || npm install --silent --no-audit --no-fund --prefix "$work" 'redis@^6' >/dev/null

# The examples name the default ports; here they are free ones.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$port" --save '' --dir "$work" --logfile "$work/log" \
    --loadmodule "$module" &
server=$!
export CLUSTER_DIR=$work/cluster
trap 'kill $server; scripts/cluster.sh stop' EXIT
for _ in $(seq 200); do
    "${REDIS_CLI:-redis-cli}" -p "$port" ping >/dev/null 2>&1 && break
    sleep 0.05
done
scripts/cluster.sh stop
for nodes in 17000 18000 19000 20000 21000; do # where one of the ports is taken, others
    PORT=$nodes scripts/cluster.sh start "$module" >/dev/null && break
done

# block <file> <language>: the first block of this language; output …: the text block that follows it.
block() { awk -v lang="$2" '$0 == "```" lang && !seen { inside = seen = 1; next } $0 == "```" { inside = 0 } inside' "$1"; }
output() { awk -v lang="$2" '$0 == "```" lang { armed = 1 } armed && $0 == "```text" { inside = 1; next } $0 == "```" { if (inside) exit } inside' "$1"; }

passed=0
failed=0
check() { # check <file> <language> <ports: sed's> <command that reads the program from standard input>
    if diff <(output "$1" "$2" | sed -E "$3") <(block "$1" "$2" | sed -E "$3" | "${@:4}" 2>&1); then
        echo "$1, $2: as printed"
        passed=$((passed + 1))
    else
        echo "$1, $2: differs" >&2
        failed=$((failed + 1))
    fi
}
python() { PYTHONPATH="$work/python" python3 -; }
node_js() { cat >"$work/example.mjs" && node "$work/example.mjs"; }
shell() { sed "s|^redis-cli|${REDIS_CLI:-redis-cli}|" | TERM=dumb bash; } # dumb: no colours

one="s/6379/$port/g"
many="s/\b700([0-5])\b/$((nodes / 10))\1/g"
check docs/clients.md python "$one" python
check docs/clients.md js "$one" node_js
check docs/cluster.md python "$many" python
check docs/cluster.md js "$many" node_js
check docs/cluster.md sh "$many" shell
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
