// The one BPF object: one file per group of hooks, all in one translation unit so that they share maps and helpers.
#include "kernel_types.bpf.h"

#include "audit.bpf.h"
#include "enforce.bpf.h"
#include "lifecycle.bpf.h"
#include "pin.bpf.h"
#include "unpin.bpf.h"

char LICENSE[] SEC("license") = "GPL";
