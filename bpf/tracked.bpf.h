// Which pages somebody tracks pins on. Most calls are about others, and go no further.
#pragma once

#include "compat.bpf.h"
#include "emit.bpf.h"

enum {
    PAGES_MAX = 1 << 23,  // bpf_loop's own limit: 32 GiB in one call
};

// Whether all pins that are tracked are of objects that are followed, or who lets go of others is not listened to.
// False as well where each page is to be told of.
static __always_inline bool every_pin_is_followed(void)
{
    return !track_short_term &&
           (*(volatile __u64 *)&shared.unfollowed_made == *(volatile __u64 *)&shared.unfollowed_gone ||
            !*(volatile __u32 *)&shared.releases_heard);
}

struct block_range {
    __u32 first;
    __u32 tracked;
};

static long block_range_step(__u32 step, struct block_range *range)
{
    range->tracked = block_tracked((range->first + step) & (PW_BLOCKS - 1));
    return range->tracked;
}

// Whether any of `pages` consecutive pages lies in a block with tracked pins. Not static, like the next one: the
// verifier looks at such a function once, by itself.
__noinline int run_tracked(__u64 page, __u64 pages)
{
    struct block_range range = {.first = block_of(page)};
    __u64 block_count =
        ((page >> 6) % (1 << PW_BLOCK_PAGES_SHIFT) + pages + (1 << PW_BLOCK_PAGES_SHIFT) - 1) >> PW_BLOCK_PAGES_SHIFT;

    if (block_count <= 1)
        return block_tracked(range.first);
    bpf_loop(block_count < PW_BLOCKS ? block_count : PW_BLOCKS, block_range_step, &range, 0);
    return range.tracked;
}

// Whether pins are tracked on the page, or, where that is not told apart, anywhere on its folio.
__noinline int page_tracked(__u64 page)
{
    if (block_tracked(block_of(page)))
        return true;
    if (!shared.releases_by_folio)
        return false;
    __u64 folio = page_folio(page);
    __u32 span = folio_pages((void *)folio);
    return span > 1 && run_tracked(folio, span);
}

struct tracked_walk {
    __u64 *pages;
    __u32 tracked;
};

static long tracked_step(__u32 step, struct tracked_walk *walk)
{
    __u64 page = 0;
    bpf_probe_read_kernel(&page, sizeof(page), &walk->pages[step]);
    walk->tracked = page_tracked(page);
    return walk->tracked ? 1 : 0;
}

// Whether any page of the list is.
__noinline int any_tracked(__u64 pages, __u64 pages_count)
{
    struct tracked_walk walk = {.pages = (__u64 *)pages};
    bpf_loop(pages_count < PAGES_MAX ? pages_count : PAGES_MAX, tracked_step, &walk, 0);
    return walk.tracked;
}
