#!/bin/bash
# Mounts an ext4 file system on emulated persistent memory with FS-DAX (no page cache: files are the memory itself)
# inside a guest. Run it, or source it and call make_pmem.
#   make-pmem.sh DIRECTORY
# Needs: root in a guest that was started with
#   ./dev vm KERNEL --append 'memmap=256M!0x120000000' -- ...
# which turns 256 MiB of memory above 4 GiB into /dev/pmem0. Package e2fsprogs.

make_pmem() {
    local dir=$1
    modprobe nd_e820 && modprobe nd_pmem || return 1
    if [ ! -b /dev/pmem0 ]; then
        echo "make-pmem.sh: no /dev/pmem0: start the guest with --append 'memmap=256M!0x120000000'" >&2
        return 1
    fi
    mkdir -p "$dir" || return 1
    # DAX wants blocks of the size of a page.
    mkfs.ext4 -q -F -b 4096 /dev/pmem0 && mount -t ext4 -o dax=always /dev/pmem0 "$dir"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    if [ $# != 1 ]; then
        echo "usage: make-pmem.sh DIRECTORY" >&2
        exit 2
    fi
    make_pmem "$@"
fi
