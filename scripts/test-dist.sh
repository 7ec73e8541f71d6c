#!/usr/bin/env bash
# Installs and uses what scripts/dist.sh has made in build/dist: the checksums; the module, by tests of its commands and its operation; the
# Debian package in clean trees; the package for Node.js in an empty folder. (Those for Python were used when they were made.)
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$PWD/build/dist
(cd "$dist" && sha256sum --quiet -c SHA256SUMS)
SESSION_MODULE=$dist/libredis_session.so cargo test --locked --quiet --test commands --test versions --test operations
if strings "$dist/libredis_session.so" | grep -F -e "$PWD" -e "${CARGO_HOME:-$HOME/.cargo}"; then
    echo "The module names folders of the machine that built it" >&2
    exit 1
fi
scripts/test-deb.sh "$dist"/redis-session_*.deb

folder=$(mktemp -d)
server=
leave() { [ -z "$server" ] || { kill "$server" && wait "$server" || true; }; rm -rf "$folder"; }
trap leave EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" --logfile log \
    --loadmodule "$dist/libredis_session.so" &
server=$!
echo '{"private": true}' >"$folder/package.json"
cat >"$folder/use.mjs" <<'EOF'
import { createClient } from 'redis'
import { RedisSessionStore } from 'redis-session-client'
const client = createClient({ url: process.argv[2] })
await client.connect()
const store = new RedisSessionStore({ client })
await store.ready()
await store.set('a', { cookie: {}, n: 1 })
console.log((await store.get('a')).n)
client.destroy()
EOF
(cd "$folder" && npm install --silent --no-audit --no-fund "$dist"/redis-session-client-*.tgz redis@6 >/dev/null)
[ "$(cd "$folder" && node use.mjs "redis://127.0.0.1:$port")" = 1 ]
echo "The package for Node.js keeps a session"
