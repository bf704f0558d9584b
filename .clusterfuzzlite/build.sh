#!/bin/bash -eu
# Puts every fuzz target with its corpus and dictionary into $OUT. The image sets OUT, the compiler
# and its flags.
cd "$(dirname "$0")/process-wrapper/fuzz" 2>/dev/null || cd "$(dirname "$0")/../fuzz"
cargo fuzz build -O --debug-assertions
built=${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release
for name in $(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' Cargo.toml); do
    cp "$built/$name" "$OUT/"
    zip -jqr "$OUT/${name}_seed_corpus.zip" "corpus/$name"
    [ ! -f "dict/$name.txt" ] || cp "dict/$name.txt" "$OUT/$name.dict"
done
