// The contract between the BPF programs and the daemon: every struct that crosses the kernel/user boundary.
//
// Compiled as C by clang for BPF (with kernel_types.bpf.h before it) and as C++ by the daemon (with <linux/types.h>).
// Units: page counts and file positions named *page* are in base pages (4096 bytes on x86-64); times are nanoseconds of
// CLOCK_BOOTTIME; sizes named *bytes* or *size* are bytes. Every struct is a multiple of eight bytes without implicit
// padding; the assertions below, and a unit test against the BPF object's own BTF, keep it so.
#pragma once

#include <pinwarden/abi_maps.h>
#include <pinwarden/abi_records.h>
