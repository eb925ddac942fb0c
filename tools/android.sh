#!/usr/bin/env bash
# Builds the native library for Android phones, checks it, and puts it where the Gradle build packs it.
#
# Decides which commands run in which order. cargo-ndk builds, sandbox/ndk.sh finds the NDK, which variants an ABI
# has is in android-variants.sh, and what a library must be in android-library.sh.
# Usage: android.sh [--dry-run] [--variant NAME]... ABI...
#   NAME: a variant to build beside the baseline, as android-variants.sh names it; without any, all of them are built.
#   ABI: as the NDK names it.
# Prints what it runs and the check's table, with the size of each library; with --dry-run the commands alone, and needs
# no NDK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

API_LEVEL=24                                       # the oldest Android that is supported: 7.0
PACKED=bindings/kotlin/uhlm-android/target/jniLibs # where the Gradle build looks for libraries
BUILT=target/android                               # and where they stay with their symbols, to read crash reports
LIBRARY=libuhlm_ffi.so                             # as cargo calls each of them

dry_run='' wanted=''
while :; do
    case $1 in
        --dry-run) dry_run=yes && shift ;;
        --variant) wanted="$wanted $2 " && shift 2 ;;
        *) break ;;
    esac
done

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

is_wanted() { # $1: a variant
    [ "$1" = baseline ] || [ -z "$wanted" ] || [ "${wanted/ $1 /}" != "$wanted" ]
}

root="\$PWD" ndk="\$NDK" strip=llvm-strip
if [ -z "$dry_run" ]; then
    root=$PWD
    paths=$(tools/sandbox/ndk.sh)
    ndk=${paths%%$'\n'*} tools=${paths#*$'\n'}
    strip=$tools/bin/llvm-strip
    require_tools "$@"
fi
packed=()
for abi in "$@"; do
    variants=$(tools/android-variants.sh "$abi")
    if [ -z "$dry_run" ]; then
        # A library of an earlier build that is needed no more must not be packed.
        rm -rf "${PACKED:?}/$abi"
        mkdir -p "$PACKED/$abi" "$BUILT/$abi"
    fi
    while read -r variant library settings <&3; do
        is_wanted "$variant" || continue
        # Each has a target directory of its own: llama.cpp's build script sets CMake up once in a directory, and would
        # go on with the settings of another variant there without a word.
        target=$root/$BUILT/build/$abi-$variant
        # llama.cpp's build script reads the NDK's place, the API level and the processor from the environment.
        # shellcheck disable=SC2086 # the settings are words by themselves
        run "ANDROID_NDK=$ndk" "ANDROID_PLATFORM=android-$API_LEVEL" $settings "CARGO_TARGET_DIR=$target" \
            cargo ndk --target "$abi" --platform "$API_LEVEL" build --locked --release --package uhlm-ffi
        # A crash report names the file, and is read with a file of that name.
        run cp "$target/$(rust_target "$abi")/release/$LIBRARY" "$BUILT/$abi/$library"
        run "$strip" --strip-unneeded -o "$PACKED/$abi/$library" "$BUILT/$abi/$library"
        packed+=("$PACKED/$abi/$library")
    done 3<<<"$variants"
done
[ -n "$dry_run" ] || READELF=$tools/bin/llvm-readelf tools/android-library.sh "${packed[@]}"
