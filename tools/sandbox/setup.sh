#!/bin/sh
# Looks for what the build needs beside Rust, and installs what is missing.
#
# Decides what is there and really works, and when to give up with the commands that would help. What a system's
# packages are called is in packages.sh, how libclang is found in libclang.sh.
# Usage: setup.sh           installs what is missing, if that needs no question; prints nothing if nothing is
#        setup.sh --yes     also where sudo asks for a password
#        setup.sh --check   prints one line a tool, installs nothing, fails if one is missing
# POSIX sh: a fresh Alpine has no bash.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

TOOLS="c c++ cmake make libclang git rust components"
OLDEST_CMAKE=3.14 # llama.cpp's own `cmake_minimum_required`
OLDEST_RUST=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../../Cargo.toml")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

title() {
    case $1 in
        c) echo "C compiler" ;;
        c++) echo "C++ compiler" ;;
        make) echo "make or ninja" ;;
        rust) echo "Rust" ;;
        components) echo "rustfmt, clippy" ;;
        *) echo "$1" ;;
    esac
}

# Prints what was found, or what is wrong with the tool; then it fails.
check() {
    case $1 in
        c) compiles "${CC:-cc}" probe.c ;;
        c++) compiles "${CXX:-c++} -std=c++17" probe.cpp ;;
        cmake) is_new_enough "${CMAKE:-cmake}" "$OLDEST_CMAKE" ;;
        make) has_make ;;
        libclang) "$here/libclang.sh" ;;
        git) version_of git ;;
        rust) is_new_enough "${RUSTC:-rustc}" "$OLDEST_RUST" ;;
        components)
            for component in fmt clippy; do
                if ! "${CARGO:-cargo}" "$component" --version >"$scratch/out" 2>&1; then
                    echo "\`cargo $component\` does not run"
                    return 1
                fi
            done
            echo present
            ;;
    esac
}

# The first line that a program prints of itself.
version_of() {
    if ! "$1" --version >"$scratch/out" 2>/dev/null; then
        echo "\`$1\` does not run"
        return 1
    fi
    head -n 1 "$scratch/out"
}

is_new_enough() { # $1: program, $2: its oldest version that serves
    version_of "$1" >"$scratch/version" || { cat "$scratch/version" && return 1; }
    found=$(sed -n 's/[^0-9]*\([0-9][0-9]*\(\.[0-9][0-9]*\)*\).*/\1/p' "$scratch/version")
    if [ -z "$found" ]; then
        echo "\`$1 --version\` gives no version"
        return 1
    elif ! printf '%s\n' "$2" "$found" | sort -c -t . -k 1,1n -k 2,2n -k 3,3n 2>/dev/null; then
        echo "$found is too old, $2 is needed"
        return 1
    fi
    cat "$scratch/version"
}

# Compiles and links a small program as the build scripts would. It uses the standard library, so that a compiler
# without one is noticed; C++17 is llama.cpp's dialect.
compiles() { # $1: compiler with its flags, $2: name of the source
    cat >"$scratch/probe.c" <<'SOURCE'
#include <stdio.h>
int main(void) { return 0; }
SOURCE
    cat >"$scratch/probe.cpp" <<'SOURCE'
#include <filesystem>
#include <thread>
#include <vector>
int main() { std::vector<int> v{1, 2}; return std::filesystem::path("a").empty() ? int(v.size()) : 0; }
SOURCE
    program=${1%% *}
    if ! command -v "$program" >/dev/null; then
        echo "\`$program\` does not run"
        return 1
    fi
    # shellcheck disable=SC2086 # $1 is a list of words
    if ! $1 -o "$scratch/probe" "$scratch/$2" >"$scratch/out" 2>&1; then
        echo "\`$program\` cannot build a small program: $(grep -m 1 error "$scratch/out" || head -n 1 "$scratch/out")"
        return 1
    fi
    version_of "$program"
}

# Cmake drives make unless CMAKE_GENERATOR says otherwise.
has_make() {
    case ${CMAKE_GENERATOR:-} in
        Ninja*) version_of ninja ;;
        "" | "Unix Makefiles")
            version_of make && return 0
            ! version_of ninja >/dev/null || echo "(ninja runs: CMAKE_GENERATOR=Ninja selects it)"
            return 1
            ;;
        *) echo "left to cmake $CMAKE_GENERATOR" ;;
    esac
}

# Sets `missing` to the tools that are, and writes one line a tool into the file `report`.
look() {
    missing=
    : >"$scratch/report"
    for tool in $TOOLS; do
        if check "$tool" >"$scratch/found"; then
            state=ok
        else
            state=MISSING missing="$missing $tool"
        fi
        # shellcheck disable=SC2005,SC2046 # one line of what was found
        printf '%-8s %-16s %s\n' "$state" "$(title "$tool")" "$(echo $(cat "$scratch/found"))" >>"$scratch/report"
    done
}

# $1: why. Fails with what is missing and the exact commands that would bring it.
give_up() {
    {
        echo "$1"
        grep ^MISSING "$scratch/report" || :
        # shellcheck disable=SC2046 # words
        commands=$("$here/packages.sh" --print $(system_tools))
        [ -z "$commands" ] || printf 'With packages:\n%s\n' "$commands"
        case "$(uname)$missing " in
            Darwin*" c "* | Darwin*" c++ "* | Darwin*" make "* | Darwin*" libclang "* | Darwin*" git "*)
                printf "Apple's command line tools (compilers, make, libclang, git):\n  xcode-select --install\n" ;;
        esac
        case $missing in *rust*) printf 'Rust:\n  rustup update stable\n' ;; esac
        case $missing in *components*) printf 'Rust components:\n  rustup component add rustfmt clippy\n' ;; esac
        # The wheel of libclang has no headers of its own: those of the C compiler serve.
        case $missing in *make* | *libclang*) cat <<'TEXT' ;; esac
Without root, in a Python environment (keep these variables for later builds, too):
  python3 -m venv .venv && . .venv/bin/activate && pip install cmake ninja libclang
  export CMAKE_GENERATOR=Ninja
  export LIBCLANG_PATH="$(python3 -c 'import clang; print(list(clang.__path__)[0])')/native"
  export BINDGEN_EXTRA_CLANG_ARGS="-isystem $(cc -print-file-name=include)"
TEXT
    } >&2
    exit 1
}

# What is missing and a package brings.
system_tools() {
    for tool in $missing; do
        case $tool in
            rust | components) ;;
            *) echo "$tool" ;;
        esac
    done
}

look
if [ "${1:-}" = --check ]; then
    cat "$scratch/report"
    [ -z "$missing" ] || give_up "something is missing"
    exit
fi
[ -n "$missing" ] || exit 0

echo "missing:$missing" >&2
may_ask=
[ "${1:-}" != --yes ] || may_ask=--may-ask
case $missing in *components*) rustup component add rustfmt clippy >&2 || give_up "rustup failed" ;; esac
# shellcheck disable=SC2046,SC2086 # words
"$here/packages.sh" $may_ask $(system_tools) || give_up "the installation failed"
look
[ -z "$missing" ] || give_up "still missing after the installation"
