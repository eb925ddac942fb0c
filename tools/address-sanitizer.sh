#!/usr/bin/env bash
# Runs what reads files of strangers, and what apps call, under AddressSanitizer: Rust with nightly's, llama.cpp and
# ring with the C++ compiler's.
#
# Decides what runs, and leaves what must hold to those tests and fuzz targets. Nothing of it is in CI: a build takes
# twenty minutes of two cores, and nightly Rust is asked for.
# Usage: address-sanitizer.sh [RUNS]: how many inputs each fuzz target of files gets, 20000 unless it is set.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
runs=${1:-20000}
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')

# For the target alone: build scripts and macros run without.
export RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" CARGO_INCREMENTAL=0
flags="-fsanitize=address -fno-omit-frame-pointer"
export "CFLAGS_${triple//-/_}=$flags" "CXXFLAGS_${triple//-/_}=$flags"
# Address space is reserved without end, so no test that limits it is among these. What a process still holds at its end
# is for the soak to tell: a model that a static holds is no leak.
export ASAN_OPTIONS="detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1"
# A pass takes several times as long.
export RUST_TEST_THREADS=1
cargo=(cargo +nightly)
where=(--target "$triple" --target-dir "$root/target/asan" --manifest-path "$root/Cargo.toml")
# The same packages each time: with others, crates have other features, and llama.cpp is built again.
packages=(-p uhlm-fuzz -p uhlm-tests -p uhlm-ffi)

"${cargo[@]}" build --locked "${where[@]}" "${packages[@]}" --bin fuzz --bin flip_header
"${cargo[@]}" test --locked "${where[@]}" "${packages[@]}" --test conformance
"${cargo[@]}" test --locked "${where[@]}" "${packages[@]}" --lib
# Every 64th bit of a model's header flipped, in a process each.
rm -f "$root/target/asan/flips.json"
"$root/target/asan/$triple/debug/flip_header" "$root/models/demo-draft.gguf" "$root/target/asan/flips.json" 64
for target in gguf load session template store config; do
    "$root/target/asan/$triple/debug/fuzz" --target "$target" --runs "$runs" --seed 71
done
