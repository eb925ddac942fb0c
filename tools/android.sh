#!/usr/bin/env bash
# Builds the native library for Android phones, checks it, and puts it where the Gradle build packs it.
#
# Decides which commands run in which order. cargo-ndk builds, sandbox/ndk.sh finds the NDK, which variants an ABI
# has is in android-variants.sh, and what a library must be in android-library.sh.
# Usage: android.sh [--dry-run] [--variant NAME]... ABI...
#   NAME: a variant to build beside the baseline, as android-variants.sh names it; without any, all of them are built.
#   ABI: as the NDK names it.
# UHLM_GPU=vulkan or opencl in the environment gives the variants beside the baselines a backend for GPUs. The baselines
# stay without one: such a library is not loaded by a phone that lacks the system's library for the GPU, and every phone
# must be able to load something.
# Prints what it runs and the check's table, with the size of each library; with --dry-run the commands alone, and needs
# no NDK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

API_LEVEL=24                                       # the oldest Android that is supported: 7.0
GPU_API_LEVEL=28                                   # ggml links to functions of Vulkan 1.1, which came with 9
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

# What llama.cpp's build script asks of the environment for a GPU; `docs/device.md` says where to get it.
require_gpu() {
    local missing=''
    case $gpu in
        '') return ;;
        vulkan)
            [ -f "${VULKAN_INCLUDE_DIR:-}/vulkan/vulkan.hpp" ] ||
                missing="$missing
  VULKAN_INCLUDE_DIR: a folder with vulkan/vulkan.hpp (Vulkan-Headers; the NDK has the C headers alone)"
            [ -f "${SPIRV_HEADERS_DIR:-}/SPIRV-HeadersConfig.cmake" ] ||
                missing="$missing
  SPIRV_HEADERS_DIR: the folder with SPIRV-HeadersConfig.cmake (SPIRV-Headers); its headers are looked for in
    SPIRV_HEADERS_INCLUDE_DIR, or in VULKAN_INCLUDE_DIR"
            [ -n "${VULKAN_GLSLC:-}" ] || command -v glslc >/dev/null ||
                missing="$missing
  VULKAN_GLSLC: the compiler for shaders, unless \`glslc\` is on PATH (shaderc)"
            ;;
        opencl)
            [ -f "${OPENCL_INCLUDE_DIR:-}/CL/cl.h" ] ||
                missing="$missing
  OPENCL_INCLUDE_DIR: a folder with CL/cl.h (OpenCL-Headers)"
            [ -f "${OPENCL_LIBRARY:-}" ] ||
                missing="$missing
  OPENCL_LIBRARY: a libOpenCL.so for the ABI to link to (OpenCL-ICD-Loader, built with the NDK)"
            command -v "${PYTHON3_EXECUTABLE:-python3}" >/dev/null ||
                missing="$missing
  PYTHON3_EXECUTABLE: a Python, unless \`python3\` is on PATH"
            ;;
    esac
    [ -z "$missing" ] || { echo "UHLM_GPU=$gpu needs in the environment:$missing" >&2 && exit 1; }
}

is_wanted() { # $1: a variant
    [ "$1" = baseline ] || [ -z "$wanted" ] || [ "${wanted/ $1 /}" != "$wanted" ]
}

gpu=${UHLM_GPU:-}
case $gpu in
    '' | vulkan | opencl) ;;
    *) echo "UHLM_GPU is vulkan or opencl, not $gpu" >&2 && exit 1 ;;
esac
root="\$PWD" ndk="\$NDK" strip=llvm-strip
if [ -z "$dry_run" ]; then
    root=$PWD
    paths=$(tools/sandbox/ndk.sh)
    ndk=${paths%%$'\n'*} tools=${paths#*$'\n'}
    strip=$tools/bin/llvm-strip
    require_tools "$@"
    require_gpu
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
        target=$root/$BUILT/build/$abi-$variant level=$API_LEVEL features=''
        if [ -n "$gpu" ] && [ "$variant" != baseline ]; then
            target=$target-$gpu level=$GPU_API_LEVEL features="--features $gpu"
        fi
        # llama.cpp's build script reads the NDK's place, the API level and the processor from the environment.
        # shellcheck disable=SC2086 # the settings and the features are words by themselves
        run "ANDROID_NDK=$ndk" "ANDROID_PLATFORM=android-$level" $settings "CARGO_TARGET_DIR=$target" \
            cargo ndk --target "$abi" --platform "$level" build --locked --release --package uhlm-ffi $features
        # A crash report names the file, and is read with a file of that name.
        run cp "$target/$(rust_target "$abi")/release/$LIBRARY" "$BUILT/$abi/$library"
        run "$strip" --strip-unneeded -o "$PACKED/$abi/$library" "$BUILT/$abi/$library"
        packed+=("$PACKED/$abi/$library")
    done 3<<<"$variants"
done
[ -n "$dry_run" ] || READELF=$tools/bin/llvm-readelf tools/android-library.sh "${packed[@]}"
