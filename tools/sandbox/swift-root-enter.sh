#!/bin/sh
# Runs a command in the root, in the repository at its own path. To be run as root in a mount namespace of its own: no
# other process sees the mounts, and they are gone when the command ends.
# $1: the root. $2: the repository. $3: the user and group of the command, UID:GID.
# The rest: NAME=VALUE ... COMMAND ARGS
set -eu
root=$1
repository=$2
user=$3
shift 3

mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
# Programs inside and outside give each other files.
mount --bind /tmp "$root/tmp"
mkdir -p "$root$repository"
mount --bind "$repository" "$root$repository"

# Swift's caches follow HOME; in the repository's target folder they belong to the user and are kept.
# shellcheck disable=SC2016 # the inner shell expands it
exec chroot --userspec="$user" "$root" env -i \
    PATH=/usr/local/bin:/usr/bin:/bin HOME="$repository/target/swift/home" LANG=C.UTF-8 \
    sh -c 'cd "$0" && mkdir -p "$HOME" && exec env "$@"' "$repository" "$@"
