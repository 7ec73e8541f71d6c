#!/usr/bin/env bash
# Tests clients/python: style, types, its own tests on the newest and the oldest of what it supports, and the suites of the
# frameworks on it. scripts/test-python.sh [all | upstream | venvs | bench]: "upstream" runs the suites alone, whole and on every
# version; "venvs" and "bench" only make environments. Everything is made in build/python and ends with the script.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/python
client=$PWD/clients/python
export SESSION_MODULE=${SESSION_MODULE:-$PWD/target/release/libredis_session.so}
export SESSION_SERVER=${SESSION_SERVER:-${REDIS_SERVER:-redis-server}}
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=${UV_LINK_MODE:-copy}
mkdir -p "$work/logs"
[ -f "$SESSION_MODULE" ] || { echo "There is no module at $SESSION_MODULE: make build" >&2; exit 1; }

# python <minor> ...: the first of these Pythons that is here, on the PATH or by pyenv, and is whole.
python() {
    local minor program
    for minor in "$@"; do
        for program in "python3.$minor" "$HOME/.pyenv/versions/3.$minor".*/bin/python; do
            "$program" -c "import sys, ssl, sqlite3; assert sys.version_info[:2] == (3, $minor)" 2>/dev/null || continue
            command -v "$program"
            return
        done
    done
    return 1
}

# The tool that makes environments in a second where pip takes half a minute.
tools() {
    [ -x "$work/tools/bin/uv" ] && return
    local any
    any=$(python 13 12 11 10 14) || { echo "No Python from 3.10 on is here: install python3" >&2; exit 1; }
    if ! "$any" -m venv "$work/tools" >/dev/null 2>&1; then
        echo "$any cannot make virtual environments: install python3-venv (Debian) or what your system calls it" >&2
        exit 1
    fi
    "$work/tools/bin/pip" install --quiet -r "$client/requirements/tools.txt"
}

# venv <name> <minor> ...: an environment with the packages of requirements/<name>.txt, on the first of these Pythons.
venv() {
    local target=$work/$1 list=$client/requirements/$1.txt program
    program=$(python "${@:2}") || return 1
    if ! { cat "$list"; echo "$program"; } | cmp --silent - "$target/made-from"; then
        rm -rf "$target"
        "$work/tools/bin/uv" venv --quiet --seed --python "$program" "$target"
        "$work/tools/bin/uv" pip install --quiet --python "$target/bin/python" -r "$list"
        { cat "$list"; echo "$program"; } >"$target/made-from"
    fi
}

# SwampDragon ended on Django 1.8 and Python 3.6, for which there is no uv.
venv36() {
    local target=$work/swampdragon list=$client/requirements/swampdragon.txt program
    program=$(python 6) || { echo "SwampDragon's own tests are left out: there is no Python 3.6 here"; return 0; }
    cmp --silent "$list" "$target/made-from" && return
    rm -rf "$target"
    "$program" -m venv "$target"
    "$target/bin/pip" install --quiet -r "$list" 2>/dev/null
    cp "$list" "$target/made-from"
}

venvs() {
    tools
    local jobs=()
    venv newest 13 12 11 10 14 & jobs+=($!)
    venv django52 12 13 11 10 14 & jobs+=($!)
    venv oldest 10 11 12 13 14 & jobs+=($!)
    venv36 & jobs+=($!)
    local job
    for job in "${jobs[@]}"; do wait "$job"; done
}

# job <name> <command>: runs it in the background, at most as many at a time as there are processors. Its output goes to
# a file, of which the end result is printed, or everything where it failed.
job() {
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    measured "$@" &
}
measured() {
    local log=$work/logs/$1.log begin=$SECONDS
    if (cd "$client" && "${@:2}") >"$log" 2>&1; then
        echo "ok      $1 ($((SECONDS - begin)) s): $(tail -n 1 "$log")"
        sed '$d' "$log" | grep '^upstream ' || true
    else
        cat "$log"
        echo "FAILED  $1 ($((SECONDS - begin)) s)"
        touch "$work/logs/failed"
    fi
}

finish() {
    wait
    [ ! -e "$work/logs/failed" ] || exit 1
}

lint() {
    local bin=$work/newest/bin
    "$bin/ruff" check --no-cache .
    "$bin/ruff" format --no-cache --check .
    "$bin/mypy" --cache-dir "$work/mypy"
}

tests() { # tests <venv> <protocol> <pytest's arguments>
    SESSION_PROTOCOL=$2 "$work/$1/bin/python" -m pytest -q -p no:cacheprovider "${@:3}"
}

upstream() { # upstream <venv> <suite> ...
    "$work/$1/bin/python" -m upstream "${@:2}"
}

swampdragon() { # swampdragon <release of redis-py> ...
    local release
    for release in "$@"; do
        "$work/swampdragon/bin/pip" install --quiet "redis==$release" 2>/dev/null
        upstream newest swampdragon --python "$work/swampdragon/bin/python"
    done
}

all() {
    job tests-newest tests newest 3
    job tests-oldest tests oldest 2
    job types-and-style lint
    job django-newest upstream newest django --quick
    job django-oldest upstream oldest django --quick
    job tests-django52 tests django52 3 tests/django
    job django-52 upstream django52 django --quick
    job frameworks upstream newest flask starlette
    job frameworks-oldest upstream oldest flask starlette pyramid
    [ ! -x "$work/swampdragon/bin/python" ] || job swampdragon swampdragon 2.10.6
}

upstream_all() {
    local name
    for name in newest django52 oldest; do job "django-$name" upstream "$name" django; done
    job frameworks upstream newest flask starlette
    job frameworks-oldest upstream oldest flask starlette pyramid
    [ ! -x "$work/swampdragon/bin/python" ] || job swampdragon swampdragon 4.3.6 2.10.6
}

rm -f "$work/logs/failed"
if [ "${1:-}" = bench ]; then # the environment of scripts/bench-python.sh, whose path is printed
    tools
    venv bench 11 12 10 >&2
    echo "$work/bench"
    exit
fi
venvs
case ${1:-all} in
    all) all ;;
    upstream) upstream_all ;;
    venvs) ;;
    *) echo "usage: scripts/test-python.sh [all | upstream | venvs]" >&2; exit 2 ;;
esac
finish
