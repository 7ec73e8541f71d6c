#!/usr/bin/env bash
# A load that looks like a site, at one server, at a pair with a failover and at a cluster whose slots are moved:
# docs/load.md. scripts/load.sh [test]: "test" looks whether the check at the end finds what it should.
set -euo pipefail
cd "$(dirname "$0")/.."
export SESSION_MODULE=${SESSION_MODULE:-$PWD/target/release/libredis_session.so}
export SESSION_SERVER=${SESSION_SERVER:-${REDIS_SERVER:-redis-server}} SESSION_CLI=${SESSION_CLI:-${REDIS_CLI:-redis-cli}}
export PYTHONPATH=$PWD/clients/python/src PYTHONDONTWRITEBYTECODE=1
node=$PWD/clients/node

scripts/test-python.sh venvs
export LOAD_PYTHON=$PWD/build/python/newest/bin/python
for folder in "$node" "$node/bench"; do
    # npm notes here what it has installed: what is newer than the lock file need not be fetched again.
    [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] || (cd "$folder" && npm ci --silent --no-audit --no-fund)
done
if [ -n "$(find "$node/src" -newer "$node/dist/esm/index.js" 2>&1 | head -n 1)" ]; then (cd "$node" && npm run --silent build); fi
ln -sfn ../../clients/node/bench/node_modules tests/load/node_modules

cd "$node" # where tsx is found
run() { node --import tsx ../../tests/load/run.js; }

# tampered <how>: the check has to fail.
tampered() {
    local said status=0
    said=$(LOAD_TAMPER=$1 LOAD_PLACES=single LOAD_SECONDS=2 run) || status=$?
    if [ "$status" -ne 1 ] || ! grep -q '^- Differences:$' <<<"$said"; then
        printf '%s\nThe check did not find what was done to a session (%s): it ended with %s\n' "$said" "$1" "$status" >&2
        exit 1
    fi
    echo "ok: the check finds what was done to a session ($1)"
}

case ${1:-all} in
    all) run ;;
    test)
        npx biome check ../../tests/load
        (cd ../.. && build/python/newest/bin/ruff check --quiet --no-cache --config clients/python/pyproject.toml tests/load)
        node --test ../../tests/load/*.test.js
        for how in end write add; do tampered "$how"; done
        ;;
    *) echo "usage: scripts/load.sh [test]" >&2; exit 2 ;;
esac
