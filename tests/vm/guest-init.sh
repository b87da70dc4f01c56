#!/bin/bash
# Process 1 of the guest once the host's files are mounted: guest-init.sh REPOSITORY RUN_FOLDER KERNEL_FOLDER
# Makes the machine an ordinary one, runs the command that boot.sh left in RUN_FOLDER, tells its status, powers off.
repo=$1 run=$2 kernel_dir=$3
release=$(uname -r)
export PATH=$repo/build/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TMPDIR=/tmp PWD=/

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
mkdir -p /usr/lib/modules
ln -sfn "$kernel_dir/lib/modules/$release" "/usr/lib/modules/$release"
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=mmap build "$repo/build"
ip link set lo up
if [ -e "$run/network" ]; then
    modprobe virtio_net
    ip addr add 10.0.2.15/24 dev eth0
    ip link set eth0 up
fi

port() { grep -lx "pinwarden.$1" /sys/class/virtio-ports/*/name | awk -F/ '{ print "/dev/" $5 }'; }

# A port can be opened only once, and a command may well reopen /dev/stderr: so it writes to pipes.
exec 3> >(exec cat > "$(port stdout)")
out=$!
exec 4> >(exec cat > "$(port stderr)")
err=$!
: > "$run/started"
bash "$run/command" < /dev/null >&3 2>&4 3>&- 4>&-
status=$?
exec 3>&- 4>&-
# What the command left running holds the pipes open; it ends here, with the machine.
for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    case $pid in
    1 | "$out" | "$err") ;;
    *) kill -KILL "$pid" 2> /dev/null ;;
    esac
done
wait "$out" "$err"
echo "$status" > "$run/status"
sync -f "$run/status"
echo o > /proc/sysrq-trigger
while :; do sleep 1; done
