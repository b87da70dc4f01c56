#!/bin/bash
# Process 1 of the guest once the host's files are mounted: guest-init.sh REPOSITORY RUN_FOLDER KERNEL_FOLDER
# Makes the machine an ordinary one, runs the command that boot.sh left in RUN_FOLDER, tells its status, powers off.
# If boot.sh asks for systemd, that becomes process 1 instead and runs the rest of this as a service:
# guest-init.sh --service REPOSITORY RUN_FOLDER
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# What differs from any other machine.
make_guest() {
    local release
    release=$(uname -r)
    mkdir -p /usr/lib/modules
    ln -sfn "$kernel_dir/lib/modules/$release" "/usr/lib/modules/$release"
    # Programs stay as they are while it runs, and may be kept in memory as the rest of the host's files; only of what
    # both sides write each side has to see the other's.
    local programs=/run/programs
    mkdir -p $programs "$repo/build/bin"
    mount --bind "$repo/build/bin" $programs
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=mmap build "$repo/build"
    mount --bind $programs "$repo/build/bin"
    umount $programs
    ip link set lo up
    if [ -e "$run/network" ]; then
        modprobe virtio_net
        ip addr add 10.0.2.15/24 dev eth0
        ip link set eth0 up
    fi
}

# What an init does on any machine.
make_machine() {
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/lock /dev/pts /dev/shm /dev/hugepages
    mount -t devpts devpts /dev/pts
    mount -t tmpfs tmpfs /dev/shm
    mount -t hugetlbfs hugetlbfs /dev/hugepages
    ln -sfn /proc/self/fd /dev/fd
    ln -sfn /proc/self/fd/0 /dev/stdin
    ln -sfn /proc/self/fd/1 /dev/stdout
    ln -sfn /proc/self/fd/2 /dev/stderr
    mount -t bpf bpf /sys/fs/bpf
    mount -t tracefs tracefs /sys/kernel/tracing
    mount -t debugfs debugfs /sys/kernel/debug
    mount -t securityfs securityfs /sys/kernel/security
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

# Only what services lean on: no hardware to wait for, no log-in, no jobs of the host's.
start_systemd() {
    local units=/run/systemd/system unit
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p $units
    for unit in systemd-udevd.service systemd-udev-trigger.service systemd-hwdb-update.service \
        systemd-modules-load.service systemd-random-seed.service systemd-timesyncd.service systemd-binfmt.service \
        systemd-firstboot.service systemd-machine-id-commit.service systemd-pstore.service ldconfig.service \
        systemd-update-utmp.service apparmor.service keyboard-setup.service console-setup.service; do
        ln -s /dev/null "$units/$unit"
    done
    # Without one this would be the machine's first start, on which every unit there is gets enabled.
    [ -s /etc/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
    # The host may be a container, and then starts no services; this guest is none.
    rm -f /.dockerenv /usr/sbin/policy-rc.d
    cat > $units/pinwarden-guest.target << U
[Unit]
Requires=pinwarden-guest.service
AllowIsolate=yes
U
    cat > $units/pinwarden-guest.service << U
[Unit]
After=sysinit.target dbus.socket
Requires=sysinit.target
Wants=dbus.socket
[Service]
Type=exec
ExecStart=/bin/bash $0 --service $repo $run
OOMScoreAdjust=-1000
LimitMEMLOCK=infinity
U
    exec /lib/systemd/systemd --unit=pinwarden-guest.target --show-status=no
}

port() { grep -lx "pinwarden.$1" /sys/class/virtio-ports/*/name | awk -F/ '{ print "/dev/" $5 }'; }

# What the command may have left running: everything, or all of its service.
left_running() {
    if [ $service = yes ]; then
        cat "/sys/fs/cgroup/$(cut -d : -f 3 /proc/self/cgroup)/cgroup.procs"
    else
        printf '%s\n' /proc/[0-9]* | cut -d / -f 3
    fi
}

run_command() {
    local out err pid status
    export PATH=$repo/build/bin:$PATH
    export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TMPDIR=/tmp PWD=/
    # A port can be opened only once, and a command may well reopen /dev/stderr: so it writes to pipes.
    exec 3> >(exec cat > "$(port stdout)")
    out=$!
    exec 4> >(exec cat > "$(port stderr)")
    err=$!
    : > "$run/started"
    bash "$run/command" < /dev/null >&3 2>&4 3>&- 4>&-
    status=$?
    exec 3>&- 4>&-
    # It holds the pipes open; it ends here, with the machine.
    for pid in $(left_running); do
        case $pid in
        1 | "$$" | "$out" | "$err") ;;
        *) kill -KILL "$pid" 2> /dev/null ;;
        esac
    done
    wait "$out" "$err"
    echo "$status" > "$run/status"
    sync -f "$run/status"
    echo o > /proc/sysrq-trigger
    # Soon. The kernel does not bear that process 1 ends before.
    exec tail -f /dev/null
}

service=no
if [ "$1" = --service ]; then
    service=yes repo=$2 run=$3
    run_command
fi
repo=$1 run=$2 kernel_dir=$3
if [ -e "$run/systemd" ]; then
    make_guest
    start_systemd
fi
make_machine
make_guest
run_command
