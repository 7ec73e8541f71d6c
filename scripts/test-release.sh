#!/usr/bin/env bash
# Tries scripts/release.sh in a clone that is thrown away: what it refuses, what it writes. scripts/test-release.sh
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
git clone --quiet --no-hardlinks . "$base/repository"
cp scripts/release.sh "$base/repository/scripts/" # the one that is being worked on
cd "$base/repository"
git config user.name test
git config user.email test@invalid
git tag --list | xargs -r git tag --delete >/dev/null
git add --all
git commit --quiet --allow-empty --message "what is being worked on"

fails() { echo "$*" >&2; exit 1; }
refuses() { # refuses <version> <words that it says>: and changes nothing
    local before said
    before=$(git rev-parse HEAD; git tag; git status --porcelain)
    ! said=$(scripts/release.sh "$1" 2>&1) || fails "$1 was released"
    [[ "$said" = "No release: "*"$2"* ]] || fails "$1: $said"
    [ "$before" = "$(git rev-parse HEAD; git tag; git status --porcelain)" ] || fails "$1: refused, and something has changed"
    echo "refused: $said"
}
commit() { git commit --quiet --all --message "$1"; }
unreleased() { # unreleased <version>: a section at the top of the changelog
    sed -i "0,/^## /s//## $1 (unreleased)\n\n- Something.\n\n## /" CHANGELOG.md
}
numbers() { # every number that there is
    sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1
    grep -A 1 '^name = "redis-session"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p'
    sed -n 's/^__version__ = "\(.*\)"/\1/p' clients/python/src/redis_session_client/__init__.py
    sed -n 's/^const VERSION: c_int = \([0-9]*\);/\1/p' src/keyspace/load.rs
    python3 -c 'import json
for name in "package.json", "package-lock.json":
    manifest = json.load(open(f"clients/node/{name}"))
    print(manifest["version"], manifest.get("packages", {}).get("", manifest)["version"])'
}
released() { # released <version> <as MODULE LIST shows it>
    scripts/release.sh "$1" >/dev/null
    [ -z "$(git status --porcelain)" ] || fails "$1: the tree is not clean"
    [ "$(git rev-parse HEAD)" = "$(git rev-parse "v$1^{commit}")" ] || fails "$1: the tag is elsewhere"
    grep -qx "## $1 ($(date -u +%F))" CHANGELOG.md || fails "$1: no date in the changelog"
    [ "$(numbers | paste -sd ' ')" = "$1 $1 $1 $2 $1 $1 $1 $1" ] || fails "$1: $(numbers | paste -sd ' ')"
    echo "released: $1"
}

# Whatever the changelog says at the moment, it begins with a version that is to come.
current=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
[ "$(awk '/^## / { print $2; exit }' CHANGELOG.md)" = "$current" ] || unreleased "$current"
mkdir -p "tests/formats/$current" && touch "tests/formats/$current/facts"
git add --all && git commit --quiet --allow-empty --message "$current"

refuses "" "the version is x.y.z"
refuses 1.2 "the version is x.y.z"
refuses 1.2.100 "the version is x.y.z"
refuses 99.0.0 "CHANGELOG.md says nothing of 99.0.0"
echo >>README.md
refuses "$current" "the work tree is not clean"
git checkout --quiet README.md

before=$(git rev-parse HEAD)
scripts/release.sh "$current" --dry-run | grep -q "^This was a dry run" || fails "no dry run"
[ "$before" = "$(git rev-parse HEAD)" ] && [ -z "$(git tag)" ] && [ -z "$(git status --porcelain)" ] || fails "a dry run changed something"

shown=$(awk -F . '{ print $1 * 10000 + $2 * 100 + $3 }' <<<"$current")
released "$current" "$shown"
refuses "$current" "there is a tag v$current already"
unreleased 98.3.7 && commit "the next one"
released 98.3.7 980307
unreleased 98.3.6 && commit "an older one"
refuses 98.3.6 "98.3.6 is older than v98.3.7"
sed -i '/^## 98.3.6/,/^## 98.3.7/{/^## 98.3.7/!d}' CHANGELOG.md
unreleased 99.0.0
echo "// Another format." >>src/session/layout.rs
commit "another format"
refuses 99.0.0 "there is no tests/formats/99.0.0"
mkdir tests/formats/99.0.0 && touch tests/formats/99.0.0/facts && git add tests/formats && commit "its files"
released 99.0.0 990000
