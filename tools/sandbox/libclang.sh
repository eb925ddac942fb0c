#!/bin/sh
# Finds libclang as bindgen will, with clang's own headers.
#
# Decides whether a build of llama.cpp's bindings will find what it needs. A library alone does not do: without clang's
# own headers (`stddef.h` and others) bindgen fails on the first include. Debian's `libclang1` and the Python wheel lack
# them.
# Prints the library's path, or what is wrong; then it fails.
# Usage: libclang.sh. POSIX sh: a fresh Alpine has no bash.
set -eu

# Folders may have blanks in their names; words end with a line, and stars are expanded after that.
IFS='
'
mac=''
[ "$(uname)" != Darwin ] || mac=yes

# The folders that bindgen searches, in its order. Apple's first, then those of Linux.
folders() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        echo "$LIBCLANG_PATH"
        return
    fi
    if prefix=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null); then
        printf '%s\n' "$prefix/bin" "$prefix/lib" "$prefix/lib64"
    fi
    if [ -n "$mac" ] && developer=$(xcode-select --print-path 2>/dev/null); then
        echo "$developer/Toolchains/XcodeDefault.xctoolchain/usr/lib"
    fi
    echo "${LD_LIBRARY_PATH:-}:${LIBRARY_PATH:-}" | tr : '\n'
    if [ -n "$mac" ]; then
        printf '%s\n' '/usr/local/opt/llvm*/lib/llvm*/lib' /Library/Developer/CommandLineTools/usr/lib \
            /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib \
            '/usr/local/opt/llvm*/lib'
    else
        printf '%s\n' '/usr/local/llvm*/lib*' '/usr/local/lib*/*/*' '/usr/local/lib*/*' '/usr/local/lib*' \
            '/usr/lib*/*/*' '/usr/lib*/*' '/usr/lib*'
    fi
}

# The C interface of clang, and not `libclang-cpp`, its C++ interface. `-f` follows links: a dangling one is no library.
is_library() {
    case $mac/${1##*/} in
        *-cpp.*) return 1 ;;
        yes/libclang.dylib | /libclang.so | /libclang-*.so | /libclang.so.* | /libclang-*.so.*) [ -f "$1" ] ;;
        *) return 1 ;;
    esac
}

has_headers() {
    folder=$(cd -P "$(dirname "$1")" && pwd) || return 1
    above=${folder%/*}
    for headers in "$folder"/clang/*/include "$above"/lib/clang/*/include "$above"/lib64/clang/*/include \
        "$above"/clang/*/include "$above"/llvm-*/lib/clang/*/include; do # the last is Debian's
        [ ! -f "$headers/stddef.h" ] || return 0
    done
    return 1
}

# Bindgen asks a `clang` program for its headers, where there is one; the other way out is to name a compiler's by hand.
headers_from_elsewhere() {
    if resources=$("${CLANG_PATH:-clang}" -print-resource-dir 2>/dev/null); then
        [ ! -f "$resources/include/stddef.h" ] || return 0
    fi
    for word in $(echo "${BINDGEN_EXTRA_CLANG_ARGS:-}" | tr -d "\"'" | tr ' ' '\n'); do
        word=${word#-isystem}
        word=${word#-I}
        [ -z "$word" ] || [ ! -f "$word/stddef.h" ] || return 0
    done
    return 1
}

first=
check() { # $1: a file that may be a library
    is_library "$1" || return 0
    if has_headers "$1"; then
        echo "$1"
        exit
    fi
    first=${first:-$1}
}

if [ -f "${LIBCLANG_PATH:-}" ]; then
    check "$LIBCLANG_PATH"
fi
for folder in $(folders); do
    # shellcheck disable=SC2231 # unquoted, for the stars in the folder
    for file in $folder/libclang[.-]*; do
        check "$file"
    done
done
if [ -n "$first" ] && headers_from_elsewhere; then
    echo "$first"
elif [ -n "$first" ]; then
    echo "$first is there, but not clang's own headers (stddef.h)"
    exit 1
elif [ -n "${LIBCLANG_PATH:-}" ]; then
    echo "LIBCLANG_PATH is \`$LIBCLANG_PATH\`, and no libclang is there (correct it, or unset it)"
    exit 1
else
    echo "no libclang found"
    exit 1
fi
