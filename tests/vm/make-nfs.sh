#!/bin/bash
# Exports a folder by the kernel's NFS server and mounts it again by its client, inside a guest and without the daemons
# that usually answer the server's questions: who may mount what is written into its caches beforehand.
#   make-nfs.sh EXPORTED MOUNTPOINT      EXPORTED is a file system's root
# Needs: root in a guest.
set -euo pipefail
if [ $# != 2 ]; then
    echo "usage: make-nfs.sh EXPORTED MOUNTPOINT" >&2
    exit 2
fi
modprobe nfsd
modprobe nfsv4
mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
# Only version 4: the others would have to be registered with rpcbind.
echo '-3 +4 +4.1 +4.2' > /proc/fs/nfsd/versions
# Where the server keeps who its clients are; without it there is no way to end its grace period early.
mkdir -p /var/lib/nfs/v4recovery
echo 10 > /proc/fs/nfsd/nfsv4gracetime
echo 10 > /proc/fs/nfsd/nfsv4leasetime
readonly never=2147483647 fsid=8192 no_subtree_check=1024 async=16 insecure=2
echo "nfsd 127.0.0.1 $never localhost" > /proc/net/rpc/auth.unix.ip/channel
echo "localhost $1 $never $((fsid + no_subtree_check + async + insecure)) 65534 65534 0" > /proc/net/rpc/nfsd.export/channel
printf '%s\n' "localhost 1 \x00000000 $never $1" > /proc/net/rpc/nfsd.fh/channel
echo 'tcp 2049' > /proc/fs/nfsd/portlist
echo 2 > /proc/fs/nfsd/threads
# Nobody has anything to reclaim. Where the server will not hear of it, its clients wait for ten seconds.
echo Y 2> /dev/null > /proc/fs/nfsd/v4_end_grace || true
mount -i -t nfs4 -o vers=4.2,sec=sys,addr=127.0.0.1,clientaddr=127.0.0.1 127.0.0.1:/ "$2"
