#!/bin/bash
# Mounts an empty ext4 or xfs file system that lives in a file in memory, inside a guest: a real file system with pages
# that can be written back, gone with the guest. Run it, or source it and call make_loopfs.
#   make-loopfs.sh ext4|xfs DIRECTORY [SIZE]      SIZE as truncate(1) takes it; default 512M (xfs wants 300M at least)
# Needs: root in a guest; e2fsprogs or xfsprogs.

make_loopfs() {
    local type=$1 dir=$2 size=${3:-512M} image
    modprobe loop && modprobe "$type" || return 1
    # The guest's root is an overlay, which has other rules for O_DIRECT than tmpfs: so a tmpfs of its own.
    if ! mountpoint -q /run/loopfs; then
        mkdir -p /run/loopfs && mount -t tmpfs -o size=80% tmpfs /run/loopfs || return 1
    fi
    image=$(mktemp /run/loopfs/XXXXXX.img) && truncate -s "$size" "$image" || return 1
    case $type in
    ext4) mkfs.ext4 -q -F -b 4096 "$image" || return 1 ;;
    xfs) mkfs.xfs -q -f "$image" || return 1 ;;
    *)
        echo "make-loopfs.sh: unknown file system '$type': ext4 or xfs" >&2
        return 2
        ;;
    esac
    mkdir -p "$dir" && mount -t "$type" -o loop "$image" "$dir"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    if [ $# -lt 2 ] || [ $# -gt 3 ]; then
        echo "usage: make-loopfs.sh ext4|xfs DIRECTORY [SIZE]" >&2
        exit 2
    fi
    make_loopfs "$@"
fi
