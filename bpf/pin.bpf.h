// Acquiring: the functions of mm/gup.c that pin pages for long.
//
// fexit, because what was pinned (count, pages, error) is known only at the end, and a trampoline is the cheapest way
// to get there; mm/gup.c has no tracepoints. A pin counts as acquired when its function has returned.
#pragma once

#include "longterm_loop.bpf.h"
#include "owner.bpf.h"
#include "pin_pages.bpf.h"
#include "pin_ranges.bpf.h"
#include "space.bpf.h"

#include <bpf/bpf_tracing.h>

// The number of the address space that holds the addresses of a long-term pin; 0 when they are none.
static __always_inline __u64 note_space(struct acquire *call)
{
    if (!(call->flags & foll_longterm) || call->returned <= 0 || call->function == PW_MEMFD_PIN_FOLIOS)
        return 0;
    return note_addresses(call->mm ? call->mm : current_mm(), call->address, call->returned);
}

// Build ids and offsets, which mean something when the process is gone; and which, other than addresses, do not tell
// where its memory lies.
static __noinline int emit_user_stack(void *ctx, __u64 pin)
{
    struct pw_user_stack *record = RESERVE(pw_user_stack, PW_KIND_USER_STACK, PW_LOST_USER_STACK);
    if (!record)
        return 0;
    record->pin = pin;
    record->reserved = 0;
    long bytes = bpf_get_stack(ctx, record->frame, sizeof(record->frame), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
    record->depth = bytes > 0 ? bytes / sizeof(struct pw_user_frame) : 0;
    submit(record);
    return 0;
}

enum {
    PIN_LOST,
    PIN_TRACKED,   // by the pages it is on
    PIN_FOLLOWED,  // by the object it is for
};

static __noinline int emit_pin(void *ctx, struct acquire *call, __u64 pin)
{
    if (!call)
        return 0;
    bool long_term = call->flags & foll_longterm;
    struct task_state *task = long_term ? this_task() : 0;
    bool more = task && task->scope && task->described && call->returned > 0;
    if (!more)
        note_owner();
    struct pw_pin *record = RESERVE(pw_pin, PW_KIND_PIN, PW_LOST_PIN);
    if (!record) {
        note_space(call);
        return PIN_LOST;
    }
    record->pin = pin;
    record->address = call->address;
    record->mm = call->mm ? call->mm : current_mm();
    record->space = note_space(call);
    record->requested_pages = call->requested;
    record->pinned_pages = call->returned > 0 ? call->returned : 0;
    record->error = call->returned < 0 ? call->returned : 0;
    record->function = call->function;
    record->flags = (call->flags & foll_longterm ? PW_PIN_LONGTERM : 0) |
                    (call->flags & foll_write ? PW_PIN_WRITE : 0) |
                    (call->mm && call->mm != current_mm() ? PW_PIN_REMOTE : 0) | (more ? PW_PIN_MORE : 0);
    record->scope = task ? task->scope : 0;
    record->scope_kind = task ? task->kind : 0;
    bool followed = record->scope;
    if (!followed && call->returned > 0)
        __sync_fetch_and_add(&shared.unfollowed_made, 1);
    record->reserved = 0;
    fill_current_task(&record->owner);
    // What takes longest by far.
    long bytes = more ? 0 : bpf_get_stack(ctx, record->stack, sizeof(record->stack), 0);
    record->stack_depth = bytes > 0 ? bytes / sizeof(__u64) : 0;
    if (task && call->returned > 0)
        task->described = 1;
    submit(record);
    if (user_stacks && long_term && !more && call->returned > 0)
        emit_user_stack(ctx, pin);
    return followed ? PIN_FOLLOWED : PIN_TRACKED;
}

// Whether a call is nobody's business: nothing it pins is there for long, and nothing that is could be mistaken for it.
static __always_inline bool passes_by(__u32 flags)
{
    return !(flags & foll_longterm) && every_pin_is_followed();
}

// Who pins is not letting an object go: if it looks so, the kernel has skipped the program that should have given the
// thread's place back, and what the thread lets go later must be told of.
static __always_inline void give_place_back(void)
{
    __u64 self = bpf_get_current_task();
    typeof(shared.releases[0]) *place = RELEASE_PLACE(self);
    if (place->task == self)
        place->task = 0;
}

static __always_inline int on_acquire(void *ctx, struct acquire *call)
{
    __s64 returned = call->returned;
    bool long_term = call->flags & foll_longterm;

    if (mark_whole_call)
        leave_longterm_loop(call->flags);
    // The callers may pass any address within the first page.
    call->address &= ~((1ULL << PW_PAGE_SHIFT) - 1);
    if (returned == 0 || (returned < 0 && !long_term))
        return 0;
    // Unless all are asked for, a brief pin matters only on pages somebody holds for long: its release must not be
    // taken for theirs.
    if (!long_term && !track_short_term && !any_tracked((__u64)call->pages, returned))
        return 0;
    give_place_back();
    __u64 pin = __sync_fetch_and_add(&last_pin, 1) + 1;
    int told = emit_pin(ctx, call, pin);
    if (returned < 0)
        return 0;
    if (long_term)
        record_ranges(call, pin, returned);
    if (told == PIN_LOST)
        return 0;
    // First: a release that follows at once must not be taken for one of an untracked page.
    if (told == PIN_TRACKED)
        raise_blocks((__u64)call->pages, returned);
    return tell_pages((__u64)call->pages, pin, returned);
}

// long pin_user_pages(unsigned long start, unsigned long nr_pages, unsigned int gup_flags, struct page **pages, ...)
MUST_NOT_MISS("?fexit/pin_user_pages", pin_user_pages_exit)
{
    if (passes_by(FLAGS(ctx, 2)))
        return 0;
    struct acquire call = {
        .function = PW_PIN_USER_PAGES,
        .address = ARGUMENT(ctx, 0),
        .requested = ARGUMENT(ctx, 1),
        .flags = (__u32)ARGUMENT(ctx, 2),
        .pages = (__u64 *)ARGUMENT(ctx, 3),
        .returned = return_value(ctx),
    };
    return on_acquire(ctx, &call);
}

// int pin_user_pages_fast(unsigned long start, int nr_pages, unsigned int gup_flags, struct page **pages)
MUST_NOT_MISS("?fexit/pin_user_pages_fast", pin_user_pages_fast_exit)
{
    if (passes_by(FLAGS(ctx, 2)))
        return 0;
    struct acquire call = {
        .function = PW_PIN_USER_PAGES_FAST,
        .address = ARGUMENT(ctx, 0),
        .requested = (__u32)ARGUMENT(ctx, 1),
        .flags = (__u32)ARGUMENT(ctx, 2),
        .pages = (__u64 *)ARGUMENT(ctx, 3),
        .returned = (int)return_value(ctx),
    };
    return on_acquire(ctx, &call);
}

// int pin_user_pages_fast_only(unsigned long start, int nr_pages, unsigned int gup_flags, struct page **pages)
MUST_NOT_MISS("?fexit/pin_user_pages_fast_only", pin_user_pages_fast_only_exit)
{
    if (passes_by(FLAGS(ctx, 2)))
        return 0;
    struct acquire call = {
        .function = PW_PIN_USER_PAGES_FAST_ONLY,
        .address = ARGUMENT(ctx, 0),
        .requested = (__u32)ARGUMENT(ctx, 1),
        .flags = (__u32)ARGUMENT(ctx, 2),
        .pages = (__u64 *)ARGUMENT(ctx, 3),
        .returned = (int)return_value(ctx),
    };
    return on_acquire(ctx, &call);
}

// long pin_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages, unsigned int gup_flags,
//                            struct page **pages, ...)
MUST_NOT_MISS("?fexit/pin_user_pages_remote", pin_user_pages_remote_exit)
{
    if (passes_by(FLAGS(ctx, 3)))
        return 0;
    struct acquire call = {
        .function = PW_PIN_USER_PAGES_REMOTE,
        .mm = ARGUMENT(ctx, 0),
        .address = ARGUMENT(ctx, 1),
        .requested = ARGUMENT(ctx, 2),
        .flags = (__u32)ARGUMENT(ctx, 3),
        .pages = (__u64 *)ARGUMENT(ctx, 4),
        .returned = return_value(ctx),
    };
    return on_acquire(ctx, &call);
}

// long pin_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages, unsigned int gup_flags,
//                            struct page **pages, struct vm_area_struct **vmas, int *locked), before 6.5
// Seven parameters are more than a trampoline of 6.1 can pass on: a kprobe keeps the arguments, a kretprobe has the
// result. The kernel may skip a kretprobe when too many calls are under way; the next call of the thread finds that
// out.
SEC("?kprobe/pin_user_pages_remote")
int BPF_KPROBE(pin_user_pages_remote_kprobe, __u64 mm, __u64 address, __u64 requested, __u64 flags, __u64 pages)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct remote_call call = {
        .mm = mm, .address = address, .requested = requested, .flags = (__u32)flags, .pages = pages};
    if (!((__u32)flags & foll_longterm) && !track_short_term)
        return 0;
    if (bpf_map_update_elem(&remote_calls, &tid, &call, BPF_NOEXIST)) {
        count(PW_LOST_PIN);
        bpf_map_update_elem(&remote_calls, &tid, &call, BPF_ANY);
    }
    return enter_longterm_loop(flags);
}

SEC("?kretprobe/pin_user_pages_remote")
int BPF_KRETPROBE(pin_user_pages_remote_kretprobe, long returned)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct remote_call *kept = bpf_map_lookup_elem(&remote_calls, &tid);
    if (!kept)
        return 0;
    struct acquire call = {
        .function = PW_PIN_USER_PAGES_REMOTE,
        .mm = kept->mm,
        .address = kept->address,
        .requested = kept->requested,
        .flags = kept->flags,
        .pages = (__u64 *)kept->pages,
        .returned = returned,
    };
    bpf_map_delete_elem(&remote_calls, &tid);
    return on_acquire(ctx, &call);
}

// long pin_user_pages_unlocked(unsigned long start, unsigned long nr_pages, struct page **pages, unsigned int
// gup_flags)
MUST_NOT_MISS("?fexit/pin_user_pages_unlocked", pin_user_pages_unlocked_exit)
{
    if (passes_by(FLAGS(ctx, 3)))
        return 0;
    struct acquire call = {
        .function = PW_PIN_USER_PAGES_UNLOCKED,
        .address = ARGUMENT(ctx, 0),
        .requested = ARGUMENT(ctx, 1),
        .flags = (__u32)ARGUMENT(ctx, 3),
        .pages = (__u64 *)ARGUMENT(ctx, 2),
        .returned = return_value(ctx),
    };
    return on_acquire(ctx, &call);
}

// long memfd_pin_folios(struct file *memfd, loff_t start, loff_t end, struct folio **folios, unsigned int max_folios,
//                       pgoff_t *offset)
// Pins each folio once, always for long; `end` is the last byte.
static __always_inline int on_memfd_pin_folios(void *ctx)
{
    struct file *file = (void *)ARGUMENT(ctx, 0);
    __u64 start = ARGUMENT(ctx, 1);
    __u64 end = ARGUMENT(ctx, 2);
    struct acquire call = {
        .function = PW_MEMFD_PIN_FOLIOS,
        .address = start,
        .requested = (end >> PW_PAGE_SHIFT) - (start >> PW_PAGE_SHIFT) + 1,
        .flags = foll_longterm | foll_write,
        .pages = (__u64 *)ARGUMENT(ctx, 3),
        .returned = return_value(ctx),
    };
    if (call.returned == 0)
        return 0;
    __u64 pin = __sync_fetch_and_add(&last_pin, 1) + 1;
    int told = emit_pin(ctx, &call, pin);
    if (call.returned < 0)
        return 0;
    struct file_range range = {
        .inode = BPF_CORE_READ(file, f_inode),
        .dentry = BPF_CORE_READ(file, f_path.dentry),
        .mount = mount_of(file),
        .pin = pin,
        .address = start,
        .page_index = start >> PW_PAGE_SHIFT,
        .pages = call.requested,
    };
    record_range(&range);
    if (told == PIN_LOST)
        return 0;
    if (told == PIN_TRACKED)
        raise_blocks((__u64)call.pages, call.returned);
    return tell_pages((__u64)call.pages, pin, call.returned);
}

MUST_NOT_MISS("?fexit/memfd_pin_folios", memfd_pin_folios_exit)
{
    return on_memfd_pin_folios(ctx);
}
