#!/usr/bin/env bash
# Fuzzes the pure code, guided by coverage and under AddressSanitizer, and sends random arguments to a server: scripts/fuzz.sh
# [target ...], the files in fuzz/targets/ and `hostile`. What it learns stays in build/fuzz/ for the next time. It needs a C++
# compiler.
#
#   FUZZ_SECONDS   how long, all targets together; 600 without it
#   FUZZ_SEED      the seed; the clock's without it
set -euo pipefail
cd "$(dirname "$0")/.."
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(payload write json hostile)
seed=${FUZZ_SEED:-$(($(date +%s%N) / 1000 % 2000000000 + 1))}
seconds=$((${FUZZ_SECONDS:-600} / ${#targets[@]}))
[ "$seconds" -gt 0 ] || { echo "FUZZ_SECONDS is less than a second a target" >&2; exit 1; } # 0 would be for ever

# What cargo-fuzz gives the compiler. The variable lets the stable one take the sanitizer's flag; with --target the flags are
# not those of programs that run while it is built.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --locked --manifest-path fuzz/Cargo.toml --target "$host" --target-dir target/fuzz

# guided <target>: the fuzzer itself.
guided() {
    local target=$1 program=target/fuzz/$host/release/$1 corpus=build/fuzz/$1 log=build/fuzz/$1.log seeds=() failed=
    [ ! -d "fuzz/seeds/$target" ] || seeds=("fuzz/seeds/$target")
    mkdir -p "$corpus"
    # The first folder takes what is new; the second holds what it begins with, inputs that found something once among them.
    "$program" -seed="$seed" -max_total_time="$seconds" -max_len=4096 -use_value_profile=1 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/found/$target-" "$corpus" "${seeds[@]}" >"$log" 2>&1 || failed=yes
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs," \
        "$(find "$corpus" -type f | wc -l) of them kept, $(grep -aoE 'cov: [0-9]+' "$log" | tail -n 1)"
    [ -n "$failed" ] || return 0
    grep -aE -A 6 'panicked at|ERROR: ' "$log" | head -n 40 >&2
    echo "The whole of it: $log. Again: $program $(ls -t build/fuzz/found/"$target"-* | head -n 1)" >&2
    return 1
}

# hostile: that test, with one seed after the other.
hostile() {
    local log=build/fuzz/hostile.log end=$((SECONDS + seconds)) runs=0 from=$seed
    while [ "$SECONDS" -lt "$end" ]; do
        if ! HOSTILE_SEED=$((from + runs)) cargo test --locked --test hostile -- --nocapture >"$log" 2>&1; then
            grep -E -A 6 'panicked at|^error' "$log" | head -n 40 >&2
            echo "The whole of it: $log. Again: HOSTILE_SEED=$((from + runs)) cargo test --test hostile" >&2
            return 1
        fi
        runs=$((runs + 1))
    done
    echo "hostile: $runs runs"
}

mkdir -p build/fuzz/found
failed=()
for target in "${targets[@]}"; do
    echo "=== $target: $seconds seconds, FUZZ_SEED=$seed"
    if [ "$target" = hostile ]; then hostile; else guided "$target"; fi || failed+=("$target")
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
