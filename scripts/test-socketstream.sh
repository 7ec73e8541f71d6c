#!/usr/bin/env bash
# SocketStream on the store: our own tests of it, with the newest release of SocketStream, and, if its repository is
# given (a path, or what `git clone` takes), its unit tests with our store in place of its MemoryStore.
#
#   scripts/test-socketstream.sh [repository]
#
# SESSION_SERVER is the server's program, SESSION_MODULE the module. Everything happens in build/socketstream.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
base=$top/build/socketstream
cli=${REDIS_CLI:-redis-cli}
module=${SESSION_MODULE:-$top/target/release/libredis_session.so}
mkdir -p "$base/package"

# Without the folder dist of the work tree, which others may be building.
pack() {
    local package=$base/package
    rm -rf "$package" "$base"/*.tgz
    mkdir -p "$package"
    cp -r clients/node/{package.json,build.js,tsconfig.json,tsconfig.build.json,src} "$package"
    ln -s "$top/clients/node/node_modules" "$package/node_modules"
    (cd "$package" && node build.js && npm pack -s --pack-destination "$base" >/dev/null)
}

install() {
    [ -e "$base/package.json" ] || (cd "$base" && npm init -y >/dev/null)
    (cd "$base" && npm install -q --no-audit --no-fund --ignore-scripts socketstream@0.5.3 express-session@1 \
        cookie-signature@1 ioredis@5 "$base"/redis-session-client-*.tgz >/dev/null)
    cp clients/node/socketstream/*.cjs "$base"
}

start_server() {
    SESSION_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
    export SESSION_PORT
    "${SESSION_SERVER:-redis-server}" --bind 127.0.0.1 --port "$SESSION_PORT" --save '' --dir "$base" --loadmodule "$module" >"$base/server.log" &
    server=$!
    trap 'kill "$server"' EXIT
    until (exec 3<>"/dev/tcp/127.0.0.1/$SESSION_PORT") 2>/dev/null; do
        kill -0 "$server"
        sleep 0.05
    done
}

# Its unit tests, unchanged, with the store that its sessions and those of express-session take by default replaced.
upstream() {
    local dir=$base/upstream
    if [ ! -e "$dir/.prepared" ]; then
        rm -rf "$dir"
        git clone -q "$1" "$dir"
        (cd "$dir" && npm install -q --no-audit --no-fund --ignore-scripts >/dev/null 2>&1)
        touch "$dir/.prepared"
    fi
    git -C "$dir" checkout -q -- .
    (cd "$dir" && npm install -q --no-save --no-audit --no-fund --ignore-scripts --legacy-peer-deps ioredis@5 "$base"/redis-session-client-*.tgz >/dev/null 2>&1)
    cat >"$dir/store.js" <<'JS'
const { Redis } = require('ioredis')

const client = new Redis(Number(process.env.SESSION_PORT), '127.0.0.1')
client.on('connect', () => client.stream.unref())
module.exports = function MemoryStore() {
  // Only now: express-session is still being loaded when this file is.
  const { RedisSessionStore } = require('redis-session-client')
  return new RedisSessionStore({ client, prefix: `${Math.random()}:` })
}
JS
    local default=$dir/node_modules/express-session/session/memory.js
    [ -e "$default.own" ] || cp "$default" "$default.own"
    cp "$default.own" "$default"
    run_upstream "$dir" its-own
    cp "$dir/store.js" "$dir/lib/session/memory.js"
    cp "$dir/store.js" "$default"
    "$cli" -p "$SESSION_PORT" CONFIG RESETSTAT >/dev/null
    run_upstream "$dir" ours
    echo "what the server was asked: $("$cli" -p "$SESSION_PORT" INFO commandstats | grep -aoE 'session\.[a-z]+:calls=[0-9]+' | tr '\n' ' ')"
}

run_upstream() { # folder, whose store
    local log=$base/upstream.$2.log
    (cd "$1" && timeout 120 sh -c 'node_modules/.bin/_mocha test/unit/**/* --reporter spec') >"$log" 2>&1 || true
    echo "== SocketStream's unit tests, $2 store: $(grep -aE '^ *[0-9]+ (passing|failing|pending)' "$log" | tr -s ' \n' ' ')"
    sed -n '/ failing/,$p' "$log" | grep -aE '^  [0-9]+\) ' || true
}

pack
install
start_server
(cd "$base" && node --test --test-force-exit sessions.test.cjs)
[ $# -eq 0 ] || upstream "$1"
