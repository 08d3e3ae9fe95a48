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

# Feed the readers of files, queries, connections, URLs and cursors chance, so many times as much as CI does (100: about ten minutes)
fuzz-readers factor="100":
    CLARIBI_TEST_FUZZ_FACTOR={{ factor }} cargo test --locked --lib -- fuzzed guard::tests cursor::tests

# Hold the limiter against a plain recount in so many random traces
limiter-traces count="1000000":
    CLARIBI_TEST_LIMITER_TRACES={{ count }} cargo test --release --locked --lib domain::window

# Take credentials away under load, so many times as many as CI does (8: about a minute)
hammer factor="8":
    CLARIBI_TEST_HAMMER_FACTOR={{ factor }} tests/run hammer

# Kill the server in the midst of its work, so many times (10 in CI)
kill-drill rounds="100":
    CLARIBI_TEST_KILL_ROUNDS={{ rounds }} tests/run kill_drill --nocapture

# Hold every kind of file and database against SQLite over all flights (3,000 rows of each table in CI)
agreement:
    CLARIBI_TEST_FLIGHTS=1000000 tests/run databases::agreement --nocapture

# Cut the connection to each kind of database at so many places by chance (12 in CI); CLARIBI_TEST_CUT_SEED repeats them
cuts count="300":
    CLARIBI_TEST_CUTS={{ count }} tests/run databases::broken --nocapture

# Run a benchmark: audit, gateway, keys, limiter, neighbours or usage
bench name:
    cargo bench --locked --bench {{ name }}

# Measure the engine beside DuckDB, which is installed for it, over so many generated rows
bench-engine rows="10000000":
    test -x {{ CARGO_TARGET_DIR }}/bench-engine/bin/python || python3 -m venv {{ CARGO_TARGET_DIR }}/bench-engine
    {{ CARGO_TARGET_DIR }}/bench-engine/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement benches/engine/requirements.txt
    CLARIBI_BENCH_ENGINE_PYTHON={{ CARGO_TARGET_DIR }}/bench-engine/bin/python CLARIBI_BENCH_ROWS={{ rows }} cargo bench --locked --bench engine

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
