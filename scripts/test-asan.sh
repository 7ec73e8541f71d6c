#!/usr/bin/env bash
# Runs tests on servers that hold a build of the module with AddressSanitizer: scripts/test-asan.sh [test ...], the names of
# files in tests/. Any report, a leak included, fails it, with the report on the screen.
#
# It needs a server whose allocations the sanitizer can take over: then what the server allocates for the module is watched
# like what the module allocates itself. Debian's Redis 7.0 is one. Later ones call their own allocator past it, and Valkey
# loads modules with RTLD_DEEPBIND from 8.1 on; those are to be built, in a source tree, by `make MALLOC=libc`, and Valkey by
# `make SANITIZER=address`. A module with a mistake is loaded first: where that is not seen, this fails. gcc brings the library.
#
#   SESSION_SERVER   the server, redis-server without it
#   MODEL_OPS        how many random operations, 20,000 without it
#   ASAN_KEEP        a folder to leave the reports in
set -euo pipefail
cd "$(dirname "$0")/.."
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(races hostile lifecycle persistence replication commands access crash model)
export MODEL_OPS=${MODEL_OPS:-20000}
server=${SESSION_SERVER:-redis-server}

library=$(realpath "$(cc -print-file-name=libasan.so)")
[ -e "$library" ] || { echo "cc has no libasan.so: install gcc" >&2; exit 1; }
host=$(rustc -vV | sed -n 's/^host: //p')
work=${ASAN_KEEP:-$(mktemp -d)}
mkdir -p "$work"
work=$(realpath "$work")
[ -n "${ASAN_KEEP:-}" ] || trap 'rm -rf "$work"' EXIT

# The flag is one of the nightly compiler's; the variable lets the stable one take it. With --target the flags are the
# module's alone, not those of programs that run while it is built. Debug assertions are on, too.
export RUSTC_BOOTSTRAP=1 CARGO_PROFILE_DEV_OPT_LEVEL=1
sanitized() { RUSTFLAGS=-Zsanitizer=address cargo "$@" --locked --target "$host" --target-dir target/asan; }
sanitized build
rustc -Zsanitizer=address --edition 2021 --crate-type cdylib -o "$work/canary.so" scripts/asan/canary.rs
module=$PWD/target/asan/$host/debug/libredis_session.so

# The crate leaks what it registers, once, while the module is loaded.
echo 'leak:RedisModule_OnLoad' >"$work/suppressions"
asan=log_path=$work/report:detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1:quarantine_size_mb=64
# What the tests start in the server's place. The shell that starts a wrapped server is watched, too, and has no leaks to report.
cat >"$work/server" <<END
#!/bin/sh
export ASAN_OPTIONS=$asan LSAN_OPTIONS=suppressions=$work/suppressions:print_suppressions=0
export LD_PRELOAD=$library\${LD_PRELOAD:+:\$LD_PRELOAD}
exec $server "\$@"
END
chmod +x "$work/server"

reports() { find "$work" -name 'report.*' | sort; }
unused_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
"$work/server" --port "$(unused_port)" --bind 127.0.0.1 --save '' --dir "$work" --loadmodule "$work/canary.so" \
    >"$work/canary.log" 2>&1 || true
grep -qs 'ERROR: AddressSanitizer: heap-buffer-overflow' $(reports) || {
    tail -n 5 "$work/canary.log" $(reports) >&2
    echo "$server: the sanitizer cannot watch this server, see $0" >&2
    exit 1
}
rm $(reports)

status=0
log=$work/tests.log
sanitized test --lib 2>&1 | tee "$log" || status=1
unset RUSTC_BOOTSTRAP CARGO_PROFILE_DEV_OPT_LEVEL
names=$(printf -- '--test %s ' "${tests[@]}")
# The sanitizer's allocator takes more than the server's would, so tests of how much memory something takes say nothing here.
# shellcheck disable=SC2086 # the names are words
SESSION_SERVER=$work/server SESSION_MODULE=$module SESSION_CHECKED_MODULE=$module \
    cargo test --locked --no-fail-fast $names -- --skip takes_memory --skip copies_no_memory 2>&1 | tee -a "$log" || status=1

count() { sed -nE "s/^test result: .* ([0-9]+) $1;.*/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'; }
found=$(reports | wc -l)
for report in $(reports); do cat "$report"; done
echo "AddressSanitizer on $("$server" --version | cut -d ' ' -f 1-3): $(count passed) tests passed, $(count failed) failed, $found reports"
[ "$status" -eq 0 ] && [ "$found" -eq 0 ] && [ "$(count passed)" -gt 0 ]
