#!/usr/bin/env bash
# Type-checks everything that goes into an app's library for the real phone targets, and all below it.
#
# Decides which toolchain can: Rust's own where rustup has it for the target. Elsewhere sandbox/phone-rust.sh fetches
# the sources of the standard library, and cargo builds that for the target. No C or C++ is compiled for the phone:
# cargo is told the results of the build scripts of llama.cpp and of the cryptography library instead, with the bindings
# made for this machine. Their types are those of every 64-bit processor.
# Usage: phone-targets.sh BINDINGS    the output folder of llama.cpp's build script, with the bindings in it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bindings=$1
version=$(cargo pkgid --locked ring)
version=${version##*[@#]}
build_std=

# $@: targets. They are checked at once, because the crates of a standard library wait for each other.
check() {
    local target arguments=()
    for target in "$@"; do
        # Cargo takes the table `target.TRIPLE.LIBRARY` of its configuration instead of running a build script. The
        # bindings are included from `OUT_DIR`; the cryptography's library is named after its version; `uhlm_guard` is
        # what `uhlm-llama` compiles to catch the exceptions of llama.cpp.
        arguments+=(--target "$target" --config "target.$target.llama.rustc-env.OUT_DIR='$bindings'"
            --config "target.$target.ring_core_${version//./_}_.rustc-link-lib=[]"
            --config "target.$target.uhlm_guard.rustc-link-lib=[]")
    done
    # The folder is its own: a change of compiler would rebuild the other one's units.
    cargo check --package uhlm-ffi --lib --locked --target-dir target/phone ${build_std:+"$build_std"} "${arguments[@]}"
    echo "$*: type-checked"
}

complete=() bare=()
for target in aarch64-linux-android aarch64-apple-ios; do
    if [ -d "$("${RUSTC:-rustc}" --print target-libdir --target "$target")" ]; then
        complete+=("$target")
    else
        bare+=("$target")
    fi
done
if [ ${#complete[@]} != 0 ]; then check "${complete[@]}"; fi
if [ ${#bare[@]} != 0 ]; then
    paths=$(tools/sandbox/phone-rust.sh)
    # A released compiler builds a standard library only if it is told that it is its own.
    export RUSTC_BOOTSTRAP=1 RUSTC=${paths%%$'\n'*} LD_LIBRARY_PATH=${paths#*$'\n'}
    # Lints are the business of another step and another compiler.
    export RUSTFLAGS="--cap-lints warn"
    unset RUSTUP_TOOLCHAIN
    build_std=-Zbuild-std=std,panic_unwind
    check "${bare[@]}"
fi
