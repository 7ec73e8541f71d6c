#!/usr/bin/env bash
# Installs what the packages and their tests need and this machine lacks: scripts/need.sh python | node | deb ...
# What Debian has not in the version that is needed is put into build/, and `. scripts/paths.sh` finds it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/paths.sh

python() {
    local folder
    folder=$(mktemp -d)
    if ! python3 -m venv "$folder/venv" >/dev/null 2>&1; then scripts/install.sh python3 python3-venv; fi
    rm -rf "$folder"
}

node_is_there() { [ "$(node --version 2>/dev/null | sed -E 's/v([0-9]+).*/\1/')" -ge 20 ] 2>/dev/null; }

node_js() {
    node_is_there && command -v npm >/dev/null && return
    command -v npm >/dev/null || scripts/install.sh nodejs npm
    node_is_there && return
    # Debian 12 has Node.js 18. Its npm brings a later one, which is a package for each system.
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix build/node \
        "$(node -p '`node-${process.platform}-${process.arch}`')@22" >/dev/null
    . scripts/paths.sh
    node_is_there || { echo "Please install Node.js 20 or later, with npm, and try again" >&2; exit 1; }
}

deb() { command -v dpkg-shlibdeps >/dev/null || scripts/install.sh dpkg-dev; }

for what in "$@"; do
    case $what in
        python) python ;;
        node) node_js ;;
        deb) deb ;;
        *) echo "usage: scripts/need.sh python | node | deb ..." >&2; exit 2 ;;
    esac
done
