# What people run while they work on hobnob. `just` alone lists it.

default:
    @just --list

# The gate: what .ci/run calls too.
check: fmt lint test doc

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets -- -D warnings

# The README's command.
test:
    cargo test --workspace

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# The book, into target/book.
book:
    mdbook build

# Advisories, licences and duplicates; needs cargo-deny.
deny:
    cargo deny check

# Every benchmark; each prints its figure and its ratio.
bench:
    bash tests/bench.sh

# Each fuzz target for SECONDS seconds; needs cargo-fuzz and a C++ compiler.
fuzz SECONDS="30":
    bash tests/fuzz/run.sh {{SECONDS}}

# Writes the pages that are generated from the code.
generate:
    HOBNOB_WRITE_DOCS=1 HOBNOB_BLESS=1 cargo test --package hobnob --lib
