#!/usr/bin/env bash
# Installs Debian packages, as root or with sudo, or says what to install: scripts/install.sh <package> ...
set -euo pipefail
if ! command -v apt-get >/dev/null; then
    echo "Please install these, or what your system calls them, and try again: $*" >&2
    exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Please install as root, and try again: apt-get install $*" >&2; exit 1; }
    root=(sudo)
fi
echo "Installing $*" >&2
"${root[@]}" apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
