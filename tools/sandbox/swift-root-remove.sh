#!/bin/sh
# Removes a half-made root. $1: the folder.
set -eu
root=$1
# Never through a mount: what is bound there belongs to the machine.
if grep -qF " $root/" /proc/self/mounts; then
    echo "something is mounted below $root; unmount it first" >&2
    exit 1
fi
rm -rf --one-file-system "$root"
