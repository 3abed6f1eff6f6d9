#!/usr/bin/env bash
# Every benchmark. Each prints its figures, what it is compared with in the same run, and whether its goal is met.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release
printf 'binary: %s MiB (goal: under 25)\n' "$(($(stat -c %s target/release/hobnob) / 1024 / 1024))"
for bench in engine chat start idle; do
    cargo bench --quiet --package hobnob-tests --bench "$bench"
done
cargo bench --quiet --package hobnob-store
cargo bench --quiet --package hobnob-net
for bench in names deposits presence login idle; do
    cargo bench --quiet --package hobnob-rendezvous --bench "$bench"
done
