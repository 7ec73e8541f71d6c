#!/usr/bin/env bash
# Holds sites in Python against their present stores and writes docs/benchmarks-python.md: scripts/bench-python.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export SESSION_MODULE=${SESSION_MODULE:-$PWD/target/release/libredis_session.so}
export PYTHONPATH=$PWD/clients/python/src PYTHONDONTWRITEBYTECODE=1
venv=$(scripts/test-python.sh bench)
exec "$venv/bin/python" clients/python/bench/run.py
