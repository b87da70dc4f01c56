// Whether a program runs in an interrupt. Apart from compat.bpf.h, because every object needs it and nothing else of
// that.
#pragma once

#include "kernel_types.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
// From 6.2 to 6.14.
struct pcpu_hot {
    int preempt_count;
};
struct thread_info___arm64 {
    __u64 preempt_count;
};
struct task_struct___arm64 {
    struct thread_info___arm64 thread_info;
};
#pragma clang attribute pop

// On x86-64 the count is a variable of each processor, which was part of pcpu_hot for a while.
extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

enum {
    SOFTIRQ_SERVED = 1 << 8,
    HARDIRQ_MASK = 0xf << 16,
    NMI_MASK = 0xf << 20,
};

// In an interrupt the current task is whichever it fell upon: nothing about that says who is at work.
static __always_inline bool in_interrupt(void)
{
    int count = 0;
#if defined(__TARGET_ARCH_arm64)
    count = (int)BPF_CORE_READ((struct task_struct___arm64 *)bpf_get_current_task(), thread_info.preempt_count);
#else
    if (&__preempt_count)
        count = *(const int *)bpf_this_cpu_ptr(&__preempt_count);
    else if (&pcpu_hot)
        count = ((const struct pcpu_hot *)bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
#endif
    return count & (SOFTIRQ_SERVED | HARDIRQ_MASK | NMI_MASK);
}
