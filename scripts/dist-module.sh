#!/usr/bin/env bash
# Builds the module as it is released, build/dist/libredis_session.so: without symbols, and without the names of this machine's
# folders in it, so that the same sources and the same compiler give the same bytes anywhere.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=$cargo_home=cargo"
CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked --target-dir target/dist
mkdir -p build/dist
install -m 755 target/dist/release/libredis_session.so build/dist/
