#!/bin/bash
# Runs one command as root on a real Debian kernel in a throwaway virtual machine. People call it as `./dev vm`.
#   boot.sh KERNEL [option...] -- COMMAND [ARGUMENT...]
# What the guest sees: this machine's files under their own paths (writes go to memory and are gone afterwards), except
# that build/ is shared for writing. COMMAND starts in the caller's folder, with build/bin first in PATH.
# COMMAND's output and error output arrive here separately, byte for byte, while it runs; so does its exit status.
# Other exit statuses: 124 after --timeout, 125 when the machine itself failed, 2 for wrong usage.
# The kernel's own messages of the last run stay in build/vm/KERNEL.console.log.
set -euo pipefail

readonly caller=$PPID # the machine does not outlive it
readonly boot_limit=200 # seconds until a guest that has not started COMMAND counts as hung; emulated, busy hosts are slow

repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")

usage() {
    cat << 'U'
usage: ./dev vm 6.1|6.12|latest [option...] -- COMMAND [ARGUMENT...]
  --icount              one processor that runs one instruction per nanosecond: times repeat, whatever the host does
  --systemd             systemd as process 1; COMMAND is a service of it
  --mem SIZE            memory of the guest (default 3G)
  --smp N               processors (default 2)
  --append ARGUMENTS    added to the kernel's command line
  --qemu ARGUMENTS      added to qemu's command line, split at spaces
  --port HOST:GUEST     makes the guest's TCP port GUEST reachable at 127.0.0.1:HOST; may be repeated
  --timeout SECONDS     stops the machine after that long, with status 124
U
}

wrong() {
    printf './dev vm: %s\n' "$1" >&2
    usage >&2
    exit 2
}

arguments=("$@")
memory=3G processors=2 append='' timeout=0 icount=no systemd=no kernel=''
extra=() ports=()
while [ $# -gt 0 ]; do
    case $1 in
    --mem | --smp | --append | --qemu | --port | --timeout) [ $# -ge 2 ] || wrong "$1 needs a value" ;;
    esac
    case $1 in
    --icount) icount=yes ;;
    --systemd) systemd=yes ;;
    --mem) memory=$2 && shift ;;
    --smp) processors=$2 && shift ;;
    --append) append=$2 && shift ;;
    --qemu) read -ra extra <<< "$2" && shift ;;
    --port)
        [[ $2 =~ ^[0-9]+:[0-9]+$ ]] || wrong "--port wants HOST:GUEST, two numbers, not '$2'"
        ports+=("$2") && shift
        ;;
    --timeout)
        [[ $2 =~ ^[0-9]+$ ]] || wrong "--timeout wants whole seconds, not '$2'"
        timeout=$2 && shift
        ;;
    --help | -h) usage && exit 0 ;;
    --) shift && break ;;
    -*) wrong "unknown option '$1'" ;;
    *)
        [ -z "$kernel" ] || wrong "unexpected '$1': the command comes after --"
        kernel=$1
        ;;
    esac
    shift
done
[ -n "$kernel" ] || wrong "which kernel? 6.1, 6.12 or latest"
[ $# -gt 0 ] || wrong "no command: put it after --"
case $kernel in
6.1 | 6.12 | latest) ;;
*) wrong "unknown kernel '$kernel': choose 6.1, 6.12 or latest" ;;
esac

kernel_dir=$("$repo/tests/vm/kernel.sh" "$kernel") || exit 125
release=$(< "$kernel_dir/release")
emulator=$("$repo/tests/vm/emulator.sh") || exit 125
mapfile -t emulator <<< "$emulator"

mkdir -p "$repo/build/bin" "$repo/build/vm"
# What a run left that was killed too hard to tidy up: the process that its name tells is gone.
for old in "$repo"/build/vm/run.*; do
    if [ ! -d "/proc/${old##*.}" ]; then rm -rf "$old"; fi
done
run=$repo/build/vm/run.$$
rm -rf "$run"
mkdir "$run"
: > "$run/console.log"
qemu='' readers=() helpers=()

# shellcheck disable=SC2317  # called by the trap
# Runs on every way out, also after a signal: nothing of this run stays behind but the kernel's messages.
cleanup() {
    local pid
    trap '' INT TERM HUP
    for pid in $qemu "${readers[@]}" "${helpers[@]}"; do
        kill -KILL "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true # bash would tell of the kill
    done
    mv -f "$run/console.log" "$repo/build/vm/$kernel.console.log" 2> /dev/null || true
    rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

failed() {
    {
        echo "./dev vm: the $kernel virtual machine failed: $1"
        cat "$run/qemu.log" 2> /dev/null
        echo "end of the guest's kernel messages (all of them: build/vm/$kernel.console.log):"
        tail -n 40 "$run/console.log"
    } >&2
    exit 125
}

# The command travels in a file, quoted by the shell, because the kernel's command line would change it.
write_command() {
    local name
    for name in TERM LANG LC_ALL NO_COLOR CI $(compgen -e PINWARDEN_) $(compgen -e ASAN_) $(compgen -e UBSAN_) $(compgen -e TSAN_); do
        if [ -n "${!name+set}" ]; then printf 'export %s=%q\n' "$name" "${!name}"; fi
    done
    printf 'cd %q || exit 125\n' "$PWD"
    printf 'exec --'
    printf ' %q' "$@"
    echo
}
write_command "$@" > "$run/command"
if [ $systemd = yes ]; then : > "$run/systemd"; fi

# Only what it takes to mount this machine's files: everything else is loaded from there.
make_initramfs() {
    local ram=$run/ram n=0 module file
    mkdir -p "$ram"/{bin,proc,sys,dev,new,ro,rw,modules}
    cp "$(command -v busybox)" "$ram/bin/busybox"
    cp "$repo/tests/vm/early-init.sh" "$ram/init"
    printf '%s\n' "$repo/tests/vm/guest-init.sh" "$repo" "$run" "$kernel_dir" > "$ram/where"
    for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
        modprobe -d "$kernel_dir" -S "$release" --show-depends "$module" 2> /dev/null || true # built in on some kernels
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$run/modules"
    while read -r file; do
        cp "$file" "$ram/modules/$(printf %02d "$n").ko"
        n=$((n + 1))
    done < "$run/modules"
    (cd "$ram" && find . | cpio -o -H newc --quiet) > "$run/initramfs"
    rm -rf "$ram"
}
PATH=$PATH:/usr/sbin:/sbin make_initramfs

# /dev/kvm alone says little: where the host is a guest itself, it may be served by a KVM that runs no ordinary kernel, and
# where the processor's features are filtered, qemu may fail to set the registers they promise.
kvm_works() {
    [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo &&
        echo quit | timeout 20 "${emulator[@]}" -machine q35,kernel-irqchip=split -accel kvm -cpu host -m 64M -nodefaults \
            -no-user-config -display none -S -monitor stdio > /dev/null 2>&1
}

# shellcheck disable=SC2054  # commas belong to qemu's options
machine=(-machine "q35,kernel-irqchip=split" -smp "$processors" -m "$memory" -nodefaults -no-user-config -no-reboot -display none
    -kernel "$kernel_dir/vmlinuz" -initrd "$run/initramfs"
    -chardev "file,id=console,path=$run/console.log,append=on" -serial chardev:console
    # Messages of the guest wait for nothing here: files take everything at once, so nothing is lost when it powers off.
    -device virtio-serial-pci,ioeventfd=off
    -chardev "file,id=out,path=$run/stdout" -device virtserialport,chardev=out,name=pinwarden.stdout
    -chardev "file,id=err,path=$run/stderr" -device virtserialport,chardev=err,name=pinwarden.stderr
    -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=root,mount_tag=root
    -fsdev "local,id=build,path=$repo/build,security_model=none,multidevs=remap" -device virtio-9p-pci,fsdev=build,mount_tag=build
    # For VFIO: a device that anybody may drive, behind an emulated IOMMU (tests/vm/make-vfio.sh).
    -device "intel-iommu,intremap=on" -device edu)
# shellcheck disable=SC2054
if [ $icount = yes ]; then
    machine+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -cpu max,+svm -smp 1)
elif kvm_works; then
    machine+=(-accel kvm -cpu host)
else
    # An emulated processor runs its repeated string instructions one step after the other. Of one without fast ones the
    # kernel and the C library copy and clear by words or vectors instead of by bytes, in an eighth of the steps. Nor does
    # it speculate: what guards against that takes a quarter of the time of a start. Page tables of five levels are walked
    # step by step, too, and few hosts have them.
    machine+=(-accel tcg -cpu max,+svm,-erms,-fsrm,-la57)
    append="mitigations=off $append"
fi
# no_timer_check: a guest of a busy host may get none of the interrupts it waits for to see that its timer works.
machine+=(-append "console=ttyS0 quiet panic=-1 no_timer_check intel_iommu=on iommu=pt $append")
if [ ${#ports[@]} -gt 0 ]; then
    : > "$run/network"
    net=user,id=net,restrict=on
    for port in "${ports[@]}"; do net+=,hostfwd=tcp:127.0.0.1:${port%:*}-:${port#*:}; done
    # shellcheck disable=SC2054
    machine+=(-netdev "$net" -device virtio-net-pci,netdev=net,romfile=)
fi

: > "$run/stdout"
: > "$run/stderr"
# The kernel kills the machine when this script dies, however it dies.
setpriv --pdeathsig KILL "${emulator[@]}" "${machine[@]}" "${extra[@]}" < /dev/null > "$run/qemu.log" 2>&1 &
qemu=$!
tail -c +1 -f -s 0.05 --pid="$qemu" "$run/stdout" 2> /dev/null &
readers+=($!)
tail -c +1 -f -s 0.05 --pid="$qemu" "$run/stderr" >&2 2> /dev/null &
readers+=($!)

setpriv --pdeathsig KILL tail -f /dev/null -s 0.3 --pid="$caller" &
helpers+=($!)
watcher=$!

# wait_machine SECONDS: waits until the machine stops by itself; false if it still runs after that time (0: no limit).
wait_machine() {
    local ended='' timer='' wait_for=("$qemu" "$watcher")
    if [ "$1" != 0 ]; then
        setpriv --pdeathsig KILL sleep "$1" &
        timer=$!
        helpers+=("$timer") wait_for+=("$timer")
    fi
    wait -n -p ended "${wait_for[@]}" || true
    case $ended in
    "$timer") return 1 ;;
    "$watcher") exit 143 ;; # nobody is left to read what we would say
    *) return 0 ;;
    esac
}

first=$boot_limit
if [ "$timeout" -gt 0 ] && [ "$timeout" -lt $boot_limit ]; then first=$timeout; fi
timed_out=no
if ! wait_machine "$first"; then
    if [ "$first" = "$timeout" ]; then
        timed_out=yes
    elif [ ! -e "$run/started" ]; then
        # On a host that has very much to do, an emulated processor may come up without its timer. Nothing has run yet.
        [ -z "${PINWARDEN_SECOND_BOOT:-}" ] || failed "it did not start the command within $boot_limit seconds, twice"
        echo "./dev vm: the $kernel virtual machine did not start within $boot_limit seconds; once more" >&2
        cleanup
        trap - EXIT INT TERM HUP
        PINWARDEN_SECOND_BOOT=yes exec "$0" "${arguments[@]}"
    elif [ "$timeout" -gt 0 ]; then
        wait_machine $((timeout - first)) || timed_out=yes
    else
        wait_machine 0
    fi
fi
if [ $timed_out = yes ]; then kill -KILL "$qemu"; fi
wait "$qemu" 2> /dev/null || true
qemu=''
wait "${readers[@]}" || true # they end by themselves when everything has been read
if [ $timed_out = yes ]; then
    echo "./dev vm: stopped after $timeout seconds, as --timeout said: $*" >&2
    exit 124
fi
[ -s "$run/status" ] || failed "it stopped before the command ended"
status=$(< "$run/status")
# Who is killed says nothing any more; if it was for want of memory, the kernel does.
if [ "$status" -gt 128 ]; then
    echo "./dev vm: the command was ended by SIG$(kill -l "$status"); the guest's last kernel messages:" >&2
    tail -n 20 "$run/console.log" >&2
fi
exit "$status"
