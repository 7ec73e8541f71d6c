#!/usr/bin/env bash
# Starts a server with the module on 127.0.0.1:PORT, with its data in build/data: scripts/run.sh <module>
set -euo pipefail
port=${PORT:-6379}
module=$(realpath "$1")
cd "$(dirname "$0")/.."

scripts/check-server.sh "${REDIS_SERVER:-redis-server}"
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Port $port is taken. Choose another: make run PORT=$((port + 1))" >&2
    exit 1
fi
mkdir -p build/data
echo "Starting ${REDIS_SERVER:-redis-server} with redis-session on 127.0.0.1:$port; in another shell: redis-cli -p $port"
exec "${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$port" --dir "$PWD/build/data" --loadmodule "$module"
