// Programs the daemon runs on demand, to ask the kernel what only the kernel knows.
#pragma once

#include "emit.bpf.h"

extern const void vmemmap_base __ksym __weak;

// Where the array of struct page starts, so that page numbers can be told from addresses. On x86-64 it is a variable,
// randomised at boot; elsewhere a constant the daemon does not need: numbers then count from address 0.
SEC("?syscall")
int read_geometry(void *ctx)
{
    unsigned long start = 0;
    if (&vmemmap_base)
        bpf_probe_read_kernel(&start, sizeof(start), &vmemmap_base);
    vmemmap_start = start;
    return 0;
}
