#!/usr/bin/env bash
# Builds the wheel and the sdist of clients/python in build/python/dist, the same bytes whenever and wherever the same commit
# is built, and tries them: installed into empty environments, the package and each extra in turn keep a session on a server
# with the module. scripts/dist-python.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/python
client=$PWD/clients/python
dist=$work/dist
uv=$work/tools/bin/uv
scripts/test-python.sh venvs
# The time of the last commit; without git hatchling takes a time of its own, which is always the same.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct -- clients/python 2>/dev/null || true)}
[ -z "$epoch" ] || export SOURCE_DATE_EPOCH=$epoch
export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=${UV_LINK_MODE:-copy} PYTHONDONTWRITEBYTECODE=1
export SESSION_MODULE=${SESSION_MODULE:-$PWD/target/release/libredis_session.so}
export SESSION_SERVER=${SESSION_SERVER:-${REDIS_SERVER:-redis-server}}

build() { # build <folder>: the sdist, and the wheel from it
    rm -rf "$1"
    "$work/newest/bin/python" -m build --no-isolation --outdir "$1" "$client" >"$work/logs/dist.log" 2>&1 ||
        { cat "$work/logs/dist.log"; exit 1; }
}

environment() { # environment <name>: an empty one
    rm -rf "${work:?}/$1"
    "$uv" venv --quiet --python "$work/newest/bin/python" "$work/$1"
}

try() { # try <environment> <extra or "core">
    (cd "$work" && PYTHONPATH=$client "$work/$1/bin/python" -m tests.installed "$2")
}

build "$dist"
build "$dist.again"
for file in "$dist"/*; do
    cmp "$file" "$dist.again/$(basename "$file")" || { echo "$(basename "$file") is not reproducible" >&2; exit 1; }
done
rm -rf "$dist.again"

environment sdist-installed
"$uv" pip install --quiet --python "$work/sdist-installed/bin/python" "$dist"/*.tar.gz
try sdist-installed core

environment wheel-installed
wheel=$(echo "$dist"/*.whl)
"$uv" pip install --quiet --python "$work/wheel-installed/bin/python" "$wheel"
try wheel-installed core
for extra in hiredis django pyramid flask starlette; do
    "$uv" pip install --quiet --python "$work/wheel-installed/bin/python" "$wheel[$extra]"
    try wheel-installed "$extra"
done
ls "$dist"
