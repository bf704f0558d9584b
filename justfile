# The everyday commands. CI runs the same ones. `just` alone lists them.

# List the commands.
default:
    @just --list

# Run the tests.
test:
    cargo test --locked

# Check the format and the lints.
lint:
    cargo fmt --all --check
    cargo clippy --locked --all-targets -- -D warnings

# Run the whole of CI.
ci:
    bash .ci/run

# Build a static binary for scratch images.
static:
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --target x86_64-unknown-linux-gnu

# Build the scratch image from the static binary, and run it as PID 1.
image: static
    packaging/container/scratch-image target/x86_64-unknown-linux-gnu/release/process-wrapper

# Build the documentation.
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
