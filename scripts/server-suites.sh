#!/usr/bin/env bash
# Runs a server's own test suite with the module loaded into every server that it starts, and without, and says which tests
# fail only with it: scripts/server-suites.sh <source tree of Redis or Valkey> [test file, like unit/info, ...].
# Without files: all of the tree's, which takes an hour. Fails if a test does only with the module, twice in a row.
#
# The tree is read, not changed; it should be of the server's version. It needs Tcl (apt-get install tcl).
#
#   SESSION_SERVER   the server: redis-server or valkey-server, whichever the tree is of, without it
#   SESSION_MODULE   the module, the release build without it
#   SUITE_SECONDS    how long one test file may take, 1200 without it
#   SUITE_PORT       the first of 2,000 ports for the servers, 21111 without it
set -euo pipefail
tree=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
module=$(realpath "${SESSION_MODULE:-target/release/libredis_session.so}")
brand=redis
[ -e "$tree/src/valkey-cli.c" ] && brand=valkey
server=$(command -v "${SESSION_SERVER:-$brand-server}") || { echo "there is no ${SESSION_SERVER:-$brand-server}" >&2; exit 1; }
server=$(realpath --no-symlinks "$server")
command -v tclsh >/dev/null || { echo "tclsh is missing: apt-get install tcl" >&2; exit 1; }
version=$(sed -nE "s/.*${brand^^}_VERSION \"(.*)\"/\1/p" "$tree/src/version.h")
"$server" --version | grep -q "v=$version " || echo "note: the tree is of $version, the server is $("$server" --version | cut -d ' ' -f 1-3)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The suite starts ./src/<brand>-server and its like. What stands beside the server, or behind its wrapper (scripts/servers.sh), is used.
cp -r "$tree"/{tests,utils,runtest} "$work"
mkdir "$work/src"
[ ! -d "$tree/src/commands" ] || cp -r "$tree/src/commands" "$work/src"
for program in server cli benchmark check-aof check-rdb sentinel; do
    beside=$(dirname "$server")/$brand-$program link=$work/src/$brand-$program
    if [ "$program" = server ]; then
        ln -s "$server" "$link"
    elif [ -e "$beside" ]; then
        ln -s "$beside" "$link"
    elif head -c 2 "$server" | grep -q '#!'; then
        sed "s|/usr/bin/$brand-server |/usr/bin/$brand-$program |" "$server" >"$link"
        chmod +x "$link"
    fi
done

# failures <file> [--config …]: the tests of a file that fail, one a line, and a line more if the run itself ends in error. How
# many passed, and how many servers said that they loaded the module, is left in files.
failures() {
    local file=$1 log=$work/log status=0
    shift
    rm -rf "$work"/tests/tmp/*
    (cd "$work" && timeout "${SUITE_SECONDS:-1200}" ./runtest --single "$file" --clients 1 --dont-clean --portcount 2000 \
        --baseport "${SUITE_PORT:-21111}" "$@") 2>&1 </dev/null | sed 's/\x1b\[[0-9;]*m//g' >"$log" || status=$?
    # A test's name ends where its file's begins; what follows differs from run to run.
    {
        sed -nE 's/^ *(\*\*\* )?\[(err|exception|timeout)\]: //p' "$log" | sed -E 's/ in tests\/.*//'
        [ "$status" -eq 0 ] || echo "(the run: status $status)"
    } | sort -u
    grep -c '^\[ok\]' "$log" >"$work/passed" || true
    cat "$work"/tests/tmp/*/stdout 2>/dev/null | grep -c "Module 'session' loaded" >"$work/loaded" || true
}

files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(cd "$work" && ./runtest --list-tests | grep -v moduleapi)
differing=() ran=0 tests=0 loaded=0 failing=()
for file in "${files[@]}"; do
    for attempt in 1 2; do
        with=$(failures "$file" --config loadmodule "$module")
        passed=$(cat "$work/passed") loaded=$((loaded + $(cat "$work/loaded")))
        without=$(failures "$file")
        worse=$(comm -23 <(echo "$with") <(echo "$without"))
        [ -n "$worse" ] || break
    done
    ran=$((ran + 1)) tests=$((tests + passed))
    if [ -n "$worse" ]; then
        printf '%s: differs, %s passed\n%s\n' "$file" "$passed" "$(sed 's/^/    only with the module: /' <<<"$worse")"
        differing+=("$file")
    elif [ -n "$without" ]; then
        printf '%s: fails without the module, too, %s passed\n' "$file" "$passed"
        failing+=("$file")
    else
        printf '%s: %s passed\n' "$file" "$passed"
    fi
done
echo "$("$server" --version | cut -d ' ' -f 1-3): $ran files, $tests tests passed with the module, which $loaded servers loaded; ${#differing[@]} files differ${differing[*]:+: ${differing[*]}}"
echo "${#failing[@]} fail without the module, too${failing[*]:+: ${failing[*]}}"
[ "${#differing[@]}" -eq 0 ] && [ "$tests" -gt 0 ] && [ "$loaded" -gt 0 ]
