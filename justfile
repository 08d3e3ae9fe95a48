# The commands of every day. `just` lists them.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", env("HOME") / ".cache/claribi/target")

_list:
    @just --list --unsorted

# Format the sources
fmt:
    cargo fmt

# What CI says about the sources
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings

# Run all tests, or those whose names contain a text
test *names:
    tests/run {{ names }}

# Accept the OpenAPI documents as they are now; CHANGELOG.md says what changed
accept-openapi:
    CLARIBI_ACCEPT_OPENAPI=1 cargo test --locked --test it openapi::a_document

# Fuzz the API for so many times as long as CI does (20: about an hour and a half)
fuzz factor="20":
    CLARIBI_TEST_FUZZ_FACTOR={{ factor }} tests/run fuzzed

# Hold the limiter against a plain recount in so many random traces
limiter-traces count="1000000":
    CLARIBI_TEST_LIMITER_TRACES={{ count }} cargo test --release --locked --lib domain::window

# Take credentials away under load, so many times as many as CI does (8: about a minute)
hammer factor="8":
    CLARIBI_TEST_HAMMER_FACTOR={{ factor }} tests/run hammer

# Kill the server in the midst of its work, so many times (10 in CI)
kill-drill rounds="100":
    CLARIBI_TEST_KILL_ROUNDS={{ rounds }} tests/run kill_drill --nocapture

# Hold files and databases against each other over all flights (40,000 of them in CI)
agreement:
    CLARIBI_TEST_FLIGHTS=1000000 tests/run databases::agreement

# Run the benchmarks
bench *names:
    cargo bench --locked -- {{ names }}

# Write the documentation of the code
doc:
    cargo doc --locked --no-deps --document-private-items

# Serve example data
sandbox *arguments:
    cargo run --locked -- sandbox {{ arguments }}

# List what others wrote, after Cargo.lock changed
notices:
    packaging/notices

# Everything that CI does
ci:
    .ci/run
