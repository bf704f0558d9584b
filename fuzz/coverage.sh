#!/usr/bin/env bash
# How much of each file the corpora reach, in lines; fails if layer 0 as a whole is below 95 %.
#
# The corpora are replayed by `cargo test --test corpora`, built with coverage. Layer 0 is what the table in
# tests/layers/main.rs says. With --missing it lists the lines of layer 0 that nothing reaches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

least=95
sysroot=$(rustc --print sysroot)
tools=$(echo "$sysroot"/lib/rustlib/*/bin)
[ -x "$tools/llvm-cov" ] || rustup component add llvm-tools
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Around this package only: its dependencies are those of any other test. What the targets take in by its path,
# because it is private to the crate, counts as the file that it is.
cat >"$scratch/rustc" <<'WRAPPER'
#!/bin/sh
exec "$@" -C instrument-coverage --remap-path-prefix=tests/fuzz_targets/../../src=src
WRAPPER
chmod +x "$scratch/rustc"
export RUSTC_WORKSPACE_WRAPPER=$scratch/rustc LLVM_PROFILE_FILE=$scratch/%p-%m.profraw
test=$(cargo test --locked --test corpora --no-run 2>&1 | tee /dev/stderr | sed -n 's/.*(\(.*corpora-[0-9a-f]*\))$/\1/p')
# Build scripts have written profiles as well.
rm -f "$scratch"/*.profraw
"$test" --quiet every_input >/dev/null
"$tools/llvm-profdata" merge -sparse "$scratch"/*.profraw -o "$scratch/profile"

mapfile -t sources < <(git ls-files 'src/*.rs' | grep -v '/tests')
# Each module with its layer: `grpc::head` is src/grpc/head.rs or all in src/grpc/head/.
sed -n '/^const LAYERS/,/^];/s/^ *("\([a-z0-9_:]*\)", \([0-9]\)),$/\1 \2/p' tests/layers/main.rs >"$scratch/layers"
layer() {
    local module=${1#src/} name found=
    module=${module%.rs}
    module=${module%/mod}
    module=${module//\//::}
    for ((; ; )); do
        found=$(awk -v name="$module" '$1 == name { print $2 }' "$scratch/layers")
        [ -z "$found" ] || break
        name=${module%::*}
        [ "$name" != "$module" ] || break
        module=$name
    done
    echo "${found:--}"
}

"$tools/llvm-cov" show "$test" -instr-profile="$scratch/profile" --show-instantiations=false "${sources[@]}" \
    >"$scratch/shown"
# Of each file: its lines with code, those that nothing reaches, and where these are. Unit tests do not count.
awk -v root="$PWD/" -F '|' '
    /^[^ |].*\.rs:$/ { file = substr($0, 1, length($0) - 1); sub(root, "", file); tests = marked = 0; next }
    marked && $3 ~ /^mod [a-z]+ \{/ { tests = 1 }
    { marked = $3 ~ /^#\[cfg\(test\)\]/ }
    !tests && $1 ~ /^ *[0-9]+$/ && $2 ~ /[0-9]/ {
        lines[file]++
        if ($2 + 0 == 0) { missed[file]++; where[file] = where[file] " " $1 + 0 }
    }
    END { for (file in lines) print file, lines[file], missed[file] + 0, where[file] }
' "$scratch/shown" >"$scratch/lines"
while read -r file lines missed where; do
    printf '%s %s %s %s %s\n' "$(layer "$file")" "$file" "$lines" "$missed" "$where"
done <"$scratch/lines" | sort >"$scratch/files"

awk -v least=$least '
    { printf "L%s %6.2f %%  %4d of %4d  %s\n", $1, 100 * ($3 - $4) / $3, $3 - $4, $3, $2 }
    $1 == 0 { lines += $3; missed += $4 }
    END {
        reached = 100 * (lines - missed) / lines
        printf "layer 0: %.2f %% of %d lines\n", reached, lines
        exit reached < least
    }' "$scratch/files" || status=$?

if [ "${1:-}" = --missing ]; then
    awk '$1 == 0 && $4 > 0 { $1 = $3 = $4 = ""; print }' "$scratch/files"
fi
exit "${status:-0}"
