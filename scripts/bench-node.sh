#!/usr/bin/env bash
# Holds the store for Express against connect-redis and writes docs/benchmarks-node.md: scripts/bench-node.sh
set -euo pipefail
cd "$(dirname "$0")/../clients/node"
export SESSION_MODULE=${SESSION_MODULE:-$(realpath ../../target/release/libredis_session.so)}
npm ci --silent --no-audit --no-fund
npm run --silent build
cd bench
npm ci --silent --no-audit --no-fund
exec node --import tsx run.js
