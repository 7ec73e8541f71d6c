#!/usr/bin/env bash
# Upgrades a replicated pair and a cluster to the next version of the module and back, server by server, while a site uses its
# sessions: tests/upgrade.rs. The next version is built from the same sources with another number, in build/next.
# scripts/test-upgrade.sh
set -euo pipefail
cd "$(dirname "$0")/.."
next=$PWD/build/next
rm -rf "$next"
mkdir -p "$next"
git ls-files -z Cargo.toml Cargo.lock src benches tests | tar --create --null --files-from=- | tar --extract --directory "$next"
sed -i 's/^const VERSION: c_int = [0-9]*;/const VERSION: c_int = 990000;/' "$next/src/keyspace/load.rs"
sed -i '0,/^version = .*/s//version = "99.0.0"/' "$next/Cargo.toml"
grep -q 'VERSION: c_int = 990000' "$next/src/keyspace/load.rs"
(cd "$next" && cargo build --release --target-dir "$OLDPWD/target/next")
SESSION_NEXT_MODULE=$PWD/target/next/release/libredis_session.so cargo test --locked --test upgrade -- --ignored --nocapture
