// The kernel's own truth about a file: are any of these pages of it pinned, right now?
#pragma once

#include "compat.bpf.h"

enum {
    XA_CHUNK_SHIFT = 6,
    XA_CHUNK_MASK = 63,
    XA_LEVELS = 11,
    // How many steps a look takes at most: 2^17 small pages, or far more where folios are large or pages are missing.
    CACHE_STEPS = 1 << 17,
};

struct cache_walk {
    void *root;
    __u64 index;
    __u64 end;
    __u32 pinned;
};

// Entries of an xarray: bit 0 set is a value, the low bits 10 mark the array's own pointers and marks.
static __always_inline bool xa_is_internal(__u64 entry)
{
    return (entry & 3) == 2;
}

static __always_inline bool xa_is_node(__u64 entry)
{
    return xa_is_internal(entry) && entry > 4096;
}

static __always_inline bool xa_is_sibling(__u64 entry)
{
    return xa_is_internal(entry) && entry < (XA_CHUNK_MASK << 2 | 2);
}

static __always_inline __u64 xa_slot(__u64 node, __u64 slot)
{
    __u64 entry = 0;
    bpf_probe_read_kernel(
        &entry, sizeof(entry),
        (void *)node + bpf_core_field_offset(struct xa_node, slots) + (slot & XA_CHUNK_MASK) * sizeof(void *));
    return entry;
}

// Looks at the folio at walk->index and moves on past it, or past the whole part of the tree that is missing.
static long cache_step(__u32 step, struct cache_walk *walk)
{
    __u64 entry = (__u64)walk->root;
    __u64 index = walk->index;
    __u32 shift = 0;

    if (index >= walk->end)
        return 1;
    // What is there instead of a node is page 0, and all there is.
    if (index && !xa_is_node(entry)) {
        walk->index = walk->end;
        return 1;
    }
    for (int level = 0; level < XA_LEVELS && xa_is_node(entry); level++) {
        __u64 node = entry - 2;
        __u8 node_shift = 0;
        bpf_probe_read_kernel(&node_shift, sizeof(node_shift),
                              (void *)node + bpf_core_field_offset(struct xa_node, shift));
        shift = node_shift & 63;
        if (level == 0 && index >> shift > XA_CHUNK_MASK) {
            walk->index = walk->end;  // beyond the last page that exists
            return 1;
        }
        entry = xa_slot(node, index >> shift);
        if (xa_is_sibling(entry))
            entry = xa_slot(node, entry >> 2);
    }
    walk->index = ((index >> shift) + 1) << shift;
    if (!entry || (entry & 3))
        return 0;
    struct folio *folio = (void *)entry;
    walk->pinned = folio_maybe_pinned(folio);
    if (page_is_head(folio))
        walk->index = BPF_CORE_READ(folio, index) + folio_pages(folio);
    if (walk->index <= index)
        walk->index = index + 1;
    return walk->pinned;
}

// True as well when the answer is not to be had: too many pages to look at, or a file whose cache does not hold them as
// pages (DAX) or counts them otherwise (hugetlbfs before 6.7).
//
// Not static, and with numbers for arguments: so the verifier looks at it once, and not from wherever it is called.
__noinline int file_pages_maybe_pinned(__u64 inode_address, __u64 first, __u64 end)
{
    struct cache_walk walk = {.index = first, .end = end};
    struct inode *inode = (void *)inode_address;

    if (BPF_CORE_READ(inode, i_flags) & S_DAX || BPF_CORE_READ(inode, i_sb, s_magic) == HUGETLBFS_MAGIC)
        return true;
    walk.root = BPF_CORE_READ(inode, i_mapping, i_pages.xa_head);
    long steps = bpf_loop(CACHE_STEPS, cache_step, &walk, 0);
    return walk.pinned || (steps == CACHE_STEPS && walk.index < walk.end);
}
