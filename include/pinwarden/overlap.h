// Range arithmetic that both sides must agree on. Compiled by the BPF programs and by the daemon.
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

enum { PW_PAGE_SHIFT = 12 };

// The file pages a size change takes away from whoever has them pinned: those from the one that holds new_size to the
// last one of the old size. A page that is cut in the middle counts: the kernel zeroes its tail under the device.
// Empty (first == end) when the file grows or stays.
struct pw_page_range {
    __u64 first;
    __u64 end;
};

static inline struct pw_page_range pw_truncated_pages(__u64 old_size, __u64 new_size)
{
    struct pw_page_range range = {0, 0};
    if (new_size >= old_size)
        return range;
    range.first = new_size >> PW_PAGE_SHIFT;
    range.end = ((old_size - 1) >> PW_PAGE_SHIFT) + 1;
    return range;
}

// Whether two ranges share a page. An empty one shares none.
static inline int pw_overlaps(__u64 first, __u64 end, __u64 other_first, __u64 other_end)
{
    return first < end && other_first < other_end && first < other_end && other_first < end;
}
