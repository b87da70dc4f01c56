// Programs the daemon runs on demand, to ask the kernel what only the kernel knows: how often each page is pinned.
#pragma once

#include "page_state.bpf.h"
#include "pin.bpf.h"

// The value of one of the kernel's own variables; 0 where there is none of that name, or where the kernel hides its
// addresses from the caller. Looked up by the kernel: had the loader to find an address, it would read all of
// /proc/kallsyms for it.
#define KERNEL_VARIABLE(name)                                                                                          \
    ({                                                                                                                 \
        const char name_[] = name;                                                                                     \
        __u64 address_ = 0;                                                                                            \
        unsigned long value_ = 0;                                                                                      \
        if (!bpf_kallsyms_lookup_name(name_, sizeof(name_), 0, &address_) && address_)                                 \
            bpf_probe_read_kernel(&value_, sizeof(value_), (void *)address_);                                          \
        value_;                                                                                                        \
    })

// Where the array of struct page starts, so that page numbers can be told from addresses, and how many there are. On
// x86-64 the start is a variable, randomised at boot; elsewhere a constant the daemon does not need: numbers then count
// from address 0.
SEC("?syscall")
int read_geometry(void *ctx)
{
    vmemmap_start = KERNEL_VARIABLE("vmemmap_base");
    page_limit = KERNEL_VARIABLE("max_pfn");
    return 0;
}

static long read_step(__u32 step, void *unused)
{
    __u32 probe = 0;
    struct pw_page_state *state = bpf_map_lookup_elem(&audit_pages, &step);
    if (!state)
        return 1;
    if (bpf_probe_read_kernel(&probe, sizeof(probe), (void *)state->page)) {
        state->folio = state->page;
        state->folio_pages = 1;
        state->pins = 0;
        state->flags = 0;
        return 0;
    }
    describe_page(state);
    return 0;
}

// Fills in the first audit.pages entries of `audit_pages`.
SEC("?syscall")
int audit_pages_read(void *ctx)
{
    bpf_loop(audit.pages, read_step, 0, 0);
    return 0;
}

static __noinline int emit_adopted(__u64 pin, __u64 pages, __u32 folio_pages)
{
    struct pw_pin *record = RESERVE(pw_pin, PW_KIND_PIN, PW_LOST_PIN);
    if (!record)
        return 0;
    __builtin_memset(&record->pin, 0, sizeof(*record) - sizeof(record->header));
    record->pin = pin;
    record->requested_pages = folio_pages ? folio_pages : pages;
    record->pinned_pages = pages;
    record->function = folio_pages ? PW_ADOPTED_FOLIO : PW_ADOPTED;
    record->flags = PW_PIN_LONGTERM;
    __sync_fetch_and_add(&shared.unfollowed_made, 1);
    submit(record);
    return 1;
}

// Makes a pin of the first audit.pages entries of `adopted`: from here on they are tracked as if an acquire had been
// seen, without an owner. With audit.folio they are pins somewhere on the one folio they lie in, all of which then
// counts as pinned.
SEC("?syscall")
int adopt_pages(void *ctx)
{
    __u32 key = 0;
    struct adopted_pages *pages = bpf_map_lookup_elem(&adopted, &key);
    __u32 total = audit.pages;
    __u32 folio = audit.folio;

    adopted_pin = 0;
    if (!pages || !total || total > PW_AUDIT_PAGES)
        return 0;
    struct acquire call = {.pages = pages->page};
    struct folio *head = (void *)page_folio(pages->page[0]);
    __u64 pin = __sync_fetch_and_add(&last_pin, 1) + 1;
    if (!emit_adopted(pin, total, folio ? folio_pages(head) : 0))
        return 0;
    if (folio) {
        struct address_space *mapping = BPF_CORE_READ(head, mapping);
        struct file_range range = {.pin = pin, .pages = folio_pages(head)};
        if (mapping && !((__u64)mapping & 3)) {
            range.inode = BPF_CORE_READ(mapping, host);
            range.page_index = folio_file_page(head, range.inode);
            flush_run(&range);
        }
    } else {
        ranges_by_page(&call, pin, 0, total);
    }
    raise_list(call.pages, total);
    struct list_walk walk = {.pages = call.pages, .pin = pin, .total = total};
    bpf_loop(PW_AUDIT_PAGES / PW_PAGES_PER_CHUNK, pages_step, &walk, 0);
    adopted_pin = pin;
    return 0;
}

// Records the file ranges of the first audit.pages entries of `adopted`, which are consecutive pages of a pin that was
// not worth it when it was made: it was not meant to last.
SEC("?syscall")
int record_pages(void *ctx)
{
    __u32 key = 0;
    struct adopted_pages *pages = bpf_map_lookup_elem(&adopted, &key);
    __u32 total = audit.pages;

    if (!pages || !total || total > PW_AUDIT_PAGES)
        return 0;
    struct acquire call = {.pages = pages->page, .address = existing.address};
    ranges_by_page(&call, existing.pin, 0, total);
    return 0;
}
