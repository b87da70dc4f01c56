// Which pages a call has pinned: the lists in the ring, and the counts of blocks.
#pragma once

#include "tracked.bpf.h"

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

// The same as raise_blocks().
__noinline int tell_pages(__u64 pages, __u64 pin, __u64 total)
{
    struct list_walk walk = {.pages = (__u64 *)pages, .pin = pin, .total = total};
    bpf_loop(PAGES_MAX / PW_PAGES_PER_CHUNK, pages_step, &walk, 0);
    return 0;
}
