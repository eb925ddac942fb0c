#!/usr/bin/env bash
# Runs a command with Swift 6.0 or newer: this machine's own, or one in a Debian that is made in target/swift-root.
#
# Decides which of the two. The second takes about three minutes and 2 GB, once a checkout; it needs root, or sudo that
# asks for no password, on a Linux that has debootstrap or apt-get. The mounts of its chroot are made in a mount
# namespace of the command's own: no other process sees them, they end with the command however it ends, and nothing
# that deletes the target folder can reach through them.
# Usage: swift.sh [NAME=VALUE...] COMMAND ARGUMENT...
# The command runs in the repository's root; `swift.sh true` only makes the toolchain. Prints what the command prints.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
repository=$(cd "$here/../.." && pwd)
root=$repository/target/swift-root
# Changed when swift-root-make.sh changes what a root holds: an older one is then made anew.
recipe=2
cd "$repository"

give_up() {
    echo "$1" >&2
    cat >&2 <<'TEXT'
The Swift suite needs Swift 6.0 or newer. Either install it so that `swift --version` runs (macOS: Xcode; Linux: your
distribution's package or the archive from swift.org), or run this as root, or with sudo that asks for no password, on a
Debian or Ubuntu: then a toolchain is made in target/swift-root.
TEXT
    exit 1
}

# OpenStack has a program of the same name.
machine_has_swift() {
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\..*/\1/p' | head -n 1) || return 1
    [ "${version:-0}" -ge 6 ]
}

make_root() {
    echo "making a Swift toolchain in $root (about three minutes and 2 GB, once)" >&2
    unshare --version >/dev/null || give_up "\`unshare\` (util-linux) does not run"
    if [ -e "$root" ]; then
        "${as_root[@]}" sh "$here/swift-root-remove.sh" "$root" || give_up "$root cannot be removed"
    fi
    # In a folder that is often only on root's PATH.
    if ! PATH=$PATH:/usr/sbin:/sbin command -v debootstrap >/dev/null; then
        PACKAGE_MANAGER=apt-get "$here/packages.sh" debootstrap || give_up "\`debootstrap\` does not run"
    fi
    "${in_namespace[@]}" sh "$here/swift-root-make.sh" "$root" "$recipe" </dev/null >&2 ||
        give_up "no toolchain was made"
}

if machine_has_swift; then
    exec env "$@"
fi
case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64") ;;
    *) give_up "\`swift\` does not run here, and Debian has none for this machine." ;;
esac
as_root=(env)
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n --)
    sudo -n true 2>/dev/null || give_up "\`swift\` does not run here, and making a toolchain needs root."
fi
in_namespace=("${as_root[@]}" unshare --mount --propagation private --)

# Two commands at once must not both make it. Closed before the command runs, which may last.
mkdir -p target
exec 9>target/swift-root.lock
flock 9
[ "$(cat "$root/.complete" 2>/dev/null)" = "$recipe" ] || make_root
exec 9>&-
exec "${in_namespace[@]}" sh "$here/swift-root-enter.sh" "$root" "$repository" "$(id -u):$(id -g)" "$@"
