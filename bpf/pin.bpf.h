// Acquiring: the functions of mm/gup.c that pin pages for long.
//
// fexit, because what was pinned (count, pages, error) is known only at the end, and a trampoline is the cheapest way
// to get there; mm/gup.c has no tracepoints. A pin counts as acquired when its function has returned.
#pragma once

#include "file.bpf.h"
#include "longterm_loop.bpf.h"
#include "owner.bpf.h"
#include "space.bpf.h"
#include "tracked.bpf.h"

#include <bpf/bpf_tracing.h>

enum {
    VMAS_MAX = 128,
};

struct acquire {
    __u64 function;
    __u64 mm;  // whose addresses; 0: the caller's
    __u64 address;
    __u64 requested;
    __u64 flags;
    __u64 *pages;  // kernel memory: an array of struct page (or folio) pointers
    __s64 returned;
};

struct vma_walk {
    __u64 pin;
    __u64 address;
    __u64 end;
    __u64 page_by_page;  // part that has to be looked at page by page; empty if the end is not behind it
    __u64 page_by_page_end;
};

static long vma_found(struct task_struct *task, struct vm_area_struct *vma, struct vma_walk *walk)
{
    __u64 start = walk->address;
    __u64 end = vma->vm_end < walk->end ? vma->vm_end : walk->end;
    struct file *file = vma->vm_file;

    walk->address = end;
    if (!file || start >= end)
        return 0;
    if (!(vma->vm_flags & VM_SHARED)) {
        // Private: a page is the file's until it is written to. Only the page itself knows.
        if (start < walk->page_by_page)
            walk->page_by_page = start;
        walk->page_by_page_end = end;
        return 0;
    }
    struct file_range range = {
        .inode = BPF_CORE_READ(file, f_inode),
        .dentry = BPF_CORE_READ(file, f_path.dentry),
        .mount = mount_of(file),
        .pin = walk->pin,
        .address = start,
        .page_index = vma->vm_pgoff + ((start - vma->vm_start) >> PW_PAGE_SHIFT),
        .pages = (end - start) >> PW_PAGE_SHIFT,
    };
    record_range(&range);
    return 0;
}

static long vma_step(__u32 step, struct vma_walk *walk)
{
    __u64 before = walk->address;
    if (before >= walk->end)
        return 1;
    // Fails when the address space's lock is contended; then nothing has moved.
    bpf_find_vma(bpf_get_current_task_btf(), before, vma_found, walk, 0);
    return walk->address == before;
}

struct page_walk {
    __u64 *pages;
    __u64 first;    // position of the first page to look at
    __u64 address;  // of position 0
    struct file_range run;
};

static __noinline int flush_run(struct file_range *run)
{
    if (!run || !run->inode)
        return 0;
    // Any name the file has will do: there is no open file to ask.
    struct inode *inode = run->inode;
    struct hlist_node *alias = BPF_CORE_READ(inode, i_dentry.first);
    run->dentry = alias ? alias_dentry(alias) : 0;
    record_range(run);
    run->inode = 0;
    return 0;
}

static long page_step(__u32 step, struct page_walk *walk)
{
    __u64 position = walk->first + step;
    __u64 page = 0;
    struct inode *inode = 0;
    __u64 index = 0;

    bpf_probe_read_kernel(&page, sizeof(page), &walk->pages[position]);
    __u64 folio = page_folio(page);
    struct folio *head = (void *)folio;
    __u64 mapping = (__u64)BPF_CORE_READ(head, mapping);
    // The two low bits mark anonymous memory and pages of drivers: neither is a file's.
    if (mapping && !(mapping & 3)) {
        inode = BPF_CORE_READ((struct address_space *)mapping, host);
        index = folio_file_page(head, inode) + (page - folio) / bpf_core_type_size(struct page);
    }
    __u64 address = walk->address + (position << PW_PAGE_SHIFT);
    if (inode && walk->run.inode == inode && walk->run.page_index + walk->run.pages == index) {
        // Not `pages++`: 6.12 would follow the count through every step it can take.
        walk->run.pages = ((address - walk->run.address) >> PW_PAGE_SHIFT) + 1;
        return 0;
    }
    flush_run(&walk->run);
    if (inode) {
        walk->run.inode = inode;
        walk->run.address = address;
        walk->run.page_index = index;
        walk->run.pages = 1;
    }
    return 0;
}

__noinline int ranges_by_page(struct acquire *call, __u64 pin, __u64 first, __u64 count_pages)
{
    if (!call)
        return 0;
    struct page_walk walk = {
        .pages = call->pages, .first = first, .address = call->address, .run = {.inode = (void *)zero, .pin = pin}};
    bpf_loop(count_pages, page_step, &walk, 0);
    return flush_run(&walk.run);
}

static __always_inline void record_ranges(struct acquire *call, __u64 pin, __u64 pages)
{
    struct vma_walk walk = {
        .pin = pin,
        .address = call->address,
        .end = call->address + (pages << PW_PAGE_SHIFT),
        .page_by_page = call->address + (pages << PW_PAGE_SHIFT),
    };
    if (!call->mm || call->mm == current_mm())
        bpf_loop(VMAS_MAX, vma_step, &walk, 0);
    if (walk.address < walk.end) {
        count(PW_DOUBT_RANGE_FALLBACK);
        if (walk.address < walk.page_by_page)
            walk.page_by_page = walk.address;
        walk.page_by_page_end = walk.end;
    }
    if (walk.page_by_page < walk.page_by_page_end) {
        __u64 first = (walk.page_by_page - call->address) >> PW_PAGE_SHIFT;
        ranges_by_page(call, pin, first, (walk.page_by_page_end - walk.page_by_page) >> PW_PAGE_SHIFT);
    }
}

struct list_walk {
    __u64 *pages;
    __u64 pin;
    __u64 total;
};

struct block_walk {
    __u64 *pages;
    __u32 block;
    __u32 run;
};

static __always_inline void raise_block(struct block_walk *walk)
{
    __u32 block = walk->block;
    __u64 *pins = bpf_map_lookup_elem(&blocks, &block);
    if (pins && walk->run)
        __sync_fetch_and_add(pins, walk->run);
}

static long block_step(__u32 step, struct block_walk *walk)
{
    __u64 page = 0;
    bpf_probe_read_kernel(&page, sizeof(page), &walk->pages[step]);
    __u32 block = block_of(page);
    if (block != walk->block) {
        raise_block(walk);
        walk->block = block;
        walk->run = 0;
    }
    walk->run++;
    return 0;
}

static __always_inline void raise_list(__u64 *pages, __u64 total)
{
    struct block_walk walk = {.pages = pages, .block = zero, .run = zero};
    bpf_loop(total < PAGES_MAX ? total : PAGES_MAX, block_step, &walk, 0);
    raise_block(&walk);
}

// Not static: the verifier looks at it once, by itself.
__noinline int raise_blocks(__u64 pages, __u64 total)
{
    raise_list((__u64 *)pages, total);
    return 0;
}

// Three sizes of record, because a reservation's size must be a constant, and most registrations are small.
#define EMIT_PAGES(capacity, walk, at, wanted)                                                                         \
    ({                                                                                                                 \
        const __u32 bytes_ = offsetof(struct pw_pages, page) + (capacity) * sizeof(__u64);                             \
        struct pw_pages *record_ = bpf_ringbuf_reserve(&events, bytes_, 0);                                            \
        if (record_) {                                                                                                 \
            __u32 size_ = (wanted) * sizeof(__u64);                                                                    \
            if (size_ > (capacity) * sizeof(__u64))                                                                    \
                size_ = (capacity) * sizeof(__u64);                                                                    \
            record_->header.kind = PW_KIND_PAGES;                                                                      \
            record_->header.bytes = offsetof(struct pw_pages, page) + size_;                                           \
            record_->header.time = bpf_ktime_get_boot_ns();                                                            \
            record_->pin = (walk)->pin;                                                                                \
            record_->first = (at);                                                                                     \
            record_->count = (wanted);                                                                                 \
            bpf_probe_read_kernel(record_->page, size_, &(walk)->pages[at]);                                           \
            submit(record_);                                                                                           \
        }                                                                                                              \
        !!record_;                                                                                                     \
    })

static long pages_step(__u32 step, struct list_walk *walk)
{
    __u64 at = (__u64)step * PW_PAGES_PER_CHUNK;
    bool sent;

    if (at >= walk->total)
        return 1;
    __u64 left = walk->total - at;
    __u32 wanted = left < PW_PAGES_PER_CHUNK ? left : PW_PAGES_PER_CHUNK;
    if (wanted <= 8)
        sent = EMIT_PAGES(8, walk, at, wanted);
    else if (wanted <= 64)
        sent = EMIT_PAGES(64, walk, at, wanted);
    else
        sent = EMIT_PAGES(PW_PAGES_PER_CHUNK, walk, at, wanted);
    if (!sent)
        count(PW_LOST_PAGES);
    return 0;
}

// The number of the address space that holds the addresses of a long-term pin; 0 when they are none.
static __always_inline __u64 note_space(struct acquire *call)
{
    if (!(call->flags & foll_longterm) || call->returned <= 0 || call->function == PW_MEMFD_PIN_FOLIOS)
        return 0;
    return note_addresses(call->mm ? call->mm : current_mm(), call->address, call->returned);
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

static __noinline int on_acquire(void *ctx, struct acquire *call)
{
    if (!call)
        return 0;
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
    if (!long_term && !track_short_term && !any_tracked(call->pages, returned))
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
    struct list_walk walk = {.pages = call->pages, .pin = pin, .total = returned};
    bpf_loop(PAGES_MAX / PW_PAGES_PER_CHUNK, pages_step, &walk, 0);
    return 0;
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
    struct list_walk walk = {.pages = call.pages, .pin = pin, .total = call.returned};
    bpf_loop(PAGES_MAX / PW_PAGES_PER_CHUNK, pages_step, &walk, 0);
    return 0;
}

MUST_NOT_MISS("?fexit/memfd_pin_folios", memfd_pin_folios_exit)
{
    return on_memfd_pin_folios(ctx);
}
