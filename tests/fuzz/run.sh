#!/usr/bin/env bash
# Builds every fuzz target and runs each for SECONDS (default 30) on its committed corpus.
# Needs cargo-fuzz and a C++ compiler. RUSTC_BOOTSTRAP lets a stable toolchain use the sanitizer flags.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-30}
export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir .
for target in $(cargo fuzz list --fuzz-dir .); do
    echo "fuzz: $target for ${seconds}s"
    # New inputs go to a scratch folder; the committed corpus is only read.
    scratch=$(mktemp -d)
    # `corpus/$target` comes second, so libFuzzer reads it and writes to the first.
    if ! cargo fuzz run --fuzz-dir . "$target" "$scratch" "corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -max_len=70000 -print_final_stats=0 -verbosity=0 2>"$scratch.log"; then
        cat "$scratch.log"
        exit 1
    fi
    rm -rf "$scratch" "$scratch.log"
done
