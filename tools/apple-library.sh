#!/usr/bin/env bash
# Checks a static library of the XCFramework: is it for exactly these targets, and is each function of the header in it?
#
# Decides what a finished library must be: object files for the right system and processor, none that wants a newer
# system than the package promises, all functions for each processor, and nothing else that an app could clash with.
# Usage: apple-library.sh HEADER LIBRARY [TRIPLE=OLDEST_SYSTEM]...    without targets: only the functions
# Prints one line on what is in the library; fails with what is wrong.
# LIPO, OTOOL and NM name other tools than Xcode's: LLVM's do, on Linux, too.
set -euo pipefail
export LC_ALL=C # one order for sort and comm
header=$1 library=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$library: $*" >&2
    exit 1
}

# The functions that the generated header declares.
grep -oE '[A-Za-z0-9_]+ *\(' "$header" | tr -d ' (' | grep -E '^(uniffi|ffi)_uhlm_ffi_' |
    sort -u >"$scratch/functions" || :
[ -s "$scratch/functions" ] || fail "the header declares no function"

# $1: a library for one processor, $2: what stands before a name in C.
check_functions() {
    # It complains of members that are no object files, which Rust also packs.
    { "${NM:-nm}" -g "$1" 2>/dev/null || :; } | awk 'NF > 1 && $(NF - 1) ~ /^[TDSRBWV]$/ { print $NF }' |
        sed "s/^$2//" | sort -u >"$scratch/defined"
    comm -23 "$scratch/functions" "$scratch/defined" >"$scratch/missing"
    [ ! -s "$scratch/missing" ] ||
        fail "$(grep -c . "$scratch/missing") of $(grep -c . "$scratch/functions") functions are missing," \
            "$(head -n 1 "$scratch/missing") among them"
}

# Whatever an app links besides, a llama.cpp of its own or another Rust library, has names that this one has, too. Run
# after check_functions.
check_hidden() {
    grep -vE '^(uniffi|ffi)_uhlm_ffi_' "$scratch/defined" >"$scratch/strangers" || return 0
    fail "it shows $(grep -c . "$scratch/strangers") names that could clash with an app's," \
        "$(head -n 1 "$scratch/strangers") among them"
}

# Prints the system of each object file, and the oldest version that it runs on: `macos 12.0`, from LC_BUILD_VERSION or
# the older command for a single system. Object files of assembled code may name none; the linker takes those for any.
systems() { # $1: a library for one processor
    { "${OTOOL:-otool}" -l "$1" 2>/dev/null || :; } | awk '
        $1 == "cmd" { command = $2 }
        command == "LC_BUILD_VERSION" && $1 == "platform" { system_name = tolower($2) }
        command == "LC_BUILD_VERSION" && $1 == "minos" { print system_name, $2 }
        command ~ /^LC_VERSION_MIN_/ && $1 == "version" { print tolower(substr(command, 16)), $2 }
    ' | sed -e 's/^1 /macos /' -e 's/^2 /ios /' -e 's/^7 /iossimulator /' \
        -e 's/^macosx /macos /' -e 's/^iphoneos /ios /' | sort | uniq -c
}

is_newer() { [ "$1" != "$2" ] && printf '%s\n' "$2" "$1" | sort -c -t . -k 1,1n -k 2,2n -k 3,3n 2>/dev/null; }

if [ $# = 0 ]; then
    check_functions "$library" ''
    echo "$library: all $(grep -c . "$scratch/functions") functions of the header are in it"
    exit
fi

if [ $# -gt 1 ]; then
    processors=$(printf '%s\n' "${@%%-*}" | sed s/aarch64/arm64/ | sort | xargs)
    found=$("${LIPO:-lipo}" -archs "$library" | xargs -n 1 | sort | xargs)
    [ "$found" = "$processors" ] || fail "it is for $found, and must be for $processors"
fi
summary=
for target in "$@"; do
    oldest=${target#*=} processor=${target%%-*}
    processor=${processor/aarch64/arm64}
    case ${target%%=*} in
        *-apple-ios-sim | x86_64-apple-ios) system=iossimulator ;;
        *-apple-ios) system=ios ;;
        *) system=macos ;;
    esac
    thin=$library
    if [ $# -gt 1 ]; then
        thin=$scratch/$processor.a
        "${LIPO:-lipo}" "$library" -thin "$processor" -output "$thin"
    fi
    others=$({ "${OTOOL:-otool}" -hv "$thin" 2>/dev/null || :; } |
        awk -v own="$processor" '$1 ~ /^MH_MAGIC/ && tolower($2) != own { print tolower($2) }' | sort -u | xargs)
    [ -z "$others" ] || fail "it holds object files for $others, and must be for $processor"
    systems "$thin" >"$scratch/systems"
    [ -s "$scratch/systems" ] || fail "no object file for $processor names its system"
    while read -r count name version; do
        # The older command has one name for both; no device has this processor.
        [ "$processor/$name" != x86_64/ios ] || name=iossimulator
        [ "$name" = "$system" ] || fail "$count object files are for $name $processor, and must be for $system"
        ! is_newer "$version" "$oldest" || fail "an object file wants system $version, the package promises $oldest"
        summary="$summary${summary:+, }$count object files for $name $processor from $version"
    done <"$scratch/systems"
    check_functions "$thin" _
    check_hidden
done
echo "$library: $summary; all $(grep -c . "$scratch/functions") functions of the header are in it"
