#!/bin/bash
# Makes an RDMA device, soft-RoCE over a dummy network device, inside a guest. Run it, or source it and call make_rdma.
#   make-rdma.sh        prints the device's name, rxe0; does nothing if it is there already
# Needs: root in a guest; iproute2 (ip, rdma). Programs that use it link libibverbs (package ibverbs-providers).

make_rdma() {
    if [ ! -e /sys/class/infiniband/rxe0 ]; then
        modprobe rdma_rxe && modprobe ib_uverbs && modprobe dummy numdummies=0 || return 1
        # The device wants a network device that is up and has an address; no packet ever leaves it.
        ip link add pinwarden0 type dummy && ip addr add 10.9.9.1/24 dev pinwarden0 && ip link set pinwarden0 up || return 1
        rdma link add rxe0 type rxe netdev pinwarden0 || return 1
    fi
    if [ ! -c /dev/infiniband/uverbs0 ]; then
        echo "make-rdma.sh: /dev/infiniband/uverbs0 did not appear: is the module ib_uverbs loaded?" >&2
        return 1
    fi
    echo rxe0
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    make_rdma "$@"
fi
