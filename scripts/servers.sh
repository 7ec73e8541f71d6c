#!/usr/bin/env bash
# Unpacks other Redis and Valkey servers from Debian's archive beside the system, which stays as it is, each with the C
# library that it was built for: scripts/servers.sh [suite ...]. Prints a line for each server: its program and version.
#
#   gate      bookworm-backports (Valkey 8.0), trixie (Redis 8.0, Valkey 8.1)
#   newest    forky, experimental (whatever is there; Redis 8.6 and Valkey 9.1 when this was written)
#   too old   bullseye (Redis 6.0), which tests/loading.rs shows to survive the module; only where it is asked for
#
# The programs are wrappers with absolute paths in them, in build/servers/<suite>/: they work where they were made.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$PWD/build/servers
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(bookworm-backports trixie forky experimental)

# The mirror that this machine uses, of the main archive.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$' || true)
[ -n "$mirror" ] || { echo "apt knows no mirror of Debian's archive on this machine" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_in <folder> <arguments>: apt with lists, packages and state of its own.
apt_in() {
    local dir=$1
    shift
    apt-get -qq -o Dir::State="$dir/state" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
        -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Check-Valid-Until=false \
        -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
}

unpack() { # unpack <suite>
    local suite=$1 dir=$base/$1 source=deb\ [signed-by=$keyring]\ $mirror target=()
    rm -rf "$dir"
    mkdir -p "$dir"/{root,state/lists/partial,cache/archives/partial}
    : >"$dir/status"
    case $suite in
        experimental) printf '%s\n' "$source sid main" "$source experimental main" && target=(-t experimental) ;;
        *-backports) printf '%s\n' "$source ${suite%-backports} main" "$source $suite main" && target=(-t "$suite") ;;
        *) echo "$source $suite main" ;;
    esac >"$dir/sources.list"
    apt_in "$dir" update
    local packages=()
    for package in redis-server valkey-server; do
        apt_in "$dir" --simulate "${target[@]}" install "$package" >/dev/null 2>&1 && packages+=("$package")
    done
    apt_in "$dir" -y --download-only "${target[@]}" install "${packages[@]}" >/dev/null
    for package in "$dir"/cache/archives/*.deb; do dpkg -x "$package" "$dir/root"; done
    rm -rf "$dir/cache" "$dir/state"
    local loader libraries
    loader=$(find "$dir/root" -name 'ld-linux-*.so.*' | head -n 1)
    libraries=$(find "$dir/root" -name 'libc.so.6' -printf '%h\n' | sort -u | paste -sd :)
    libraries=$libraries:$(find "$dir/root/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu*' | paste -sd :)
    if [ "$suite" = bullseye ]; then
        # A module that was built here asks for this machine's C library, and an older suite's server is content with it.
        loader=$(compgen -G '/lib*/ld-linux*.so.*' | head -n 1)
        libraries=$(compgen -G '/lib/*-linux-gnu*' | paste -sd :):$(compgen -G '/usr/lib/*-linux-gnu*' | paste -sd :):$libraries
    fi
    for program in redis-server redis-cli valkey-server valkey-cli; do
        [ -e "$dir/root/usr/bin/$program" ] || [ -L "$dir/root/usr/bin/$program" ] || continue
        # The server looks at the name that it was called by: redis-server is a link to a program of several uses.
        printf '#!/bin/sh\nexec %s --inhibit-cache --library-path %s %s "$@"\n' \
            "$loader" "$libraries" "$dir/root/usr/bin/$program" >"$dir/$program"
        chmod +x "$dir/$program"
    done
    touch "$dir/complete"
}

for suite in "${suites[@]}"; do
    dir=$base/$suite
    [ -e "$dir/complete" ] || unpack "$suite" >&2
    for server in "$dir"/*-server; do
        echo "$server $("$server" --version | sed -E 's/ (sha|malloc)=.*//')"
    done
done
