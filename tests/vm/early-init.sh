#!/bin/busybox sh
# shellcheck shell=dash
# First process of the guest: mounts the host's files, with memory on top for what is written, and hands over to
# guest-init.sh there. Its settings, one a line, are in /where; see make_initramfs in boot.sh.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do insmod "$module"; done
{
    IFS= read -r guest_init
    IFS= read -r repo
    IFS= read -r run
    IFS= read -r kernel_dir
} < /where
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose root /ro
mount -t tmpfs tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new
for dir in proc sys dev; do mount --move /$dir /new/$dir; done
exec switch_root /new /bin/bash "$guest_init" "$repo" "$run" "$kernel_dir"
