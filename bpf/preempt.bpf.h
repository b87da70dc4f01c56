// A program that another task preempts blocks itself: the kernel skips a run of it on a processor where it is in the
// middle of one already, and counts that as missed. Up to 6.12 nothing preempts a program where preemption is
// voluntary, as Debian has it; later kernels preempt lazily instead.
#pragma once

#include "kernel_types.bpf.h"

#include <bpf/bpf_helpers.h>

// Set by the loader, from 6.15 on: before, the verifier refuses global functions where preemption is off.
const volatile __u32 tasks_preempt;

extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

// Evaluates to what `work` does, all of it without being preempted.
#define UNPREEMPTED(work)                                                                                              \
    ({                                                                                                                 \
        if (tasks_preempt)                                                                                             \
            bpf_preempt_disable();                                                                                     \
        int result_ = (work);                                                                                          \
        if (tasks_preempt)                                                                                             \
            bpf_preempt_enable();                                                                                      \
        result_;                                                                                                       \
    })
