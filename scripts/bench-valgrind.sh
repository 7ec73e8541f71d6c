#!/bin/sh
# A server under valgrind, which counts its instructions when it is told to: what `make bench-instructions` starts.
# VALGRIND_SERVER names the server; what is counted is written to target/callgrind.
dir=$(cd "$(dirname "$0")/.." && pwd)/target/callgrind
mkdir -p "$dir"
exec valgrind --tool=callgrind --instr-atstart=no --trace-children=yes --callgrind-out-file="$dir/%p" \
    "${VALGRIND_SERVER:-redis-server}" "$@"
