#!/bin/bash
# Hands qemu's educational PCI device to vfio-pci inside a guest, and prints the path of its group, /dev/vfio/NUMBER.
# Run it, or source it and call make_vfio.
# Needs: root in a guest. Every ./dev vm has the device and the emulated IOMMU that this takes.

make_vfio() {
    local device group
    device=$(grep -l 0x11e8 /sys/bus/pci/devices/*/device | head -1) && device=${device%/device}
    if [ -z "$device" ]; then
        echo "make-vfio.sh: this machine has no educational device (PCI 1234:11e8): is it a ./dev vm guest?" >&2
        return 1
    fi
    modprobe vfio_iommu_type1 && modprobe vfio_pci || return 1
    if [ "$(basename "$(readlink "$device/driver")")" != vfio-pci ]; then
        echo vfio-pci > "$device/driver_override"
        basename "$device" > /sys/bus/pci/drivers_probe || return 1
    fi
    group=/dev/vfio/$(basename "$(readlink "$device/iommu_group")")
    if [ ! -c "$group" ]; then
        echo "make-vfio.sh: $group did not appear: has this guest an IOMMU (intel_iommu=on)?" >&2
        return 1
    fi
    echo "$group"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    make_vfio "$@"
fi
