#!/usr/bin/env bash
# Installs what building and running the module needs and this machine lacks: a C compiler, libclang (the bindings to the
# server's API are generated with it) and a Redis server with its client. Does nothing where all is there. A server or a
# client that was asked for by name (REDIS_SERVER, REDIS_CLI) is not looked for elsewhere: where it is missing, that is an
# error.
set -euo pipefail

command -v cargo >/dev/null || {
    echo "cargo is missing: install the Rust toolchain from https://rustup.rs" >&2
    exit 1
}

# libclang.so, libclang-14.so.1 and their like; not libclang-cpp.so, which is another library.
have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || [ "$(uname -s)" = Darwin ] ||
        { ldconfig -p 2>/dev/null; compgen -G '/usr/lib/llvm-*/lib/libclang*'; } | grep -E 'libclang(-[0-9.]+)?\.so' >/dev/null
}

missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
have_libclang || missing+=(libclang-dev)
fresh_server=
need() { # need <variable> <program> <usual program> <package>
    command -v "$2" >/dev/null && return
    if [ "$2" != "$3" ]; then
        echo "There is no $2, which $1 names" >&2
        exit 1
    fi
    missing+=("$4")
}
need REDIS_SERVER "${REDIS_SERVER:-redis-server}" redis-server redis-server
need REDIS_CLI "${REDIS_CLI:-redis-cli}" redis-cli redis-tools
[[ " ${missing[*]:-} " != *" redis-server "* ]] || fresh_server=yes
[ ${#missing[@]} -gt 0 ] || exit 0

"$(dirname "$0")/install.sh" "${missing[@]}"
# The package starts a server of its own on port 6379, which nobody asked for.
if [ -n "$fresh_server" ] && [ -d /run/systemd/system ]; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" systemctl disable --now redis-server >/dev/null 2>&1 || true
fi
