#!/usr/bin/env bash
# Builds the native library for Android phones, checks it, and puts it where the Gradle build packs it.
#
# Decides which commands run in which order. cargo-ndk builds, sandbox/ndk.sh finds the NDK, and what a library must be
# is in android-library.sh.
# Usage: android.sh [--dry-run] ARM_ARCH ABI...
#   ARM_ARCH: the oldest 64-bit ARM processors to build for, as a compiler names them. ABI: as the NDK names it.
# Prints what it runs and the check's table; with --dry-run the commands alone, and needs no NDK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

API_LEVEL=24                                       # the oldest Android that is supported: 7.0
PACKED=bindings/kotlin/uhlm-android/target/jniLibs # where the Gradle build looks for libraries
BUILT=target/android                               # and where they stay with their symbols, to read crash reports
LIBRARY=libuhlm_ffi.so

dry_run=
if [ "$1" = --dry-run ]; then
    dry_run=yes
    shift
fi
arm_arch=$1
shift

run() {
    if [ -n "$dry_run" ]; then
        echo "$*"
    else
        echo "\$ $*" >&2
        env "$@"
    fi
}

rust_target() { # $1: an ABI
    case $1 in
        arm64-v8a) echo aarch64-linux-android ;;
        armeabi-v7a) echo armv7-linux-androideabi ;;
        *) echo "$1-linux-android" ;;
    esac
}

require_tools() {
    local abi target missing=''
    cargo ndk --version >/dev/null || { echo "install it: cargo install --locked cargo-ndk" >&2 && exit 1; }
    for abi in "$@"; do
        target=$(rust_target "$abi")
        [ -d "$(rustc --print target-libdir --target "$target")" ] || missing="$missing $target"
    done
    [ -z "$missing" ] || { echo "Rust targets are missing: rustup target add$missing" >&2 && exit 1; }
}

ndk="\$NDK" strip=llvm-strip
if [ -z "$dry_run" ]; then
    paths=$(tools/sandbox/ndk.sh)
    ndk=${paths%%$'\n'*} tools=${paths#*$'\n'}
    strip=$tools/bin/llvm-strip
    require_tools "$@"
fi
packed=()
for abi in "$@"; do
    # llama.cpp's build script reads the NDK's place, the API level and the processor from the environment.
    run "ANDROID_NDK=$ndk" "ANDROID_PLATFORM=android-$API_LEVEL" "GGML_CPU_ARM_ARCH=$arm_arch" \
        cargo ndk --target "$abi" --platform "$API_LEVEL" --output-dir "$BUILT" \
        build --locked --release --package uhlm-ffi
    if [ -z "$dry_run" ]; then
        # A library of an earlier build that is needed no more must not be packed.
        rm -rf "${PACKED:?}/$abi"
        mkdir -p "$PACKED/$abi"
    fi
    run "$strip" --strip-unneeded -o "$PACKED/$abi/$LIBRARY" "$BUILT/$abi/$LIBRARY"
    packed+=("$PACKED/$abi/$LIBRARY")
done
[ -n "$dry_run" ] || READELF=$tools/bin/llvm-readelf tools/android-library.sh "${packed[@]}"
