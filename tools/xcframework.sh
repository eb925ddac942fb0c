#!/usr/bin/env bash
# Builds the XCFramework for the Swift package, as a zip with its checksum. On a Mac with Xcode.
#
# Decides which slices there are, what is run for them and in which order. What a finished library must look like is in
# apple-library.sh. Metal is in every slice, as llama.cpp's build script has it on Apple's systems: there is no option
# for a GPU. Not cargo-swift: it makes a package of its own, with its own version of UniFFI.
# Usage: xcframework.sh [--dry-run]    prints the commands and runs none; works on every system
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dry_run=${1:-}

# The names that an app may see; everything else stays inside.
VISIBLE="_uniffi_uhlm_ffi_* _ffi_uhlm_ffi_*"
# A simulator's library differs from a device's of the same processor.
DEVICE="aarch64-apple-ios"
SIMULATOR="aarch64-apple-ios-sim x86_64-apple-ios"
MAC="aarch64-apple-darwin x86_64-apple-darwin"
# The oldest systems, as Package.swift has them.
IOS=15.0
MACOS=12.0
FOLDER=target/ios
FRAMEWORK=$FOLDER/uhlmFFI.xcframework
GENERATED=$FOLDER/generated
HEADERS=$FOLDER/headers
LIBRARY=libuhlm_ffi.a

problems() {
    local tool target missing=''
    [ "$(uname)" = Darwin ] || echo "  this is no Mac"
    xcodebuild -version >/dev/null 2>&1 ||
        echo "  \`xcodebuild\` does not run: install Xcode, then \`sudo xcode-select -s /Applications/Xcode.app\`"
    for tool in lipo otool nm libtool xcrun ditto swift; do
        command -v "$tool" >/dev/null || echo "  \`$tool\` is missing: it comes with Xcode, ditto with macOS"
    done
    for target in $DEVICE $SIMULATOR $MAC; do
        [ -d "$(rustc --print target-libdir --target "$target")" ] || missing="$missing $target"
    done
    [ -z "$missing" ] || echo "  Rust's targets are missing: \`rustup target add$missing\`"
}

say() {
    if [ -n "$dry_run" ]; then echo "$*"; else echo "\$ $*" >&2; fi
}

# Prints a command, and runs it unless this is a dry run. Words like NAME=VALUE before it are for its environment.
run() {
    say "$*"
    [ -n "$dry_run" ] || env "$@"
}

copy() { # $1: from, $2: to
    [ -n "$dry_run" ] || mkdir -p "$(dirname "$2")"
    run cp "$1" "$2"
}

# Xcode copies the headers of all static XCFrameworks into one folder, where module maps of one name would collide: so
# these lie in a folder of the module's own.
write_module_map() {
    say "# write $HEADERS/uhlmFFI/module.modulemap"
    [ -n "$dry_run" ] || printf 'module uhlmFFI {\n    header "uhlmFFI.h"\n    export *\n}\n' \
        >"$HEADERS/uhlmFFI/module.modulemap"
}

oldest() { # $1: a triple. The variable that tells the compilers, and the system
    case $1 in
        *-ios*) echo "IPHONEOS_DEPLOYMENT_TARGET=$IOS" ;;
        *) echo "MACOSX_DEPLOYMENT_TARGET=$MACOS" ;;
    esac
}

# The name of a triple for clang, which tells it the system and the oldest version of it.
clang_target() { # $1: a triple
    local processor=${1%%-*}
    processor=${processor/aarch64/arm64}
    case $1 in
        *-apple-ios-sim | x86_64-apple-ios) echo "$processor-apple-ios$IOS-simulator" ;;
        *-apple-ios) echo "$processor-apple-ios$IOS" ;;
        *) echo "$processor-apple-macos$MACOS" ;;
    esac
}

# Links a library into one object file in which only the functions of the surface have names to the outside: an app that
# brings another llama.cpp, or another Rust library, has no symbol twice.
hide() { # $1: a triple
    local target=$1 folder=$FOLDER/linked/$1
    [ -n "$dry_run" ] || mkdir -p "$folder"
    say "# write $folder/visible: ${VISIBLE// /, }"
    # shellcheck disable=SC2086 # a list of words
    [ -n "$dry_run" ] || (set -f && printf '%s\n' $VISIBLE >"$folder/visible")
    run xcrun clang -target "$(clang_target "$target")" -nostdlib -r \
        "-Wl,-force_load,target/$target/release/$LIBRARY" "-Wl,-exported_symbols_list,$folder/visible" \
        -o "$folder/uhlm_ffi.o"
    run libtool -static -o "$folder/$LIBRARY" "$folder/uhlm_ffi.o"
}

# One library of the XCFramework: a system, with all its processors in one file.
slice() { # $1: name, the rest: triples
    local to=$FOLDER/$1/$LIBRARY target list targets=() libraries=()
    shift
    for target in "$@"; do
        hide "$target"
        libraries+=("$FOLDER/linked/$target/$LIBRARY")
        list=$(oldest "$target")
        targets+=("$target=${list#*=}")
    done
    if [ $# = 1 ]; then
        copy "${libraries[0]}" "$to"
    else
        run mkdir -p "$(dirname "$to")"
        run lipo -create "${libraries[@]}" -output "$to"
    fi
    list=$*
    say "# check $to: ${list// /, }, all functions of the header, no other name"
    [ -n "$dry_run" ] || tools/apple-library.sh "$HEADERS/uhlmFFI/uhlmFFI.h" "$to" "${targets[@]}"
}

if [ -z "$dry_run" ]; then
    problems=$(problems)
    if [ -n "$problems" ]; then
        printf 'this needs a Mac with Xcode:\n%s\n%s\n' "$problems" \
            "\`cargo xtask ios --dry-run\` prints what would be run" >&2
        exit 1
    fi
fi

for target in $DEVICE $SIMULATOR $MAC; do
    run "$(oldest "$target")" cargo build --release --package uhlm-ffi --target "$target"
done
# From the library itself: it holds the description of its own surface, as long as it is not stripped.
run cargo run --package uniffi-bindgen -- generate --language swift --no-format --out-dir "$GENERATED" \
    "target/$DEVICE/release/$LIBRARY"
copy "$GENERATED/Uhlm.swift" bindings/swift/Sources/Uhlm/Generated/Uhlm.swift
copy "$GENERATED/uhlmFFI.h" "$HEADERS/uhlmFFI/uhlmFFI.h"
write_module_map
# shellcheck disable=SC2086 # lists of words
{
    slice ios $DEVICE
    slice ios-simulator $SIMULATOR
    slice macos $MAC
}
# xcodebuild does not write over an older one.
run rm -rf "$FRAMEWORK"
libraries=()
for name in ios ios-simulator macos; do
    libraries+=(-library "$FOLDER/$name/$LIBRARY" -headers "$HEADERS")
done
run xcodebuild -create-xcframework "${libraries[@]}" -output "$FRAMEWORK"
# The Swift package takes the XCFramework from where it lies; a release takes the zip.
run ditto -c -k --keepParent "$FRAMEWORK" "$FRAMEWORK.zip"

if [ -n "$dry_run" ]; then
    # The checks that need no Mac, on the library of this machine, where it was built.
    host=target/debug/$LIBRARY header=bindings/swift/Sources/uhlmFFI/uhlmFFI.h
    if [ -f "$host" ] && [ -f "$header" ]; then
        echo
        tools/apple-library.sh "$header" "$host" | sed 's/^/# checked /'
    else
        printf '\n%s\n' "# no library of this machine to try the checks on (\`cargo xtask bindings swift\` builds it)"
    fi
    exit
fi
printf '%s\nchecksum %s\n' "$PWD/$FRAMEWORK.zip" "$(swift package compute-checksum "$FRAMEWORK.zip")"
echo "For a release: set \`release\` in Package.swift to the zip's address and this checksum, and add"
echo "bindings/swift/Sources/Uhlm/Generated to the release's commit (git add --force)."
