// The kernel's own long-term loop: __gup_longterm_locked() pins, and when it finds pages it must migrate, lets go
// through the exported functions and pins anew. Those releases are not the owner's.
#pragma once

#include "compat.bpf.h"
#include "emit.bpf.h"

#include <bpf/bpf_tracing.h>

// bpf_get_func_arg() rather than typed arguments: 6.1 and 6.12 refuse to read a `struct page **` from the context.
#define ARGUMENT(ctx, n)                                                                                               \
    ({                                                                                                                 \
        __u64 value_ = 0;                                                                                              \
        bpf_get_func_arg((ctx), (n), &value_);                                                                         \
        value_;                                                                                                        \
    })

static __always_inline bool inside_longterm_loop(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    return bpf_map_lookup_elem(&in_longterm_loop, &tid) != 0;
}

static __always_inline int enter_longterm_loop(__u64 flags)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    __u8 inside = 1;
    if ((__u32)flags & foll_longterm)
        bpf_map_update_elem(&in_longterm_loop, &tid, &inside, BPF_ANY);
    return 0;
}

static __always_inline int leave_longterm_loop(__u64 flags)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    if ((__u32)flags & foll_longterm)
        bpf_map_delete_elem(&in_longterm_loop, &tid);
    return 0;
}

// long __gup_longterm_locked(struct mm_struct *mm, unsigned long start, unsigned long nr_pages, struct page **pages,
//                            int *locked, unsigned int gup_flags), from 6.5 on
SEC("?fentry/__gup_longterm_locked")
int longterm_loop_enter(void *ctx)
{
    return enter_longterm_loop(ARGUMENT(ctx, 5));
}

SEC("?fexit/__gup_longterm_locked")
int longterm_loop_exit(void *ctx)
{
    return leave_longterm_loop(ARGUMENT(ctx, 5));
}

// Before 6.5 the loop itself is out of reach: the calls that may enter it are marked as a whole (pin.bpf.h takes the
// mark away when they return).
SEC("?fentry/pin_user_pages")
int pin_user_pages_enter(void *ctx)
{
    return enter_longterm_loop(ARGUMENT(ctx, 2));
}

SEC("?fentry/pin_user_pages_fast")
int pin_user_pages_fast_enter(void *ctx)
{
    return enter_longterm_loop(ARGUMENT(ctx, 2));
}

SEC("?fentry/pin_user_pages_unlocked")
int pin_user_pages_unlocked_enter(void *ctx)
{
    return enter_longterm_loop(ARGUMENT(ctx, 3));
}
