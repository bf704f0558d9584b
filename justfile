# The everyday commands, each the same as what CI runs. `just` alone lists them.

# List the commands.
default:
    @just --list

# The tests.
test:
    cargo test --locked

# What a reviewer would say first.
lint:
    cargo fmt --all --check
    cargo clippy --locked --all-targets -- -D warnings

# Everything that decides.
ci:
    bash .ci/run

# A static binary for scratch images.
static:
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --target x86_64-unknown-linux-gnu

# The scratch image, built from the static binary and run as PID 1.
image: static
    packaging/container/scratch-image target/x86_64-unknown-linux-gnu/release/process-wrapper

# The documentation.
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
