// What all BPF objects share: the programs that follow pages and those that follow owning objects (scope_*.bpf.c),
// which are objects of their own because most of what they attach to is in modules that come and go. The daemon hands
// them the maps of the first.
#pragma once

#include <bpf/bpf_helpers.h>

#include <pinwarden/abi.h>

// One ring for all records: so they are in the order in which they were reserved on any processor.
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 24);  // set by the loader
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PW_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

enum { THREAD_PLACES = 256 };

struct {
    // The last number given to an object.
    __u64 last_scope;
    // Long-term pins that were made outside of any object that is followed, and how many of these are gone, as the
    // daemon says; it says another number for as long as it wants to be told of each page. While the two are equal,
    // pages that are let go outside of objects are nobody's who pinned for long.
    __u64 unfollowed_made;
    __u64 unfollowed_gone;
    // Threads in the middle of making or letting go an object.
    __u64 in_scope;
    // Losses after which the daemon's ledger may be wrong, and of how many of them the daemon says that it is right
    // again, or ~0 that it is not. Unless the two are equal, what it said about pins is not relied upon.
    __u64 ledger_losses;
    __u64 ledger_losses_mended;
    // Whether the daemon waits to be woken. Set by it, taken back by who wakes it.
    __u64 reader_waits;
    // Whether the pages of a large folio are not told apart: after a loss, or when pins were adopted, it is not known
    // which of them the ledger's pins are on. The kernel does not know it either, it counts pins by folio. Written by
    // the daemon.
    __u32 releases_by_folio;
    // Whether the functions that release pages are listened to. While every pin is followed they need not be. Written
    // by the daemon.
    __u32 releases_heard;
    // How often pages were, or may have been, let go that only such a function would have told of. Whatever was pinned
    // before it changed is to be compared with the kernel.
    __u64 unheard;
    // By a hash of the thread, whose task_struct `task` is the address of. A thread that lets go an object with all
    // that is pinned for it, which one record tells, in place of one for each page; who finds its place taken tells of
    // each.
    struct {
        __u64 task;
        __u64 released;  // whether a page was let go
    } releases[THREAD_PLACES];
    // The object that a thread pins for again and again, so that it is not looked up each time.
    struct {
        __u64 task;
        __u64 object;
    } uses[THREAD_PLACES];
} shared SEC(".data.shared") = {};

static __always_inline void count(__u32 counter)
{
    __u64 *value = bpf_map_lookup_elem(&counters, &counter);
    if (value)
        *value += 1;
    if (pw_affects_ledger(counter))
        __sync_fetch_and_add(&shared.ledger_losses, 1);
}

// A record of the given struct with its header filled, or NULL when the ring is full (counted as `lost`).
#define RESERVE(type, record_kind, lost)                                                                               \
    ({                                                                                                                 \
        struct type *reserved_ = bpf_ringbuf_reserve(&events, sizeof(struct type), 0);                                 \
        if (reserved_) {                                                                                               \
            reserved_->header.kind = (record_kind);                                                                    \
            reserved_->header.bytes = sizeof(struct type);                                                             \
            reserved_->header.time = bpf_ktime_get_boot_ns();                                                          \
        } else {                                                                                                       \
            count(lost);                                                                                               \
        }                                                                                                              \
        reserved_;                                                                                                     \
    })

// Hands a record over. Waking the daemon costs more than most hooks, so it is only woken when it has said that it
// waits; otherwise it looks by itself within a millisecond.
//
// The exchange orders the reservation before the look: either the daemon sees the record when it looks at the ring a
// last time before it waits, or it is seen here that it waits.
static __always_inline void submit(void *record)
{
    bpf_ringbuf_submit(record,
                       __sync_lock_test_and_set(&shared.reader_waits, 0) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

// The same of a record that somebody waits for until the daemon has read it.
static __always_inline void submit_now(void *record)
{
    shared.reader_waits = 0;
    bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}
