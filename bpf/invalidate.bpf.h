// Invalidations: what takes pages away from addresses at which they are pinned. Nothing can stop them; they are told.
//
// fexit on the system calls' own functions, because only calls that succeeded are of interest, and where the arguments
// are the caller's. What comes in other ways (brk, shmdt) is seen where the address space has an mmu notifier. A caller
// without pins costs one look into a table; one with pins is told of only within the range of addresses that were ever
// pinned, and user space, which knows what is pinned now, has the last word.
#pragma once

#include "compat.bpf.h"
#include "preempt.bpf.h"
#include "space.bpf.h"

#include <asm/unistd.h>

enum {
    ENOMEM = 12,
    MAP_FIXED = 0x10,
    MAP_FIXED_NOREPLACE = 0x100000,
    MREMAP_FIXED = 2,
    MADV_DONTNEED = 4,
    MADV_DONTNEED_LOCKED = 24,
    MADV_GUARD_INSTALL = 102,
};

// Where madvise_do_behavior() can be listened to, which do_madvise() calls: that one need not tell.
const volatile __u32 madvise_behavior_tells;

static __always_inline __u64 page_start(__u64 address)
{
    return address & ~((1ULL << PW_PAGE_SHIFT) - 1);
}

static __always_inline __u64 page_end(__u64 address)
{
    __u64 last = (1ULL << PW_PAGE_SHIFT) - 1;
    return page_start(address > ~0ULL - last ? address : address + last);
}

struct invalidation {
    __u64 mm;
    __u64 address;
    __u64 end;
    __u64 moved_to;
    __u64 moved_bytes;
    __u64 replaced;
    __u64 replaced_end;
    __u32 operation;
};

static __noinline int report_invalidation(struct invalidation *what)
{
    if (!what)
        return 0;
    struct pw_mm_pins *pins = bpf_map_lookup_elem(&mm_pins, &what->mm);
    if (!pins || !(pw_overlaps(pins->first_address, pins->end_address, what->address, what->end) ||
                   pw_overlaps(pins->first_address, pins->end_address, what->replaced, what->replaced_end)))
        return 0;
    // What is moved may be pinned there, too.
    if (what->moved_to)
        note_addresses(what->mm, what->moved_to, what->moved_bytes >> PW_PAGE_SHIFT);
    struct pw_invalidation *record = RESERVE(pw_invalidation, PW_KIND_INVALIDATION, PW_LOST_INVALIDATION);
    if (!record)
        return 0;
    record->space = pins->space;
    record->address = what->address;
    record->end = what->end;
    record->moved_to = what->moved_to;
    record->moved_bytes = what->moved_bytes;
    record->replaced = what->replaced;
    record->replaced_end = what->replaced_end;
    fill_current_task(&record->caller);
    record->operation = what->operation;
    record->reserved = 0;
    submit(record);
    return 0;
}

static __always_inline bool is_error_value(__u64 value)
{
    return value >= (__u64)-4095;
}

// int munmap(void *addr, size_t length)
SEC("?fexit/" SYSCALL_FUNCTION("munmap"))
int munmap_exit(void *ctx)
{
    if (!concerns_own_pins() || return_value(ctx))
        return 0;
    __u64 mm = current_mm();
    struct pt_regs___syscall *registers = (void *)ARGUMENT(ctx, 0);
    __u64 address = SYSCALL_ARGUMENT(registers, 0);
    struct invalidation what = {
        .operation = PW_INVALIDATION_MUNMAP,
        .mm = mm,
        .address = address,
        .end = page_end(address + SYSCALL_ARGUMENT(registers, 1)),
    };
    return UNPREEMPTED(report_invalidation(&what));
}

// void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
// With MAP_FIXED it takes the place of whatever was mapped there.
SEC("?fexit/" SYSCALL_FUNCTION("mmap"))
int mmap_exit(void *ctx)
{
    if (!concerns_own_pins())
        return 0;
    struct pt_regs___syscall *registers = (void *)ARGUMENT(ctx, 0);
    __u64 flags = SYSCALL_ARGUMENT(registers, 3);
    if (!(flags & MAP_FIXED) || flags & MAP_FIXED_NOREPLACE)
        return 0;
    __u64 mm = current_mm();
    __u64 address = return_value(ctx);
    if (is_error_value(address))
        return 0;
    struct invalidation what = {
        .operation = PW_INVALIDATION_MMAP_FIXED,
        .mm = mm,
        .address = address,
        .end = page_end(address + SYSCALL_ARGUMENT(registers, 1)),
    };
    return UNPREEMPTED(report_invalidation(&what));
}

// void *mremap(void *old_address, size_t old_size, size_t new_size, int flags, void *new_address)
// An old size of 0 maps the same pages a second time, and leaves the first mapping alone.
SEC("?fexit/" SYSCALL_FUNCTION("mremap"))
int mremap_exit(void *ctx)
{
    __u64 mapped = return_value(ctx);
    if (!concerns_own_pins() || is_error_value(mapped))
        return 0;
    __u64 mm = current_mm();
    struct pt_regs___syscall *registers = (void *)ARGUMENT(ctx, 0);
    __u64 address = SYSCALL_ARGUMENT(registers, 0);
    __u64 old_bytes = page_end(SYSCALL_ARGUMENT(registers, 1));
    __u64 new_bytes = page_end(SYSCALL_ARGUMENT(registers, 2));
    struct invalidation what = {
        .operation = PW_INVALIDATION_MREMAP,
        .mm = mm,
        .address = address,
        .end = address + old_bytes,
    };
    if (SYSCALL_ARGUMENT(registers, 3) & MREMAP_FIXED) {
        what.replaced = mapped;
        what.replaced_end = mapped + new_bytes;
    }
    if (mapped == address) {
        what.address = address + (new_bytes < old_bytes ? new_bytes : old_bytes);
    } else if (old_bytes) {
        what.moved_to = mapped;
        what.moved_bytes = new_bytes < old_bytes ? new_bytes : old_bytes;
    }
    return UNPREEMPTED(report_invalidation(&what));
}

// Others (MADV_FREE, MADV_PAGEOUT, MADV_COLLAPSE) leave pages that are pinned where they are. MADV_REMOVE is an
// operation on the file: see fallocate.bpf.h.
static __always_inline __u32 invalidating_advice(__u32 advice)
{
    switch (advice) {
        case MADV_DONTNEED:
        case MADV_DONTNEED_LOCKED: return PW_INVALIDATION_MADV_DONTNEED;
        case MADV_GUARD_INSTALL: return PW_INVALIDATION_MADV_GUARD;
        default: return 0;
    }
}

static __always_inline int on_madvise(__u64 mm, __u64 start, __u64 bytes, __u32 advice, int returned)
{
    __u32 operation = invalidating_advice(advice);
    // With ENOMEM it went over a hole, after doing what it could.
    if (!operation || (returned && returned != -ENOMEM) || !concerns_pins(mm))
        return 0;
    struct invalidation what = {
        .operation = operation, .mm = mm, .address = page_start(start), .end = page_end(start + bytes)};
    return UNPREEMPTED(report_invalidation(&what));
}

// int do_madvise(struct mm_struct *mm, unsigned long start, size_t len_in, int behavior)
// Where madvise(2), io_uring's madvise and, on 6.1 and 6.12, process_madvise(2) come through.
SEC("?fexit/do_madvise")
int madvise_exit(void *ctx)
{
    if (madvise_behavior_tells)
        return 0;
    return on_madvise(ARGUMENT(ctx, 0), ARGUMENT(ctx, 1), ARGUMENT(ctx, 2), ARGUMENT(ctx, 3), return_value(ctx));
}

// int madvise_do_behavior(unsigned long start, size_t len_in, struct madvise_behavior *madv_behavior)
// On 7.3 process_madvise(2) comes through here only. Kernels that give it other parameters leave this program out.
SEC("?fexit/madvise_do_behavior")
int madvise_behavior_exit(void *ctx)
{
    struct madvise_behavior *behavior = (void *)ARGUMENT(ctx, 2);
    return on_madvise((__u64)BPF_CORE_READ(behavior, mm), ARGUMENT(ctx, 0), ARGUMENT(ctx, 1),
                      BPF_CORE_READ(behavior, behavior), return_value(ctx));
}

// Whether the current task is in a call that is told of when it ends. Of what io_uring does only madvise is one.
static __always_inline bool told_otherwise(__u64 mm, __u32 task_flags)
{
    if (task_flags & PF_IO_WORKER)
        return true;
    switch (current_syscall()) {
        case __NR_munmap:
        case __NR_mmap:
        case __NR_mremap:
        case __NR_madvise:
        case __NR_io_uring_enter: return mm == current_mm();
        case __NR_process_madvise: return true;
        default: return false;
    }
}

// int __mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
// Called only where the address space has a notifier. Threads of the kernel are left out: reclaim, migration and the
// merging of pages say what they are going to do, and then find that the page is pinned.
SEC("?fentry/__mmu_notifier_invalidate_range_start")
int notifier_range_start_enter(void *ctx)
{
    struct mmu_notifier_range *range = (void *)ARGUMENT(ctx, 0);
    __u32 event = BPF_CORE_READ(range, event);
    bool unmaps = event == bpf_core_enum_value(enum mmu_notifier_event, MMU_NOTIFY_UNMAP);
    if (!unmaps && event != bpf_core_enum_value(enum mmu_notifier_event, MMU_NOTIFY_CLEAR))
        return 0;
    __u64 mm = (__u64)BPF_CORE_READ(range, mm);
    if (!concerns_pins(mm))
        return 0;
    __u32 task_flags = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), flags);
    if (task_flags & PF_KTHREAD || told_otherwise(mm, task_flags))
        return 0;
    struct invalidation what = {
        .operation = unmaps ? PW_INVALIDATION_NOTIFIER_UNMAP : PW_INVALIDATION_NOTIFIER_CLEAR,
        .mm = mm,
        .address = page_start(BPF_CORE_READ(range, start)),
        .end = page_end(BPF_CORE_READ(range, end)),
    };
    return UNPREEMPTED(report_invalidation(&what));
}
