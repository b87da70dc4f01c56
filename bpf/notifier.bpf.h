// Mmu notifiers: who listens to an address space, instead of pinning its pages or besides. Those for a range hold
// memory on demand (ODP, GPU userptr and shared virtual memory): the device follows what happens to the mapping.
#pragma once

#include "pin.bpf.h"

static __noinline int report_notifier(struct pw_notifier *what)
{
    if (!what)
        return 0;
    // So that its exit is told, too.
    if (!what->gone)
        note_owner();
    struct pw_notifier *record = RESERVE(pw_notifier, PW_KIND_NOTIFIER, PW_LOST_NOTIFIER);
    if (!record)
        return 0;
    record->notifier = what->notifier;
    record->callback = what->callback;
    record->mm = what->mm;
    record->address = what->address;
    record->length = what->length;
    fill_current_task(&record->owner);
    record->kind = what->kind;
    record->gone = what->gone;
    submit(record);
    return 0;
}

// Any function of the listener will do: its module is what it is known by.
static __always_inline __u64 range_callback(struct mmu_interval_notifier_ops *operations)
{
    __u64 callback = (__u64)BPF_CORE_READ(operations, invalidate);
    struct mmu_interval_notifier_ops___two_steps *newer = (void *)operations;
    if (!callback && bpf_core_field_exists(newer->invalidate_start))
        callback = (__u64)BPF_CORE_READ(newer, invalidate_start);
    return callback;
}

static __always_inline int on_range_notifier(void *ctx)
{
    if ((int)return_value(ctx))
        return 0;
    struct pw_notifier what = {
        .kind = PW_NOTIFIER_RANGE,
        .notifier = ARGUMENT(ctx, 0),
        .mm = ARGUMENT(ctx, 1),
        .address = ARGUMENT(ctx, 2),
        .length = ARGUMENT(ctx, 3),
        .callback = range_callback((void *)ARGUMENT(ctx, 4)),
    };
    return UNPREEMPTED(report_notifier(&what));
}

// int mmu_interval_notifier_insert(struct mmu_interval_notifier *interval_sub, struct mm_struct *mm,
//                                  unsigned long start, unsigned long length,
//                                  const struct mmu_interval_notifier_ops *ops)
SEC("?fexit/mmu_interval_notifier_insert")
int range_notifier_insert_exit(void *ctx)
{
    return on_range_notifier(ctx);
}

// The same for callers that hold the address space's lock.
SEC("?fexit/mmu_interval_notifier_insert_locked")
int range_notifier_insert_locked_exit(void *ctx)
{
    return on_range_notifier(ctx);
}

static __always_inline int on_notifier_gone(__u64 notifier)
{
    struct pw_notifier what = {.notifier = notifier, .gone = 1};
    return UNPREEMPTED(report_notifier(&what));
}

// void mmu_interval_notifier_remove(struct mmu_interval_notifier *interval_sub)
// fentry: afterwards it may be gone, and another have its address.
SEC("?fentry/mmu_interval_notifier_remove")
int range_notifier_remove_enter(void *ctx)
{
    return on_notifier_gone(ARGUMENT(ctx, 0));
}

// int __mmu_notifier_register(struct mmu_notifier *subscription, struct mm_struct *mm)
// What all ways to register one for a whole address space come to. A first one for a range makes room for itself with
// it, and gives none.
SEC("?fexit/__mmu_notifier_register")
int notifier_register_exit(void *ctx)
{
    struct mmu_notifier *subscription = (void *)ARGUMENT(ctx, 0);
    if (!subscription || (int)return_value(ctx))
        return 0;
    struct mmu_notifier_ops *operations = (void *)BPF_CORE_READ(subscription, ops);
    __u64 callback = (__u64)BPF_CORE_READ(operations, release);
    if (!callback)
        callback = (__u64)BPF_CORE_READ(operations, invalidate_range_start);
    struct pw_notifier what = {
        .kind = PW_NOTIFIER_SPACE,
        .notifier = (__u64)subscription,
        .mm = ARGUMENT(ctx, 1),
        .callback = callback,
    };
    return UNPREEMPTED(report_notifier(&what));
}

// void mmu_notifier_unregister(struct mmu_notifier *subscription, struct mm_struct *mm)
SEC("?fentry/mmu_notifier_unregister")
int notifier_unregister_enter(void *ctx)
{
    return on_notifier_gone(ARGUMENT(ctx, 0));
}

// void mmu_notifier_put(struct mmu_notifier *subscription)
// fexit: the last user's put takes it away, which shows afterwards; its memory goes some time later (call_srcu).
SEC("?fexit/mmu_notifier_put")
int notifier_put_exit(void *ctx)
{
    struct mmu_notifier *subscription = (void *)ARGUMENT(ctx, 0);
    if (BPF_CORE_READ(subscription, users))
        return 0;
    return on_notifier_gone((__u64)subscription);
}
