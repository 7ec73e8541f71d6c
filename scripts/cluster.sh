#!/usr/bin/env bash
# A cluster to try: three primaries and three replicas with the module, on 127.0.0.1 from PORT on, with their data in
# build/cluster (or CLUSTER_DIR). scripts/cluster.sh start <module> | stop
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-7000}
server=${REDIS_SERVER:-redis-server}
cli=${REDIS_CLI:-redis-cli}
base=${CLUSTER_DIR:-$PWD/build/cluster}

running() { # the process of the node in this folder, if it is still that one
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "$(basename "$1")" && echo "$pid"
}

stop() {
    local dir pid
    for dir in "$base"/*/; do
        pid=$(running "${dir%/}") || continue
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done
    rm -rf "$base"
}

start() {
    local module nodes=() n
    module=$(realpath "$1")
    scripts/check-server.sh "$server"
    if compgen -G "$base/*/pid" >/dev/null; then
        echo "A cluster is running. End it first: make cluster-stop" >&2
        exit 1
    fi
    for n in {0..5}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$((port + n))") 2>/dev/null; then
            echo "Port $((port + n)) is taken. Choose others: make cluster PORT=$((port + 1000))" >&2
            exit 1
        fi
    done
    for n in {0..5}; do
        mkdir -p "$base/$((port + n))"
        "$server" --bind 127.0.0.1 --port "$((port + n))" --dir "$base/$((port + n))" --pidfile "$base/$((port + n))/pid" \
            --logfile log --daemonize yes --cluster-enabled yes --cluster-node-timeout 5000 --loadmodule "$module"
        nodes+=("127.0.0.1:$((port + n))")
    done
    for n in "${nodes[@]}"; do
        for _ in $(seq 200); do
            [ "$("$cli" -p "${n#*:}" ping 2>/dev/null)" = PONG ] && continue 2
            sleep 0.05
        done
        echo "The node on port ${n#*:} does not start (is its bus port $((${n#*:} + 10000)) taken?):" >&2
        tail -n 3 "$base/${n#*:}/log" >&2
        stop
        exit 1
    done
    "$cli" --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$base/created"
    echo "A cluster of three primaries and three replicas, 127.0.0.1:$port to $((port + 5)): redis-cli -c -p $port"
}

"$@"
