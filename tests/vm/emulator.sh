#!/bin/bash
# Prints the words of the command that starts qemu, one a line.
# It is the machine's own qemu if that is 8.1 or later. Debian 12's is older, and its software emulation sometimes runs
# machine code that the guest has just replaced (qemu locks code pages while it translates only since 8.1). Kernels do
# that when they attach a probe, and so now and then die of "Oops: int3". There the newer qemu of Debian's backports is
# unpacked into .cache/emulator; it runs with the libraries of the installed one.
# Needs: qemu-system-x86; on Debian 12 also apt, dpkg, debian-archive-keyring.
set -euo pipefail

repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tests/vm/archive.sh
. "$repo/tests/vm/archive.sh"

fetch() {
    local suite
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")-backports
    echo "$what: downloading it from $suite" >&2
    archive_open "$1"
    archive_read "$suite"
    archive_unpack "$suite" "$1/made" qemu-system-x86 qemu-system-data seabios
    rm -rf "$1/made/usr/share/doc"
}

# version COMMAND...: what this qemu calls itself, or nothing.
version() {
    "$@" --version 2> /dev/null | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'
}

what="qemu 8.1 or later"
if dpkg --compare-versions "$(version qemu-system-x86_64)" ge 8.1; then
    echo qemu-system-x86_64
    exit 0
fi
folder=$repo/.cache/emulator
cached "$folder" 1 fetch
dpkg --compare-versions "$(version "$folder/usr/bin/qemu-system-x86_64")" ge 8.1 ||
    die "the qemu in $folder does not run, or is older than 8.1" \
        "$("$folder/usr/bin/qemu-system-x86_64" --version 2>&1 | head -1)" \
        "run './dev setup'; if that does not help, delete that folder and try again"
printf '%s\n' "$folder/usr/bin/qemu-system-x86_64" -L "$folder/usr/share/qemu" -L "$folder/usr/share/seabios"
