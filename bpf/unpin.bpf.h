// Releasing: every exported function that lets pins go.
//
// fentry, because the arguments say it all and it is the cheapest kind. What is reported is about to happen; nothing
// here depends on the moment it has happened: decisions look at the pages themselves. Releases of pages in blocks
// without tracked pins return at once.
#pragma once

#include "interrupt.bpf.h"
#include "pin.bpf.h"

// Whether nobody has to be told of a page that is let go: because it is told with its object, or because nobody has
// pinned it for long: while all who did are objects, what is let go outside of these is not theirs.
static __always_inline bool untold(void)
{
    bool all_followed = every_pin_is_followed();
    if (!shared.in_scope)
        return all_followed;
    __u64 self = bpf_get_current_task();
    typeof(shared.releases[0]) *place = RELEASE_PLACE(self);
    if (place->task != self)
        return false;
    // Where brief pins are recorded, what ends in an interrupt on top of this thread must be told of.
    if (place->released && all_followed)
        return true;
    if (in_interrupt())
        return false;
    place->released = 1;
    return true;
}

// Whether the thread is in the middle of an object whose number is known: what it lets go is told whatever is tracked.
static __always_inline bool for_object(void)
{
    if (!shared.in_scope || in_interrupt())
        return false;
    struct task_state *task = this_task();
    return task && task->scope;
}

struct releaser {
    __u64 mm;
    __u64 pid_tgid;
    __u64 scope;
    __u32 kind;
    __u32 flags;
};

// Who lets go, and which object it belongs to. False when it is not an owner's release. Reads and writes end in
// interrupts: then it is nobody known.
static __always_inline bool identify_releaser(struct releaser *by)
{
    if (in_interrupt())
        return true;
    by->mm = current_mm();
    by->pid_tgid = bpf_get_current_pid_tgid();
    struct task_state *task = this_task();
    if (!task)
        return true;
    if (task->in_longterm_loop)
        return false;
    by->scope = task->scope;
    by->kind = task->kind;
    by->flags = task->making ? PW_RELEASE_MAKING : 0;
    task->released = 1;
    return true;
}

// Not static: the verifier looks at it once, by itself.
__noinline int emit_release(__u64 page, __u64 pages, __u32 span, __u32 function, __u32 offset)
{
    struct releaser by = {};
    if (!identify_releaser(&by))
        return 0;
    struct pw_release *record = RESERVE(pw_release, PW_KIND_RELEASE, PW_LOST_RELEASE);
    if (!record)
        return 0;
    record->mm = by.mm;
    record->page = page;
    record->count = pages;
    record->span = span;
    record->function = function;
    record->pid = by.pid_tgid >> 32;
    record->tid = (__u32)by.pid_tgid;
    record->scope = by.scope;
    record->scope_kind = by.kind;
    record->flags = by.flags;
    record->offset = offset;
    record->reserved = 0;
    submit(record);
    return 0;
}

struct release_walk {
    __u64 *pages;
    __u64 total;
    __u32 function;
    struct releaser by;
};

// As in EMIT_PAGES: a reservation's size must be a constant, and most lists are short.
#define EMIT_RELEASES(capacity, walk, at, wanted)                                                                      \
    ({                                                                                                                 \
        const __u32 bytes_ = offsetof(struct pw_release_pages, page) + (capacity) * sizeof(__u64);                     \
        struct pw_release_pages *record_ = bpf_ringbuf_reserve(&events, bytes_, 0);                                    \
        if (record_) {                                                                                                 \
            __u32 size_ = (wanted) * sizeof(__u64);                                                                    \
            if (size_ > (capacity) * sizeof(__u64))                                                                    \
                size_ = (capacity) * sizeof(__u64);                                                                    \
            record_->header.kind = PW_KIND_RELEASE_PAGES;                                                              \
            record_->header.bytes = offsetof(struct pw_release_pages, page) + size_;                                   \
            record_->header.time = bpf_ktime_get_boot_ns();                                                            \
            record_->mm = (walk)->by.mm;                                                                               \
            record_->scope = (walk)->by.scope;                                                                         \
            record_->scope_kind = (walk)->by.kind;                                                                     \
            record_->flags = (walk)->by.flags;                                                                         \
            record_->function = (walk)->function;                                                                      \
            record_->pid = (walk)->by.pid_tgid >> 32;                                                                  \
            record_->tid = (__u32)(walk)->by.pid_tgid;                                                                 \
            record_->count = (wanted);                                                                                 \
            bpf_probe_read_kernel(record_->page, size_, &(walk)->pages[at]);                                           \
            submit(record_);                                                                                           \
        }                                                                                                              \
        !!record_;                                                                                                     \
    })

static long release_step(__u32 step, struct release_walk *walk)
{
    __u64 at = (__u64)step * PW_PAGES_PER_CHUNK;
    bool sent;

    if (at >= walk->total)
        return 1;
    __u64 left = walk->total - at;
    __u32 wanted = left < PW_PAGES_PER_CHUNK ? left : PW_PAGES_PER_CHUNK;
    if (wanted <= 8)
        sent = EMIT_RELEASES(8, walk, at, wanted);
    else if (wanted <= 64)
        sent = EMIT_RELEASES(64, walk, at, wanted);
    else
        sent = EMIT_RELEASES(PW_PAGES_PER_CHUNK, walk, at, wanted);
    if (!sent)
        count(PW_LOST_RELEASE);
    return 0;
}

// Pins that are let go together: `count` of the pages from `page` on, or, with a span, anywhere on that folio.
struct release_run {
    __u64 page;
    __u64 count;
    __u32 span;
    __u32 offset;
};

struct folio_walk {
    __u64 *list;  // of pages, or
    __u64 first;  // consecutive ones from there on
    __u64 total;
    __u64 done;
    __u32 function;
    struct release_run run;
};

static __always_inline void flush_release(struct release_run *run, __u32 function)
{
    if (run->count && (run_tracked(run->page, run->span ? run->span : run->count) || for_object()))
        emit_release(run->page, run->count, run->span, function, run->offset);
}

static long folio_step(__u32 step, struct folio_walk *walk)
{
    const __u32 size = bpf_core_type_size(struct page);
    __u64 left = walk->total - walk->done;
    __u64 page = walk->first + walk->done * size;
    __u64 pages = 1;

    if (walk->done >= walk->total)
        return 1;
    if (walk->list)
        bpf_probe_read_kernel(&page, sizeof(page), &walk->list[walk->done]);
    __u64 folio = page_folio(page);
    __u32 span = folio_pages((void *)folio);
    __u32 offset = (page - folio) / size;
    if (span <= 1) {
        span = 0;
        folio = page;
        offset = PW_ANY_PAGE;
    } else if (!walk->list) {
        pages = span - offset < left ? span - offset : left;
    }
    walk->done += pages;
    struct release_run *run = &walk->run;
    if (run->count && run->span == span && (span ? run->page == folio : run->page + run->count * size == page)) {
        run->count += pages;
        run->offset = PW_ANY_PAGE;
        return 0;
    }
    flush_release(run, walk->function);
    run->page = folio;
    run->count = pages;
    run->span = span;
    run->offset = pages == 1 ? offset : PW_ANY_PAGE;
    return 0;
}

// Says of each folio how many of its pins are let go.
__noinline int emit_releases_by_folio(__u64 list, __u64 first, __u64 total, __u32 function)
{
    // From `zero`, so that 6.1's verifier does not take what the callback changes for constants.
    struct folio_walk walk = {.list = (__u64 *)list,
                              .first = first,
                              .total = total,
                              .done = zero,
                              .function = function,
                              .run = {.page = zero, .count = zero, .span = zero, .offset = zero}};
    bpf_loop(PAGES_MAX, folio_step, &walk, 0);
    flush_release(&walk.run, function);
    return 0;
}

static __always_inline int on_release_list(__u64 *pages, __u64 total, __u32 function)
{
    struct release_walk walk = {.pages = pages, .total = total, .function = function};
    // In this order: to look at a list takes longer the longer it is.
    if (!for_object() && !any_tracked((__u64)pages, total))
        return 0;
    if (shared.releases_by_folio)
        return emit_releases_by_folio((__u64)pages, 0, total, function);
    if (!identify_releaser(&walk.by))
        return 0;
    bpf_loop(PAGES_MAX / PW_PAGES_PER_CHUNK, release_step, &walk, 0);
    return 0;
}

// `pins` pins of a folio are let go; which of its pages they are on is not said, unless one is named by its offset.
static __always_inline int on_release_folio(__u64 folio, __u64 pins, __u32 function, __u32 offset)
{
    __u32 span = folio_pages((void *)folio);
    if (!run_tracked(folio, span) && !for_object())
        return 0;
    return emit_release(folio, pins, span > 1 ? span : 0, function, offset);
}

// void unpin_user_page(struct page *page)
// io_uring names the head of a folio of which it has pinned another page, in another block perhaps.
MUST_NOT_MISS("?fentry/unpin_user_page", unpin_user_page_enter)
{
    if (untold())
        return 0;
    __u64 page = ARGUMENT(ctx, 0);
    __u64 folio = page_folio(page);
    if (page == folio)
        return on_release_folio(folio, 1, PW_UNPIN_USER_PAGE, 0);
    if (!page_tracked(page) && !for_object())
        return 0;
    __u32 span = folio_pages((void *)folio);
    __u32 offset = (page - folio) / bpf_core_type_size(struct page);
    return emit_release(folio, 1, span > 1 ? span : 0, PW_UNPIN_USER_PAGE, offset);
}

// void unpin_user_pages(struct page **pages, unsigned long npages)
MUST_NOT_MISS("?fentry/unpin_user_pages", unpin_user_pages_enter)
{
    return untold() ? 0 : on_release_list((__u64 *)ARGUMENT(ctx, 0), ARGUMENT(ctx, 1), PW_UNPIN_USER_PAGES);
}

// void unpin_user_pages_dirty_lock(struct page **pages, unsigned long npages, bool make_dirty)
// Without make_dirty it calls unpin_user_pages(), which reports it.
MUST_NOT_MISS("?fentry/unpin_user_pages_dirty_lock", unpin_user_pages_dirty_lock_enter)
{
    if (untold() || !(ARGUMENT(ctx, 2) & 0xff))
        return 0;
    return on_release_list((__u64 *)ARGUMENT(ctx, 0), ARGUMENT(ctx, 1), PW_UNPIN_USER_PAGES_DIRTY_LOCK);
}

// void unpin_user_page_range_dirty_lock(struct page *page, unsigned long npages, bool make_dirty)
MUST_NOT_MISS("?fentry/unpin_user_page_range_dirty_lock", unpin_user_page_range_dirty_lock_enter)
{
    if (untold())
        return 0;
    __u64 page = ARGUMENT(ctx, 0);
    __u64 pages = ARGUMENT(ctx, 1);
    if (shared.releases_by_folio)
        return emit_releases_by_folio(0, page, pages, PW_UNPIN_USER_PAGE_RANGE_DIRTY_LOCK);
    if (!run_tracked(page, pages) && !for_object())
        return 0;
    return emit_release(page, pages, 0, PW_UNPIN_USER_PAGE_RANGE_DIRTY_LOCK, PW_ANY_PAGE);
}

// void unpin_user_folio(struct folio *folio, unsigned long npages)
MUST_NOT_MISS("?fentry/unpin_user_folio", unpin_user_folio_enter)
{
    return untold() ? 0 : on_release_folio(ARGUMENT(ctx, 0), ARGUMENT(ctx, 1), PW_UNPIN_USER_FOLIO, PW_ANY_PAGE);
}

// void unpin_folio(struct folio *folio)
MUST_NOT_MISS("?fentry/unpin_folio", unpin_folio_enter)
{
    return untold() ? 0 : on_release_folio(ARGUMENT(ctx, 0), 1, PW_UNPIN_FOLIO, PW_ANY_PAGE);
}

// void unpin_folios(struct folio **folios, unsigned long nfolios)
// The list names folios by their heads, as memfd_pin_folios() gave them out.
MUST_NOT_MISS("?fentry/unpin_folios", unpin_folios_enter)
{
    return untold() ? 0 : on_release_list((__u64 *)ARGUMENT(ctx, 0), ARGUMENT(ctx, 1), PW_UNPIN_FOLIOS);
}
