#!/usr/bin/env bash
# Finds the Android NDK as cargo-ndk does: the one that the environment names, or else the newest of the Android SDK.
# Usage: ndk.sh
# Prints two lines: the NDK's folder, and that of its tools in it (toolchains/llvm/prebuilt/HOST).
set -euo pipefail

fail() {
    echo "$*" >&2
    exit 1
}

toolchain_of() { # $1: an NDK
    local sysroot
    for sysroot in "$1"/toolchains/llvm/prebuilt/*/sysroot; do
        [ ! -d "$sysroot" ] || echo "${sysroot%/sysroot}"
    done
}

ndk='' name=''
for name in ANDROID_NDK_HOME ANDROID_NDK_ROOT ANDROID_NDK NDK_HOME; do
    ndk=${!name:-}
    [ -z "$ndk" ] || break
done
sdk=${ANDROID_HOME:-${ANDROID_SDK_ROOT:-}}
if [ -z "$ndk" ] && [ -d "$sdk/ndk" ]; then
    name=$sdk/ndk
    # The highest version, not the longest name.
    newest=$(cd "$sdk/ndk" && printf '%s\n' [0-9]* | sort -t . -k 1,1n -k 2,2n -k 3,3n | tail -n 1)
    ndk=$sdk/ndk/$newest
fi
[ -n "$ndk" ] || fail "no Android NDK. Install r28 or newer (\`sdkmanager 'ndk;28.2.13676358'\`, or Android Studio's" \
    "SDK manager) and set ANDROID_NDK_HOME, or ANDROID_HOME to the SDK it is part of"
toolchain=$(toolchain_of "$ndk" | head -n 1)
[ -n "$toolchain" ] || fail "$name names $ndk, which is no NDK"
printf '%s\n' "$ndk" "$toolchain"
