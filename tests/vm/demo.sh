#!/bin/bash
# Plays the mail of 2018 in a guest, with a real RDMA device on a real file system, and tells what happens. Every step is
# checked: the status is 0 only if all went as told. Called by `./dev run --demo`.
# Needs: root in a guest with kernel 6.1 (from 6.5 on the kernel refuses what the first chapter shows).
set -euo pipefail
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tests/vm/make-rdma.sh
. "$repo/tests/vm/make-rdma.sh"
# shellcheck source=tests/vm/make-loopfs.sh
. "$repo/tests/vm/make-loopfs.sh"
file=/mnt/data/model size=65536

chapter() { printf '\n%s\n\n' "$*"; }
tell() { printf '  %s\n' "$@"; }
indent() { sed 's/^/      /'; }

failed() {
    printf '\nThis is not how the story goes: %s\n' "$*" >&2
    exit 1
}

# show COMMAND: a shell's words, and what they print. Their status is ours.
show() {
    printf '    $ %s\n' "$1"
    bash -c "$1" 2>&1 | indent
}

# refused COMMAND: it must fail because the file is busy.
refused() {
    local output
    printf '    $ %s\n' "$1"
    if output=$(bash -c "$1" 2>&1); then failed "'$1' went through"; fi
    indent <<< "$output"
    [[ $output == *'Device or resource busy'* ]] || failed "'$1' failed for another reason"
}

# ask COMMAND...: has the program with the RDMA device do something; what it says is in $answer.
ask() {
    printf '%s\n' "$*" >&"${program[1]}"
    read -r -u "${program[0]}" answer || failed "the program with the RDMA device is gone"
    [[ $answer == ok* ]] || failed "$*: $answer"
    answer=${answer#ok}
    answer=${answer# }
}

# A file full of 'A', in the hands of the device.
pin_file() {
    truncate -s 0 $file
    ask file $file $size
    ask fill mapping 41
    ask pin rdma rw
}

# What the 16 pages hold, in words.
pages() {
    case $1 in
    41x16) echo "16 pages of AAAAAAAA..." ;;
    42x16) echo "16 pages of BBBBBBBB..." ;;
    00x16) echo "16 pages of zeroes" ;;
    *) echo "pages that hold $1" ;;
    esac
}

# compare DEVICE FILE: tells what the device finds in its memory region and what is in the file, and checks it.
compare() {
    local at_device at_file
    ask look device
    at_device=$answer
    ask look file
    at_file=$answer
    tell "  the device has:  $(pages "$at_device")" "  the file has:    $(pages "$at_file")"
    [ "$at_device $at_file" = "$1x16 $2x16" ] || failed "the device has $at_device, the file $at_file"
}

# counted VERDICT MODE NUMBER: so many truncates that met pins must have ended like this.
counted() {
    local command="curl -s 127.0.0.1:9877/metrics | grep 'truncate\".*\"$1\",mode=\"$2\"'"
    show "$command"
    [[ $(bash -c "$command") == *" $3" ]] || failed "there were to be $3 with the verdict $1 in mode $2"
}

policy() {
    cat << 'P'
name: no-truncate-under-a-device
mode: monitor
match:
  operations: [truncate]
  file: {path_prefixes: [/mnt/data]}
action:
  deny: {errno: EBUSY}
P
}

# The daemon tells on standard error when all its hooks are attached.
start_daemon() {
    mkfifo messages
    pinwardend --policy "$1" 2> messages &
    daemon=$!
    exec {messages}< messages
    while read -r -u "$messages" line; do
        if [[ $line == 'pinwardend ready'* ]]; then return; fi
    done
    failed "pinwardend did not start: $line"
}

case $(uname -r) in
6.1.*) ;;
*) failed "it takes kernel 6.1; this is $(uname -r)" ;;
esac
make_rdma > /dev/null
make_loopfs ext4 /mnt/data
cd "$(mktemp -d)"
policy > policy.yaml
coproc program { exec pinner; }

echo "What happens when a file is truncated while a device writes into it. This is Linux $(uname -r)."

chapter "1. Without pinwarden: silent data loss"
tell "A program registers a file on ext4 with an RDMA device. From now on the device reads and writes the" \
    "file's pages by itself, whenever it likes: they are pinned."
: > $file
pin_file
show "ls -l $file"
compare 41 41
tell "" "Somebody truncates the file, and it grows again. Nobody is asked, nobody is told:"
show "truncate -s 0 $file && truncate -s 64K $file"
tell "" "The device does not know. It writes B all over its memory region:"
ask fill device 42
compare 42 00
tell "" "What the device wrote will never be in the file. There was no error anywhere."
ask release

chapter "2. With a monitoring policy: it is seen"
show "cat policy.yaml"
start_daemon policy.yaml
tell "" "The same again. pinwardend knows who has pinned what, through which driver, and since when:"
pin_file
show "pinctl pins"
tell "" "The truncate goes through, because a monitoring policy changes nothing. But it is counted:"
show "truncate -s 0 $file"
[ "$(stat -c %s $file)" = 0 ] || failed "the file was not truncated"
counted deny monitor 1
ask release

chapter "3. With an enforcing policy: it is stopped"
show "sed -i s/monitor/enforce/ policy.yaml && pinctl policy apply policy.yaml"
pin_file
tell "" "Every way to truncate the file now fails, before anything is changed:"
refused "truncate -s 0 $file"
refused ": > $file"
[ "$(stat -c %s $file)" = $size ] || failed "the file's size has changed"
show "ls -l $file"
compare 41 41
tell "" "The device goes on writing, and what it writes is in the file:"
ask fill device 42
compare 42 42
tell "" "What takes no pinned page away is let through: the file may grow."
show "truncate -s 1M $file"
counted deny enforce 2

chapter "4. When the device is done"
tell "The program lets go of its memory region (ibv_dereg_mr). From that moment on the file can be truncated:"
ask release
show "pinctl pins"
show "truncate -s 0 $file"
[ "$(stat -c %s $file)" = 0 ] || failed "the file was not truncated"
kill "$daemon"
wait "$daemon" || failed "pinwardend did not end cleanly"
[ ! -e /run/pinwarden/operator.sock ] || failed "pinwardend left its socket behind"
tell "" "That is the whole story. Every step above was checked."
