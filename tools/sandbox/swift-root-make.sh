#!/bin/sh
# Makes a Debian with a Swift toolchain in a folder. To be run as root in a mount namespace of its own, so that what is
# mounted here is seen nowhere else and is gone when this ends.
# $1: the folder, which must not exist. $2: what to write into its stamp when all is done.
set -eu
root=$1

PATH=$PATH:/usr/sbin:/sbin
debootstrap --variant=minbase --include=ca-certificates trixie "$root"

mount --rbind /dev "$root/dev"
# A new one where that is allowed: the kernel refuses it in some containers.
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"

# `swiftlang` names no compiler or header that its own linking needs.
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    swiftlang libc6-dev gcc g++ libstdc++-14-dev binutils git libncurses-dev zlib1g-dev
chroot "$root" apt-get clean
# A third of it that building and testing a package never touches: lists and texts, the debugger, the language server
# for editors, the libraries for static linking.
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
(
    cd "$root/usr/libexec/swift"
    rm -rf bin/clangd bin/lldb* bin/repl_swift bin/sourcekit-lsp lib/liblldb* lib/libsourcekitd* lib/swift_static
)
chroot "$root" swift --version

printf '%s\n' "$2" > "$root/.complete"
