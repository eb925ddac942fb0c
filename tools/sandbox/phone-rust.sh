#!/usr/bin/env bash
# Unpacks a Rust compiler with the sources of its standard library, for checks on phone targets where rustup has none.
#
# Decides which of Debian's packages are needed, and which part of them. They are unpacked in target/phone-rust and not
# installed: two Rusts in one system shadow each other. About 30 s, 100 MB to fetch and 460 MB on disk, once a checkout.
# Usage: phone-rust.sh
# Prints two lines: the compiler, and the folder of the libraries that it loads.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
target=$(cd "$here/../.." && pwd)/target
root=$target/phone-rust

# What a check of the standard library does not read, 380 of 700 MB and nine files in ten: the compiler's sources, tools
# and tests, documentation, rustdoc.
UNNEEDED=(./usr/bin/rustdoc ./usr/libexec ./usr/share './usr/src/*/compiler' './usr/src/*/debian' './usr/src/*/src'
    './usr/src/*/tests' './usr/src/*/library/stdarch/intrinsics_data')

# `1.96` of `1.96.0+dfsg1-1~deb12u2`, the part that names of packages hold.
version() { apt-cache show --no-all-versions rustc-web 2>/dev/null | sed -n 's/^Version: \([0-9]*\.[0-9]*\).*/\1/p'; }

make_root() {
    if [ "$(uname)" != Linux ] || ! dpkg-deb --version >/dev/null 2>&1; then
        echo "no standard library for phones: \`rustup target add aarch64-linux-android aarch64-apple-ios\`," \
            "or run this on Debian with apt-get" >&2
        exit 1
    fi
    local new=$target/phone-rust.new version llvm package
    rm -rf "$new" # what an interrupted run left
    mkdir -p "$new/packages"
    [ -n "$(version)" ] || "$here/packages.sh" lists # a fresh machine has no list of packages
    version=$(version)
    if [ -z "$version" ]; then
        echo "apt-get knows no package \`rustc-web\`" >&2
        exit 1
    fi
    # Debian's Rust as Firefox is built with, which is newer than the packages named `rustc`, and the LLVM that it is
    # linked to.
    llvm=$(apt-cache depends "libstd-rust-web-$version" | sed -n 's/^ *Depends: \(libllvm.*\)/\1/p' | head -n 1)
    (cd "$new/packages" &&
        apt-get download rustc-web rust-web-src libstd-rust-web-dev "libstd-rust-web-$version" ${llvm:+"$llvm"} >&2)
    for package in "$new"/packages/*.deb; do
        echo "unpacking ${package##*/}" >&2
        # A star does not reach into folders, or it would find `src` everywhere.
        dpkg-deb --fsys-tarfile "$package" |
            tar -x --anchored --no-wildcards-match-slash -C "$new" "${UNNEEDED[@]/#/--exclude=}"
    done
    rm -r "$new/packages"
    touch "$new/.complete"
    mv "$new" "$root"
}

[ -e "$root/.complete" ] || make_root
echo "$root/usr/bin/rustc"
echo "$root/usr/lib/$(uname -m)-linux-gnu" # Debian names the folder after the machine
