#!/usr/bin/env bash
# The package for Node.js: its packages from npm, build, lint, type check, tests. scripts/test-node.sh [test file…]
#
# SESSION_MODULE is the module (target/release/libredis_session.so), SESSION_SERVER the server's program.
set -euo pipefail
cd "$(dirname "$0")/../clients/node"
# npm notes here what it has installed: what is newer than the lock file need not be fetched again.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci
fi
npm run build
npm run lint
npm run types
if [ $# -gt 0 ]; then
    node --import tsx --test --test-timeout 150000 "$@"
else
    npm test
fi
