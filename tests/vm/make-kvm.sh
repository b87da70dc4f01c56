#!/bin/bash
# Makes /dev/kvm inside a guest, so that a process can hold a mapping with an mmu notifier. Prints /dev/kvm.
# Run it, or source it and call make_kvm.
# Needs: root in a guest. Emulated processors have SVM; on a host with KVM the host must allow nested guests.

make_kvm() {
    if grep -qw svm /proc/cpuinfo; then
        modprobe kvm_amd || return 1
    elif grep -qw vmx /proc/cpuinfo; then
        modprobe kvm_intel || return 1
    else
        echo "make-kvm.sh: this processor has neither svm nor vmx: does the host allow nested guests?" >&2
        return 1
    fi
    if [ ! -c /dev/kvm ]; then
        echo "make-kvm.sh: /dev/kvm did not appear although the module is loaded" >&2
        return 1
    fi
    echo /dev/kvm
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    make_kvm "$@"
fi
