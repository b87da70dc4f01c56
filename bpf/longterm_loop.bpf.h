// The kernel's own long-term loop: __gup_longterm_locked() pins, and when it finds pages it must migrate, lets go
// through the exported functions and pins anew. Those releases are not the owner's.
#pragma once

#include "caught.bpf.h"
#include "compat.bpf.h"
#include "emit.bpf.h"
#include "trampoline.bpf.h"

#include <bpf/bpf_tracing.h>

static __always_inline int enter_longterm_loop(__u64 flags)
{
    if (!((__u32)flags & foll_longterm))
        return 0;
    struct task_state *task = this_task_or_new();
    if (task)
        task->in_longterm_loop = 1;
    else
        count(PW_LOST_TASK);
    return 0;
}

static __always_inline int leave_longterm_loop(__u64 flags)
{
    if (!((__u32)flags & foll_longterm))
        return 0;
    struct task_state *task = this_task();
    if (!task)
        return 0;
    if (task->depth)
        task->in_longterm_loop = 0;
    else
        forget_task();
    return 0;
}

// long __gup_longterm_locked(struct mm_struct *mm, unsigned long start, unsigned long nr_pages, struct page **pages,
//                            int *locked, unsigned int gup_flags), from 6.5 on
MUST_NOT_MISS("?fentry/__gup_longterm_locked", longterm_loop_enter)
{
    return enter_longterm_loop(ARGUMENT(ctx, 5));
}

MUST_NOT_MISS("?fexit/__gup_longterm_locked", longterm_loop_exit)
{
    return leave_longterm_loop(ARGUMENT(ctx, 5));
}

// Before 6.5 the loop itself is out of reach: the calls that may enter it are marked as a whole (pin.bpf.h takes the
// mark away when they return).
MUST_NOT_MISS("?fentry/pin_user_pages", pin_user_pages_enter)
{
    return enter_longterm_loop(ARGUMENT(ctx, 2));
}

MUST_NOT_MISS("?fentry/pin_user_pages_fast", pin_user_pages_fast_enter)
{
    return enter_longterm_loop(ARGUMENT(ctx, 2));
}

MUST_NOT_MISS("?fentry/pin_user_pages_unlocked", pin_user_pages_unlocked_enter)
{
    return enter_longterm_loop(ARGUMENT(ctx, 3));
}
