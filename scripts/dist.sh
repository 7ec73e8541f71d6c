#!/usr/bin/env bash
# Makes what is released, in build/dist: the module, its Debian package and its bill of materials, the packages for Python and Node.js,
# and the checksums of all of them. scripts/dist.sh [module | all]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build/dist
what=${1:-all}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rm -rf "$out"
scripts/dist-module.sh
scripts/sbom.py "$out/libredis_session.so" >"$out/redis-session-$version.cdx.json"
scripts/deb.sh >/dev/null
if [ "$what" = all ]; then
    # It installs and uses them, with the module that goes along.
    SESSION_MODULE=$out/libredis_session.so scripts/dist-python.sh >/dev/null
    cp build/python/dist/* "$out"
    (
        cd clients/node
        [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
        npm run --silent build
        npm pack --silent --pack-destination "$out" >/dev/null
    )
fi
(cd "$out" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
