#!/usr/bin/env bash
# Tests the scripts of this folder, as far as this machine has what they need; says what is left out.
# Usage: test.sh
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
failed=0

# $1: what is tested; $2: 0, or 1 if the command must fail; $3: a pattern that its output must match;
# the rest: the command
expect() {
    local what=$1 status=0 output
    output=$("${@:4}" 2>&1) || status=1
    if [ "$status" != "$2" ] || ! grep -qE -e "$3" <<<"$output"; then
        printf 'FAILED: %s\nstatus %s, not %s, or without %s:\n%s\n' "$what" "$status" "$2" "$3" "$output" >&2
        failed=1
    fi
}

every_script_parses() {
    local script
    for script in "$tools"/*.sh "$tools"/sandbox/*.sh; do
        expect "$script parses" 0 '' bash -n "$script"
        if command -v shellcheck >/dev/null; then expect "$script" 0 '' shellcheck --severity=warning "$script"; fi
    done
}

packages() {
    local manager packages=$tools/sandbox/packages.sh
    for manager in apt-get dnf pacman apk zypper; do
        expect "$manager has each tool" 0 "$manager .*gcc.*cmake" \
            env PACKAGE_MANAGER=$manager "$packages" --print c c++ cmake make libclang git maven
    done
    expect "a package of two tools comes once" 0 '--noconfirm gcc cmake$' \
        env PACKAGE_MANAGER=pacman "$packages" --print c c++ cmake
    expect "Apple's tools bring the rest" 0 'brew install cmake$' \
        env PACKAGE_MANAGER=brew "$packages" --print c cmake git
    expect "only what is asked for is installed" 0 ' clang libclang-dev$' \
        env PACKAGE_MANAGER=apt-get "$packages" --print libclang
    expect "nothing is nothing" 0 '^$' "$packages" --print
    expect "a tool without a package is an error" 1 'dnf has no package for debootstrap' \
        env PACKAGE_MANAGER=dnf "$packages" --print debootstrap
}

setup() {
    local setup=$tools/sandbox/setup.sh
    expect "a compiler that does not run is missing" 1 'MISSING +C compiler +.no-such-compiler' \
        env CC=no-such-compiler "$setup" --check
    printf '#!/bin/sh\necho cmake version 3.9.9\n' >cmake && chmod +x cmake
    expect "versions compare by number" 1 '3\.9\.9 is too old, 3\.14 is needed' env CMAKE=./cmake "$setup" --check
    printf '#!/bin/sh\necho cmake version 3.30.0-rc4\n' >cmake
    expect "a newer one serves" 0 'ok +cmake +cmake version 3\.30\.0' \
        sh -c "CMAKE=./cmake '$setup' --check | grep cmake"
    mkdir -p clang && touch clang/libclang-cpp.so.14 clang/libclang.a
    expect "the C++ interface is not libclang" 1 'no libclang is there' \
        env LIBCLANG_PATH="$PWD/clang" "$tools/sandbox/libclang.sh"
}

ndk() {
    mkdir -p sdk/ndk/{9.0.1,28.2.13676358,27.3.99999999}/toolchains/llvm/prebuilt/host/sysroot
    local ndk=(env -u ANDROID_NDK_HOME -u ANDROID_NDK_ROOT -u ANDROID_NDK -u NDK_HOME "$tools/sandbox/ndk.sh")
    expect "the newest NDK counts, not the longest name" 0 'ndk/28\.2\.13676358$' \
        env ANDROID_HOME="$PWD/sdk" "${ndk[@]}"
    expect "a folder without a toolchain is none" 1 'is no NDK' env ANDROID_NDK_HOME=/tmp "$tools/sandbox/ndk.sh"
}

android() {
    local android=("$tools/android.sh" --dry-run)
    expect "an ABI has all its variants" 0 '/arm64-v8a/libuhlm_ffi_i8mm\.so$' "${android[@]}" arm64-v8a x86_64
    "${android[@]}" arm64-v8a armeabi-v7a x86_64 >commands
    expect "each is compiled in a folder of its own" 0 '^6$' \
        sh -c 'grep -o "CARGO_TARGET_DIR=[^ ]*" commands | sort -u | wc -l | tr -d " "'
    expect "a variant has its processor's settings" 0 'ARCH=armv8.2-a\+fp16\+dotprod CARGO.*/build/arm64-v8a-dotprod ' \
        cat commands
    expect "32-bit processors get none of 64-bit ones" 0 '^0$' \
        sh -c 'grep "cargo ndk --target armeabi-v7a" commands | grep -c GGML_CPU_ARM_ARCH || :'
    expect "the emulator's baseline needs no AVX2" 0 'GGML_AVX2=OFF .* GGML_FMA=OFF .*/build/x86_64-baseline ' \
        cat commands
    expect "no library needs AVX-512" 0 '^0$' sh -c 'grep -c GGML_AVX512=ON commands || :'
    # What was not there the last time makes cargo compile nothing anew.
    expect "each library of a processor has the same variables" 0 '^1$' \
        sh -c 'grep "ndk .*x86_64" commands | grep -o "GGML.* CARGO_T" | sed "s/=O[NF]*//g" | sort -u | grep -c .'
    "${android[@]}" --variant i8mm arm64-v8a x86_64 >commands
    expect "a developer makes fewer, and the baseline always" 0 '^arm64-v8a-baseline arm64-v8a-i8mm x86_64-baseline$' \
        sh -c 'sed -n "s,.*/build/\([^ ]*\) cargo.*,\1,p" commands | xargs'
    env UHLM_GPU=vulkan "${android[@]}" arm64-v8a >commands
    expect "variants for a GPU are built apart, for the Android that has its functions" 0 \
        'arm64-v8a-i8mm-vulkan cargo ndk .*--platform 28 .*--features vulkan$' cat commands
    expect "every phone can load the baseline, which has no GPU" 0 '/arm64-v8a-baseline cargo ndk .* uhlm-ffi *$' \
        cat commands
    expect "no other kind of GPU is known" 1 'UHLM_GPU is vulkan or opencl, not metal' \
        env UHLM_GPU=metal "${android[@]}" arm64-v8a
    expect "an ABI that no phone has is refused" 1 'no library is built for the ABI mips' "${android[@]}" mips
}

android_library() {
    # A linker for Linux makes libraries with the same headers as Android's.
    case $(uname -m) in x86_64) abi=x86_64 ;; *) abi=arm64-v8a ;; esac
    cat >library.c <<'SOURCE'
int hidden(void);
int uniffi_visible(void) { return hidden(); }
__attribute__((visibility("hidden"))) int hidden(void) { return 7; }
SOURCE
    mkdir -p $abi armeabi-v7a
    library() { # $1: what is tested, $2: status, $3: pattern, $4: file, the rest: flags
        "${CC:-cc}" -shared -fPIC -nostdlib -o "$4" library.c "-Wl,-soname,libuhlm_ffi.so" "${@:5}"
        expect "$1" "$2" "$3" "$tools/android-library.sh" "$4"
    }
    local file=$abi/libuhlm_ffi.so large=-Wl,-z,max-page-size=16384
    library "a good library passes" 0 "^$abi libuhlm_ffi.so .* 16384 +1 +ok" $file $large -s
    library "small pages are refused" 1 'aligned to 4096' $file -Wl,-z,max-page-size=4096 -s
    library "symbols must be stripped" 1 'not stripped' $file $large -g
    library "other symbols may clash" 1 'exports 1 symbols .* llama_x' $file $large -s -Wl,--defsym=llama_x=5
    library "a foreign need is refused" 1 'needs libm\.so\.6' $file $large -s -Wl,--no-as-needed -lm
    echo 'int cxx(void) { return 1; }' >cxx.c
    "${CC:-cc}" -shared -fPIC -nostdlib -o libc++_shared.so cxx.c -Wl,-soname,libc++_shared.so
    library "so is a C++ library of its own" 1 'needs libc\+\+_shared\.so' $file $large -s -Wl,--no-as-needed \
        ./libc++_shared.so
    library "the name counts" 1 'calls itself libother\.so' $file $large -s -Wl,-soname,libother.so
    library "so does the ABI" 1 'is not for armeabi-v7a' armeabi-v7a/libuhlm_ffi.so $large -s
    local variant other
    case $abi in x86_64) variant=avx2 other=dotprod ;; *) variant=dotprod other=avx2 ;; esac
    file=$abi/libuhlm_ffi_$variant.so
    library "a variant passes" 0 "^$abi libuhlm_ffi_$variant.so .* ok" $file $large -s \
        "-Wl,-soname,libuhlm_ffi_$variant.so"
    library "by its own name" 1 'calls itself libuhlm_ffi\.so' $file $large -s
    library "and by one that its phones look for" 1 'looked for on no phone' "$abi/libuhlm_ffi_$other.so" $large -s \
        "-Wl,-soname,libuhlm_ffi_$other.so"
    expect "a text is no library" 1 'is no shared library' "$tools/android-library.sh" library.c
}

apple_library() {
    local llvm triple
    printf 'void ffi_uhlm_ffi_free(int a\n);\nint uniffi_uhlm_ffi_start(\n);\ntypedef void (*Other)(int);\n' >header.h
    printf 'void ffi_uhlm_ffi_free(int a) {}\nint uniffi_uhlm_ffi_start(void) { return 1; }\n' >functions.c
    printf 'int uniffi_uhlm_ffi_start(void) { return 1; }\n' >half.c
    local check=("$tools/apple-library.sh" header.h)
    cc -c functions.c half.c && ar rcs functions.a functions.o && ar rcs half.a half.o
    expect "this machine's library has all functions" 0 'all 2 functions' "${check[@]}" functions.a
    expect "a function that is missing is named" 1 '1 of 2 .* ffi_uhlm_ffi_free' "${check[@]}" half.a

    for llvm in /usr/lib/llvm-*/bin; do :; done # the last
    if ! [ -x "$llvm/clang" ] || ! [ -x "$llvm/llvm-otool" ]; then
        echo "left out: libraries for Apple's systems (no llvm-otool, package llvm)"
        return
    fi
    apple() { # $1: as clang names a target, $2: source
        "$llvm/clang" --target="$1" -c -o "$1.o" "$2.c"
        "$llvm/llvm-ar" --format=darwin rcs "$1.a" "$1.o"
    }
    for triple in arm64-apple-ios{15.0,15.0-simulator,17.2} {arm64,x86_64}-apple-macos12.0 \
        x86_64-apple-ios15.0-simulator; do
        apple "$triple" functions
    done
    "$llvm/llvm-lipo" -create ./*-simulator.a -output both.a
    check=(env "OTOOL=$llvm/llvm-otool" "LIPO=$llvm/llvm-lipo" "NM=$llvm/llvm-nm" "${check[@]}")
    local both=(aarch64-apple-ios-sim=15.0 x86_64-apple-ios=15.0)
    expect "a device's library passes" 0 '1 object files for ios arm64 from 15.0' \
        "${check[@]}" arm64-apple-ios15.0.a aarch64-apple-ios=15.0
    expect "two processors are in one file" 0 'iossimulator arm64 .* iossimulator x86_64' \
        "${check[@]}" both.a "${both[@]}"
    expect "a simulator is no device" 1 'are for iossimulator arm64, and must be for ios' \
        "${check[@]}" arm64-apple-ios15.0-simulator.a aarch64-apple-ios=15.0
    expect "a newer system than promised is refused" 1 'wants system 17.2, the package promises 15.0' \
        "${check[@]}" arm64-apple-ios17.2.a aarch64-apple-ios=15.0
    printf 'int llama_free(void) { return 1; }\n' | cat functions.c - >strangers.c
    apple arm64-apple-ios15.1 strangers
    expect "a name that could clash is refused" 1 'shows 1 names that could clash .* llama_free' \
        "${check[@]}" arm64-apple-ios15.1.a aarch64-apple-ios=15.1
    expect "so is another processor" 1 'object files for x86_64, and must be for arm64' \
        "${check[@]}" x86_64-apple-macos12.0.a aarch64-apple-darwin=12.0
    apple x86_64-apple-ios15.0-simulator half
    rm both.a && "$llvm/llvm-lipo" -create ./*-simulator.a -output both.a
    expect "a function that one processor lacks is missed" 1 '1 of 2 functions' "${check[@]}" both.a "${both[@]}"
}

xcframework() {
    local linked=target/ios/linked
    expect "what builds the XCFramework is printed anywhere" 0 'xcodebuild -create-xcframework' \
        sh -c "'$tools/xcframework.sh' --dry-run | tee commands"
    expect "llama.cpp's names are hidden for each processor" 0 \
        'ios15.0-simulator .* -r .*-force_load,target/aarch64-apple-ios-sim/release' cat commands
    expect "only the surface has names" 0 'visible: _uniffi_uhlm_ffi_\*, _ffi_uhlm_ffi_\*$' cat commands
    expect "what was linked so is what is packed" 0 \
        "lipo -create $linked/aarch64-apple-darwin/.* $linked/x86_64-apple-darwin/" cat commands
}

swift_root() {
    expect "a half-made root is removed" 0 '' sh -c "mkdir -p half/usr && sh '$tools/sandbox/swift-root-remove.sh' half"
    expect "and is gone" 1 '' test -e half
    # /proc is mounted, so the root has something below it: the script must refuse and delete nothing.
    expect "but never through a mount" 1 'something is mounted' sh "$tools/sandbox/swift-root-remove.sh" ""
}

every_script_parses
packages
setup
ndk
android
if [ "$(uname)" = Linux ]; then
    android_library
    apple_library
    xcframework
    swift_root
else
    echo "left out: what reads libraries of this machine, and the Swift root (no Linux)"
fi
[ "$failed" = 0 ] || exit 1
