// Walks over all of memory for folios that are pinned.
//
// Nearly all pages are not, and a host has many millions: struct pages are copied by the dozen, and those that cannot
// be pinned are told by arithmetic alone.
#pragma once

#include "page_state.bpf.h"

// As much of the array of struct page as is there, or not there, as a whole: it is mapped by pages.
enum {
    SCAN_BYTES = 1 << PW_PAGE_SHIFT,
    SCAN_PAGES = 64,
};

// Of the scan that goes on; there is one at a time. A variable, not a local one: what the verifier knows nothing of it
// does not tell apart.
struct {
    __u64 page;  // the next to be looked at
    __u64 end;
    __u64 suspects;  // of those copied, by place
    __u32 found;
    __u32 full;
    __u8 copy[SCAN_BYTES];
} scan;

// 1 for anything but 0. Without a branch, which the compiler would make of it if it knew: the verifier would follow
// each combination of branches of 64 pages.
static __always_inline __u64 not_zero(__u64 value)
{
    __u64 negated = -value;
    barrier_var(negated);
    return (negated | value) >> 63;
}

// Of the pages copied those that may be a folio that is pinned, one bit each: no folio that is pinned has so few
// references and is small.
static __always_inline __u64 find_suspects(const __u8 *copy, __u32 pages)
{
    const __u32 size = bpf_core_type_size(struct page);
    __u64 suspects = 0;
    for (__u32 i = 0; i < SCAN_PAGES && (i + 1) * size <= SCAN_BYTES; ++i) {
        const __u8 *page = copy + i * size;
        __u64 references = *(__u32 *)(page + bpf_core_field_offset(struct page, _refcount));
        __u64 flags = *(__u64 *)(page + page_flags_offset());
        __u64 used_head = (flags >> bpf_core_enum_value(enum pageflags, PG_head)) & not_zero(references);
        suspects |= not_zero(references / GUP_PIN_COUNTING_BIAS | (used_head & 1)) << i;
    }
    return pages < SCAN_PAGES ? suspects & ((1ULL << pages) - 1) : suspects;
}

// Not static, like scan_page: the verifier looks at such a function once, by itself, instead of carrying each of its
// paths on into the caller.
__noinline int lowest_bit(__u64 bits)
{
    __u32 place = 0;
    for (__u32 half = 32; half; half /= 2) {
        if (!(bits & ((1ULL << half) - 1))) {
            bits >>= half;
            place += half;
        }
    }
    return place;
}

enum { NOT_PINNED, PINNED, NO_ROOM };

// Fills in an entry for the page if it is the first of a folio that is pinned.
__noinline int scan_page(__u64 page, __u32 entry)
{
    // A tail has no references; a page that points elsewhere has just become one.
    if (page_folio(page) != page || !folio_pins((void *)page))
        return NOT_PINNED;
    struct pw_page_state *state = bpf_map_lookup_elem(&audit_pages, &entry);
    if (!state)
        return NO_ROOM;
    state->page = page;
    describe_page(state);
    return PINNED;
}

static long suspect_step(__u32 step, void *unused)
{
    if (!scan.suspects)
        return 1;
    __u64 page = scan.page + lowest_bit(scan.suspects) * bpf_core_type_size(struct page);
    int result = scan_page(page, scan.found);
    if (result == NO_ROOM) {
        scan.page = page;
        scan.full = 1;
        return 1;
    }
    scan.found += result == PINNED;
    scan.suspects &= scan.suspects - 1;
    return 0;
}

static long scan_step(__u32 step, void *unused)
{
    const __u32 size = bpf_core_type_size(struct page);
    __u64 first = scan.page;
    __u64 left = (scan.end - first) / size;
    __u32 pages = (SCAN_BYTES - first % SCAN_BYTES) / size;
    if (first >= scan.end)
        return 1;
    if (!pages)
        pages = 1;
    if (pages > SCAN_PAGES)
        pages = SCAN_PAGES;
    if (pages > left)
        pages = left;
    __u32 bytes = pages * size;
    if (!bytes || bytes > SCAN_BYTES)
        return 1;
    if (!bpf_probe_read_kernel(scan.copy, bytes, (void *)first)) {
        scan.suspects = find_suspects(scan.copy, pages);
        if (scan.suspects)
            bpf_loop(SCAN_PAGES, suspect_step, 0, 0);
        if (scan.full)
            return 1;
    }
    scan.page = first + bytes;
    return 0;
}

// Looks at audit.pages pages from audit.first on for folios that are pinned.
SEC("?syscall")
int audit_pages_scan(void *ctx)
{
    const __u32 size = bpf_core_type_size(struct page);
    __u32 pages = audit.pages;
    scan.page = audit.first;
    scan.end = audit.first + (__u64)pages * size;
    scan.found = 0;
    scan.full = 0;
    bpf_loop(pages, scan_step, 0, 0);
    audit.found = scan.found;
    audit.looked_at = (scan.page - audit.first) / size;
    return 0;
}
