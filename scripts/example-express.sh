#!/usr/bin/env bash
# "My devices" in Express, on 127.0.0.1:3000, with a Redis server of its own: scripts/example-express.sh <module>
# What it installs and keeps is in build/examples. scripts/example.sh says what can be set.
set -euo pipefail
module=$(realpath "$1")
cd "$(dirname "$0")/.."
. scripts/example.sh

need npm "Node.js 20 or later"
install=build/examples/express
mkdir -p "$install"
site=examples/devices/express
stamp=$install/installed
if changed "$stamp" clients/node/src clients/node/package.json "$site"/*.js* "$site/views" examples/devices/public; then
    echo "Installing what the site needs in $install"
    rm -rf "$install"/*.js "$install/views" build/examples/public
    cp -R examples/devices/public build/examples/
    cp -R "$site"/*.js* "$site/views" "$site/.npmrc" "$install"
    [ -d clients/node/node_modules ] || npm ci --silent --no-audit --no-fund --prefix clients/node
    npm run --silent build --prefix clients/node
    rm -rf "$install/node_modules/redis-session-client" # its version is the same, what is in it may not be
    npm install --silent --no-audit --no-fund --prefix "$install"
    touch "$stamp"
fi

start_redis express "$module" 6391
export PORT=${EXAMPLE_PORT:-3000} REDIS_URL=$redis_url
SESSION_SECRET=$(secret)
export SESSION_SECRET
run node "$install/server.js"
