#!/usr/bin/env bash
# The suites of connect-redis, express-session, @fastify/session and koa-session on our store, unchanged but for the
# store. Their repositories are arguments, as paths or as what `git clone` takes:
#
#   scripts/node-upstream.sh [connect-redis=<repository>] [express-session=…] [fastify-session=…] [koa-session=…]
#
# UPSTREAM_CLIENTS names the client libraries to run each on ("redis5 redis6 ioredis5 ioredis6"), UPSTREAM_RESP the
# protocol (2 or 3). Everything happens in build/node-upstream.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
base=$top/build/node-upstream
here=$top/scripts/node-upstream
export UPSTREAM_SERVER=${SESSION_SERVER:-$(command -v redis-server)}
export UPSTREAM_MODULE=${SESSION_MODULE:-$top/target/release/libredis_session.so}
export UPSTREAM_RESP=${UPSTREAM_RESP:-2}
clients=${UPSTREAM_CLIENTS:-redis5 redis6 ioredis5 ioredis6}
mkdir -p "$base"

start_server() {
    UPSTREAM_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
    export UPSTREAM_PORT
    "$UPSTREAM_SERVER" --bind 127.0.0.1 --port "$UPSTREAM_PORT" --save '' --dir "$base" --loadmodule "$UPSTREAM_MODULE" >"$base/server.log" &
    server=$!
    trap 'kill "$server"' EXIT
    until (exec 3<>"/dev/tcp/127.0.0.1/$UPSTREAM_PORT") 2>/dev/null; do
        kill -0 "$server"
        sleep 0.05
    done
}

# A checkout of a repository with its packages, the store and the four clients. Sets $dir.
checkout() { # name, repository, packages that its suite needs beside the declared ones
    dir=$base/$1
    local repository=$2
    shift 2
    if [ ! -e "$dir/.prepared" ]; then
        rm -rf "$dir"
        git clone -q "$repository" "$dir"
        (cd "$dir" && npm install -q --no-audit --no-fund --ignore-scripts --legacy-peer-deps >/dev/null 2>&1)
    fi
    (cd "$dir" && npm install -q --no-save --no-audit --no-fund --ignore-scripts --legacy-peer-deps \
        redis5@npm:redis@5 redis6@npm:redis@6 ioredis5@npm:ioredis@5 ioredis6@npm:ioredis@6 "$@" "$base"/redis-session-client-*.tgz >/dev/null 2>&1)
    touch "$dir/.prepared"
    git -C "$dir" checkout -q -- .
}

report() { # name, client, log: the lines that count, and how many commands of the module that took
    local cli=(${SESSION_CLI:-redis-cli} -p "$UPSTREAM_PORT") commands
    commands=$("${cli[@]}" info commandstats | sed -n 's/^cmdstat_session\..*:calls=\([0-9]*\),.*/\1/p' | paste -sd+ | bc)
    "${cli[@]}" config resetstat >/dev/null
    echo "== $1, $2: $(grep -aE '^ *([0-9]+ (passing|failing|pending)|# (pass|fail|tests|skipped) [0-9]+|ℹ (pass|fail|tests|skipped) [0-9]+)|Tests  ' "$3" | sed 's/\x1b\[[0-9;]*m//g' | tr -s ' \n' ' ')(${commands:-0} SESSION commands)"
}

connect_redis() {
    checkout connect-redis "$1"
    echo "export { RedisSessionStore as RedisStore } from 'redis-session-client'" >"$dir/index.ts"
    local client
    for client in $clients; do
        case $client in
            ioredis*) continue ;; # The suite calls methods of node-redis.
            *) alias_redis "$client" ;;
        esac
        (cd "$dir" && PATH=$here:$PATH npx vitest run >"$base/connect-redis.$client.log" 2>&1) || failed=1
        report connect-redis "$client" "$base/connect-redis.$client.log"
    done
}

alias_redis() { # what the suite imports as `redis`
    rm -rf "$dir/node_modules/redis"
    ln -s "$1" "$dir/node_modules/redis"
}

express_session() {
    checkout express-session "$1"
    ln -sfn .. "$dir/node_modules/express-session"
    link_store "$dir"
    echo "const makeStore = require('../redis-session-store.cjs'); module.exports = function MemoryStore () { return makeStore() }" >"$dir/session/memory.js"
    (cd "$dir" && ./test/support/gencert.sh >/dev/null 2>&1)
    local client
    for client in $clients; do
        (cd "$dir" && UPSTREAM_CLIENT=$client npx mocha --require test/support/env --check-leaks --exit --reporter dot test/ \
            >"$base/express-session.$client.log" 2>&1) || failed=1
        report express-session "$client" "$base/express-session.$client.log"
    done
}

# store.cjs looks for packages beside itself: give the suite a copy of its own.
link_store() {
    cp "$here/store.cjs" "$1/redis-session-store.cjs"
}

fastify_session() {
    checkout fastify-session "$1"
    link_store "$dir"
    # The suite's store hands out what it was given; so does a store of this class, which the tests subclass.
    echo "module.exports = function TestStore () { return require('../redis-session-store.cjs')() }" >"$dir/test/TestStore.js"
    local client
    for client in $clients; do
        (cd "$dir" && UPSTREAM_CLIENT=$client node --test --test-force-exit test/*.test.js >"$base/fastify-session.$client.log" 2>&1) || failed=1
        report fastify-session "$client" "$base/fastify-session.$client.log"
    done
}

koa_session() {
    checkout koa-session "$1" tsx mocha@10
    link_store "$dir"
    cat >"$dir/test/store.ts" <<'TS'
import { createRequire } from 'node:module'
import { koaStore } from 'redis-session-client/koa'

export default koaStore(createRequire(import.meta.url)('../redis-session-store.cjs')())
TS
    local client
    for client in $clients; do
        (cd "$dir" && UPSTREAM_CLIENT=$client NODE_OPTIONS="--import tsx" npx mocha --exit --reporter dot --timeout 10000 test/store.test.ts \
            >"$base/koa-session.$client.log" 2>&1) || failed=1
        report koa-session "$client" "$base/koa-session.$client.log"
    done
}

failed=0
rm -f "$base"/redis-session-client-*.tgz
(cd clients/node && npm run -s build && npm pack -s --pack-destination "$base" >/dev/null)
start_server
for argument in "$@"; do
    case $argument in
        connect-redis=*) connect_redis "${argument#*=}" ;;
        express-session=*) express_session "${argument#*=}" ;;
        fastify-session=*) fastify_session "${argument#*=}" ;;
        koa-session=*) koa_session "${argument#*=}" ;;
        *) echo "unknown suite: $argument" >&2 && exit 2 ;;
    esac
done
exit $failed
