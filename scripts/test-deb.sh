#!/usr/bin/env bash
# Installs the Debian package into clean trees of Debian 12 and 13, loads the module there into their stock servers with the lines
# that the package brings, types what the README types first, rewrites the configuration and starts the server from that, purges
# the package and sees that nothing is left. The
# trees are made by debootstrap, as root, and kept in build/debian. scripts/test-deb.sh <package>
set -euo pipefail
cd "$(dirname "$0")/.."
package=$(realpath "$1")
base=$PWD/build/debian
[ "$(id -u)" -eq 0 ] || { echo "debootstrap needs root: sudo make test-deb" >&2; exit 1; }
command -v debootstrap >/dev/null || scripts/install.sh debootstrap
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$' || true)

# It brings files and nothing that would run.
members=$(dpkg-deb --ctrl-tarfile "$package" | tar -t | sed 's|^\./||' | grep . | sort | paste -sd ' ')
[ "$members" = "control md5sums" ] || { echo "The package runs something: $members" >&2; exit 1; }

tree=
server=
port=
leave() {
    [ -z "$server" ] || { kill "$server" && wait "$server" || true; } 2>/dev/null
    [ -z "$tree" ] || { umount "$tree/proc" 2>/dev/null || true; rm -rf "$tree"; }
}
trap leave EXIT

fresh() { # fresh <suite> <package ...>: a copy of a tree with these packages
    local suite=$1
    shift
    if [ ! -e "$base/$suite/complete" ]; then
        mkdir -p "$base"
        rm -rf "${base:?}/$suite"
        debootstrap --variant=minbase --include="$(IFS=,; echo "$*")" "$suite" "$base/$suite" "$mirror" >"$base/$suite.log" 2>&1 ||
            { tail -n 5 "$base/$suite.log" >&2; exit 1; }
        touch "$base/$suite/complete"
    fi
    tree=$base/$suite.test
    rm -rf "$tree"
    cp -a "$base/$suite" "$tree"
    mount -t proc proc "$tree/proc"
}

files() { (cd "$tree" && find . -xdev -path ./proc -prune -o -path './var/*/*' -prune -o -print | LC_ALL=C sort); }

# What the README types first: the commands, or what they print, of the first blocks up to the one with an ellipsis.
readme() { # readme <typed | printed>
    awk -v want="$1" '
        /^```console/ { inside = 1; block = ""; next }
        inside && /^```$/ { if (block ~ /\.\.\./) exit; printf "%s", block; inside = 0; next }
        inside { typed = sub(/^127\.0\.0\.1:6379> /, ""); if (typed == (want == "typed")) block = block $0 "\n"
                 else if (/\.\.\./) block = block "..." }
    ' "$tree/usr/share/doc/redis-session/README.md"
}

start() { # start <server> <client> <user> <its configuration>
    chroot --userspec="$3:$3" "$tree" "$1" "$4" --port "$port" --daemonize no --supervised no --logfile '' >"$base/server.log" &
    server=$!
    for _ in $(seq 200); do
        chroot "$tree" "$2" -p "$port" PING >/dev/null 2>&1 && return
        sleep 0.05
    done
    echo "$1 does not start" >&2
    cat "$base/server.log" >&2
    exit 1
}

stop() {
    kill "$server" && wait "$server" || true
    server=
}

try() { # try <server> <client> <user> <its configuration>
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cp -a "$tree$4" "$tree$4.stock"
    # As docs/operations.md says.
    chroot "$tree" sh -c "cat /usr/share/redis-session/session.conf >>$4"
    # As a site would that wants another time: settings stand behind the line that loads the module.
    sed -i 's/^# session.touch-interval-ms 0/session.touch-interval-ms 0/' "$tree$4"
    start "$@"
    diff <(readme printed) <(readme typed | chroot "$tree" "$2" --no-raw -p "$port") ||
        { echo "$1 prints something else than the README" >&2; cat "$base/server.log" >&2; exit 1; }
    # Sentinel does this at each failover.
    chroot "$tree" "$2" -p "$port" CONFIG SET session.default-timeout 900 >/dev/null
    [ "$(chroot "$tree" "$2" -p "$port" CONFIG REWRITE)" = OK ] || { echo "$1 cannot rewrite $4" >&2; exit 1; }
    stop
    start "$@"
    [ "$(chroot "$tree" "$2" -p "$port" CONFIG GET session.default-timeout | tail -n 1)" = 900 ] ||
        { echo "$1 has lost a setting" >&2; exit 1; }
    stop
    echo "$(basename "$tree" .test): $(chroot "$tree" "$1" --version | cut -d ' ' -f 1-3) prints what the README says to $(readme typed | wc -l) commands"
    mv "$tree$4.stock" "$tree$4"
}

purge() {
    chroot "$tree" dpkg --purge redis-session >/dev/null
    diff "$base/before" <(files) || { echo "The package leaves something behind" >&2; exit 1; }
    umount "$tree/proc"
    rm -rf "$tree"
    tree=
}

install_package() {
    files >"$base/before"
    cp "$package" "$tree/var/tmp/redis-session.deb"
    chroot "$tree" apt-get -o APT::Sandbox::User=root install -y --no-install-recommends /var/tmp/redis-session.deb >"$base/apt.log" 2>&1 ||
        { cat "$base/apt.log" >&2; exit 1; }
}

links_lead_somewhere() {
    find "$tree/usr/share/doc/redis-session" -name '*.md' | while IFS= read -r page; do
        folder=$(dirname "$page") perl -0777 -ne 'while (/\]\(([\w.\/-]*[.\/][\w.\/-]*)(#[\w-]+)?\)/g) { print "$ARGV: $1\n" unless -e "$ENV{folder}/$1" }' "$page"
    done >"$base/dead"
    [ ! -s "$base/dead" ] || { echo "Links of the documentation that lead nowhere:" >&2; cat "$base/dead" >&2; exit 1; }
}

fresh bookworm redis-server
install_package
links_lead_somewhere
try redis-server redis-cli redis /etc/redis/redis.conf
purge
fresh trixie redis-server valkey-server
install_package
try redis-server redis-cli redis /etc/redis/redis.conf
try valkey-server valkey-cli valkey /etc/valkey/valkey.conf
purge
