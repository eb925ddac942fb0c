#!/usr/bin/env bash
# Tests and builds the Swift packages, and checks the form of all Swift files.
#
# Decides what a Swift toolchain is told; sandbox/swift.sh runs it, and makes one first where the machine has none. The
# packages take the library and the generated sources from where `cargo xtask bindings swift` or, on a Mac,
# `cargo xtask ios` puts them. Results go below target/swift.
# Usage: swift.sh test PACKAGE FIXTURE    runs a package's tests; FIXTURE is the program that gives them models
#        swift.sh build PACKAGE           builds it in the release profile
#        swift.sh lint                    checks every Swift file that is written by hand
# PACKAGE is a folder, from the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case $(uname) in
    Darwin) libraries=$PWD/target/ios library=uhlmFFI.xcframework ;;
    *) libraries=$PWD/target/bindings/lib library=libuhlm_ffi.so ;;
esac

# $1: NAME=VALUE for the environment, $2: `test` or `build`, $3: package, the rest: further arguments
swift() {
    local file word name=${3##*/} link=()
    for file in bindings/swift/Sources/Uhlm/Generated/Uhlm.swift "$libraries/$library"; do
        if ! [ -e "$file" ]; then
            echo "$file is missing; \`cargo xtask bindings swift\` or, on a Mac, \`cargo xtask ios\` makes it" >&2
            exit 1
        fi
    done
    # The linker finds the library by these alone: a manifest with such flags could not be used as a dependency.
    if [ "$(uname)" = Linux ]; then
        for word in "-L$libraries" -rpath "$libraries"; do link+=(-Xlinker "$word"); done
    fi
    # A build plan that was kept does not notice that a package it depends on by path gained or lost a file.
    tools/sandbox/swift.sh "$1" swift "$2" --disable-sandbox --disable-build-manifest-caching \
        --package-path "$3" --scratch-path "target/swift/${name/#./uhlm}" ${link[@]+"${link[@]}"} "${@:4}"
}

case ${1:-} in
    # Our tests are XCTest's; without the last argument, a second runner reports that it ran none.
    test) swift "UHLM_FIXTURE=$3" test "$2" --disable-swift-testing ;;
    build) swift UHLM_FIXTURE= build "$2" --configuration release ;;
    lint)
        git ls-files -z --cached --others --exclude-standard '*.swift' | xargs -0 tools/sandbox/swift.sh \
            swift format lint --strict --parallel --configuration bindings/swift/.swift-format
        ;;
    *)
        sed -n 's/^# Usage: //p; s/^#        \(swift\.sh\)/\1/p' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac
