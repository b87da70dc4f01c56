// Address spaces with pins: which they are, and where in them something was ever pinned for long.
#pragma once

#include "file.bpf.h"

#include <bpf/bpf_tracing.h>

// Its place in the filter. By its distance from something, because the verifier lets typed pointers only be subtracted.
static __always_inline __u32 space_place(__u64 mm)
{
    return ((mm - (__u64)&spaces_by_address) >> 8) % FILTER_PLACES;
}

static __always_inline bool concerns_pins(__u64 mm)
{
    return spaces_by_address[space_place(mm)] && bpf_map_lookup_elem(&mm_pins, &mm);
}

static __always_inline bool concerns_own_pins(void)
{
    struct mm_struct *mm = bpf_get_current_task_btf()->mm;
    return mm && concerns_pins((__u64)mm);
}

// The entry of an address space, made if there is none. NULL when the table is full.
static __always_inline struct pw_mm_pins *space_entry(__u64 mm)
{
    struct pw_mm_pins *pins = bpf_map_lookup_elem(&mm_pins, &mm);
    if (pins)
        return pins;
    struct pw_mm_pins fresh = {.space = __sync_fetch_and_add(&last_space, 1) + 1, .first_address = ~0ULL};
    // The filter first: whoever finds the entry must not be kept from looking.
    __u32 *place = &spaces_by_address[space_place(mm)];
    __sync_fetch_and_add(place, 1);
    if (bpf_map_update_elem(&mm_pins, &mm, &fresh, BPF_NOEXIST))
        __sync_fetch_and_add(place, -1);
    pins = bpf_map_lookup_elem(&mm_pins, &mm);
    if (!pins)
        count(PW_LOST_SPACE);
    return pins;
}

// Enters addresses into the address space's entry and returns its number, 0 when there is none. To be called while the
// pin's record is reserved: whoever acts on the entry reports it after that record.
__noinline __u64 note_addresses(__u64 mm, __u64 address, __u64 pages)
{
    struct pw_mm_pins *pins = mm ? space_entry(mm) : 0;
    if (!pins)
        return 0;
    struct widen first = {&pins->first_address, address};
    struct widen end = {&pins->end_address, address + (pages << PW_PAGE_SHIFT)};
    // Under endless contention the range becomes everything: more is reported, nothing is missed.
    if (bpf_loop(WIDEN_ATTEMPTS, lower_step, &first, 0) == WIDEN_ATTEMPTS)
        pins->first_address = 0;
    if (bpf_loop(WIDEN_ATTEMPTS, raise_step, &end, 0) == WIDEN_ATTEMPTS)
        pins->end_address = ~0ULL;
    return pins->space;
}

// void exit_mmap(struct mm_struct *mm)
// The last user of an address space is gone, nothing can pin through it any more. Its mappings go in here: a process
// that ends is no invalidation.
SEC("?fentry/exit_mmap")
int exit_mmap_enter(void *ctx)
{
    __u64 mm = ARGUMENT(ctx, 0);
    if (concerns_pins(mm) && !bpf_map_delete_elem(&mm_pins, &mm))
        __sync_fetch_and_add(&spaces_by_address[space_place(mm)], -1);
    return 0;
}
