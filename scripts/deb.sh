#!/usr/bin/env bash
# Makes the Debian package build/dist/redis-session_<version>_<architecture>.deb of build/dist/libredis_session.so (see
# scripts/dist-module.sh). It holds the module, lines for the server's configuration, and the documentation; it runs
# nothing when it is installed or removed. The same module and the same commit give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in dpkg-deb dpkg-shlibdeps; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install dpkg-dev" >&2; exit 1; }
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
module=build/dist/libredis_session.so
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || true)}
export SOURCE_DATE_EPOCH=${epoch:-$(stat -c %Y CHANGELOG.md)}

root=$tree/root
doc=$root/usr/share/doc/redis-session
install -D "$module" "$root/usr/lib/redis/modules/libredis_session.so"
install -D -m 644 packaging/deb/session.conf "$root/usr/share/redis-session/session.conf"
install -D -m 644 -t "$doc" README.md
cp -r docs "$doc/docs"
for client in python node; do install -D -m 644 -t "$doc/clients/$client" "clients/$client/README.md"; done
# Links to sources, which are not in the package, become plain text.
find "$doc" -name '*.md' | while IFS= read -r page; do
    folder=$(dirname "$page") perl -0777 -pi -e 's{\[([^\[\]]+)\]\(([\w./-]*[./][\w./-]*)(#[\w-]+)?\)}{-e "$ENV{folder}/$2" ? $& : $1}ge' "$page"
done
gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\n'
    sed -n 's/^Copyright (c)/Copyright:/p' LICENSE
    printf 'License: Expat\n'
    sed '1,/^Copyright/d; s/^$/./; s/^/ /' LICENSE | sed '1{/^ \.$/d}'
} >"$doc/copyright"

# What the module needs of the C library; dpkg-shlibdeps wants a source package to ask that in.
mkdir -p "$tree/source/debian"
printf 'Source: redis-session\n\nPackage: redis-session\nArchitecture: any\n' >"$tree/source/debian/control"
needs=$(cd "$tree/source" && dpkg-shlibdeps --ignore-missing-info -O -e"$root/usr/lib/redis/modules/libredis_session.so" 2>/dev/null)

mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<EOF
Package: redis-session
Version: $version
Architecture: $architecture
Maintainer: redis-session contributors <redis-session@invalid>
Installed-Size: $(du -sk --apparent-size "$root" | cut -f 1)
Depends: ${needs#shlibs:Depends=}
Suggests: redis-server (>= 5:7.0) | valkey-server
Enhances: redis-server, valkey-server
Section: database
Priority: optional
Description: web sessions as a native type of Redis and Valkey
 A module for Redis 7.0 and Valkey 8.0, or later ones. The server then knows what
 a session is: its user, its timeouts, its fields; one atomic command each saves,
 loads, rotates, lists and ends sessions.
 .
 Installing it changes no server: /usr/share/redis-session/session.conf says how
 to load it.
EOF
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$root/usr/lib/redis/modules/libredis_session.so" # servers refuse a module without
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=build/dist/redis-session_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
