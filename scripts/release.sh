#!/usr/bin/env bash
# Releases a version: checks that it can be, writes its number wherever one stands, commits and tags. Nothing is pushed.
# scripts/release.sh <x.y.z> [--dry-run]
#
# With --dry-run it does so in a copy that is thrown away, and shows what would change.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
refuse() { echo "No release: $*" >&2; exit 1; }
[[ "$version" =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)$ ]] || refuse "the version is x.y.z, y and z below 100: make release VERSION=1.2.3"

if [ "${2:-}" = --dry-run ]; then
    [ -z "$(git status --porcelain)" ] || refuse "the work tree is not clean: $(git status --porcelain | head -n 1)"
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    git clone --quiet --no-hardlinks . "$copy/repository"
    cp .git/config "$copy/repository/.git/config" # who commits
    "$copy/repository/scripts/release.sh" "$version"
    git -C "$copy/repository" --no-pager show --format= HEAD
    echo "This was a dry run: nothing has changed here"
    exit
fi

[ -z "$(git status --porcelain)" ] || refuse "the work tree is not clean: $(git status --porcelain | head -n 1)"
! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || refuse "there is a tag v$version already"
last=$(git tag --list 'v*.*.*' --sort=-version:refname | head -n 1)
[ -z "$last" ] || [ "$(printf '%s\n' "${last#v}" "$version" | sort -V | tail -n 1)" = "$version" ] || refuse "$version is older than $last"

section=$(awk -v version="$version" '/^## / { inside = $2 == version; next } inside' CHANGELOG.md)
[ -n "${section//[[:space:]]/}" ] || refuse "CHANGELOG.md says nothing of $version (## $version (unreleased))"
first=$(awk '/^## / { print $2; exit }' CHANGELOG.md)
[ "$first" = "$version" ] || refuse "in CHANGELOG.md $first stands before $version"

# What has been written once is read for ever: a test has to hold it, see tests/versions.rs.
formats=(src/session/layout.rs src/session/effect.rs src/session/record.rs src/session/fields.rs src/session/wire.rs)
if [ ! -d "tests/formats/$version" ] && { [ -z "$last" ] || ! git diff --quiet "$last" -- "${formats[@]}"; }; then
    refuse "what writes the formats has changed since ${last:-the beginning}, and there is no tests/formats/$version:" \
        "set the version in Cargo.toml, then cargo test --test versions -- --ignored"
fi

mapfile -t locks < <(git ls-files '*package-lock.json')
python3 - "$version" "$(date -u +%F)" "${locks[@]}" <<'EOF'
import json
import re
import sys
from pathlib import Path

version, today, *locks = sys.argv[1:]
major, minor, patch = map(int, version.split("."))


def replace(name, pattern, new):
    path = Path(name)
    text, times = re.subn(pattern, lambda found: found[1] + new + found[2], path.read_text(), count=1, flags=re.MULTILINE)
    if times != 1:
        sys.exit(f"No release: no version found in {name}")
    path.write_text(text)


replace("Cargo.toml", r'^(version = ")[^"]*(")$', version)
replace("Cargo.lock", r'(^name = "redis-session"\nversion = ")[^"]*(")$', version)
replace("src/keyspace/load.rs", r"(/// The version that `MODULE LIST` shows: )[0-9.]*(\.)$", version)
replace("src/keyspace/load.rs", r"^(const VERSION: c_int = )[0-9]*(;)$", str(major * 10000 + minor * 100 + patch))
replace("clients/python/src/redis_session_client/__init__.py", r'^(__version__ = ")[^"]*(")$', version)
replace("CHANGELOG.md", rf"^(## {re.escape(version)})(?: \(.*\))?()$", f" ({today})")


def numbered(name, change):
    path = Path(name)
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def ours(lock):
    """npm notes the package's version where it is, and where another folder uses it from here."""
    if lock["name"] == "redis-session-client":
        lock["version"] = version
    for package in lock["packages"].values():
        if package.get("name") == "redis-session-client":
            package["version"] = version


numbered("clients/node/package.json", lambda manifest: manifest.update(version=version))
for name in locks:
    numbered(name, ours)
EOF
cargo metadata --locked --no-deps --format-version 1 >/dev/null || refuse "Cargo.lock does not go with Cargo.toml"
git diff --stat
git commit --quiet --all --message "Release $version"
git tag --annotate --message "redis-session $version" "v$version"
echo "Released $version. To publish it: git push --follow-tags"
