// Range arithmetic that both sides must agree on. Compiled by the BPF programs and by the daemon.
#pragma once

#include <pinwarden/abi.h>

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

static inline __u64 pw_pages_up_to(__u64 bytes)
{
    return bytes ? ((bytes - 1) >> PW_PAGE_SHIFT) + 1 : 0;
}

// The pages an operation takes away; one that is cut in the middle counts, because a part of it is zeroed. `offset` and
// `length` as in pw_operation.
static inline struct pw_page_range pw_operation_pages(__u32 operation, __u64 file_size, __u64 offset, __u64 length)
{
    struct pw_page_range range = {offset >> PW_PAGE_SHIFT, 0};
    if (operation == PW_OPERATION_TRUNCATE)
        return pw_truncated_pages(file_size, offset);
    if (operation == PW_OPERATION_COLLAPSE_RANGE || operation == PW_OPERATION_INSERT_RANGE)
        range.end = pw_pages_up_to(file_size);
    else
        range.end = pw_pages_up_to(offset + length);
    return range;
}

// Whether two ranges share a page. An empty one shares none.
static inline int pw_overlaps(__u64 first, __u64 end, __u64 other_first, __u64 other_end)
{
    return first < end && other_first < other_end && first < other_end && other_first < end;
}
