// Files: who they are, what they are called, and what is pinned of them.
#pragma once

#include "path.bpf.h"

enum {
    WIDEN_ATTEMPTS = 16,
};

struct prefix_walk {
    struct dentry *dentry;
    __u64 policies;
    __u32 table;
};

static long prefix_step(__u32 step, struct prefix_walk *walk)
{
    struct dentry *dentry = walk->dentry;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    struct pw_prefix_key key = {
        .inode = BPF_CORE_READ(inode, i_ino),
        .device = BPF_CORE_READ(dentry, d_sb, s_dev),
        .table = walk->table,
    };
    __u64 *slots = bpf_map_lookup_elem(&path_prefixes, &key);
    if (slots)
        walk->policies |= *slots;
    walk->dentry = BPF_CORE_READ(dentry, d_parent);
    return walk->dentry == dentry;
}

// Which policies have a path prefix that covers the file: its directories up to the root of its file system are looked
// up, and user space has entered the roots of all mounts below a prefix. 512 levels are more than PATH_MAX allows to
// build in one go.
static __always_inline __u64 policies_on_path(struct dentry *dentry, __u32 generation)
{
    struct prefix_walk walk = {.dentry = dentry, .table = generation & 1};
    if (!prefix_count)
        return 0;
    bpf_loop(512, prefix_step, &walk, 0);
    return walk.policies;
}

struct file_range {
    struct inode *inode;
    struct dentry *dentry;
    struct mount *mount;
    __u64 pin;
    __u64 address;
    __u64 page_index;
    __u64 pages;
};

// Sends the name of a range's file; 1 if it could. Without a mount the path ends at the file system's root.
__noinline int emit_file(struct file_range *range)
{
    if (!range)
        return 0;
    struct pw_file *record = RESERVE(pw_file, PW_KIND_FILE, PW_LOST_FILE);
    if (!record)
        return 0;
    struct inode *inode = range->inode;

    file_key(inode, &record->file);
    record->filesystem_magic = BPF_CORE_READ(inode, i_sb, s_magic);
    __builtin_memset(record->filesystem, 0, sizeof(record->filesystem));
    bpf_probe_read_kernel_str(record->filesystem, sizeof(record->filesystem), BPF_CORE_READ(inode, i_sb, s_type, name));
    __u32 path = walk_path(record->path, range->dentry, range->mount, 1);
    record->flags = (path & PATH_CUT || !range->mount ? PW_FILE_PATH_CUT : 0) |
                    (BPF_CORE_READ(inode, i_nlink) ? 0 : PW_FILE_UNLINKED);
    record->path_bytes = path & ~PATH_CUT;
    record->header.bytes = offsetof(struct pw_file, path) + record->path_bytes;
    submit(record);
    return 1;
}

struct widen {
    __u64 *value;
    __u64 to;
};

static long lower_step(__u32 step, struct widen *widen)
{
    __u64 seen = *(volatile __u64 *)widen->value;
    return seen <= widen->to || __sync_val_compare_and_swap(widen->value, seen, widen->to) == seen;
}

static long raise_step(__u32 step, struct widen *widen)
{
    __u64 seen = *(volatile __u64 *)widen->value;
    return seen >= widen->to || __sync_val_compare_and_swap(widen->value, seen, widen->to) == seen;
}

// Not on the stack, of which the longest way from a pin to its file's name leaves none.
static const struct pw_file_pins fresh_pins = {.first_page = ~0ULL};
static const struct pw_file_ack fresh_ack = {};
// Of a file whose pins are not known: all of it may be pinned. No acknowledgement has that sequence.
static const struct pw_file_pins unknown_pins = {.end_page = ~0ULL, .sequence = ~0ULL};
// The same, of a file that gets its entry after it was left out.
static const struct pw_file_pins late_pins = {.end_page = ~0ULL};

// The daemon reads them in the opposite order: what it finds by inode it finds in the others.
static __always_inline void leave_out(const struct pw_file_key *key)
{
    __u32 place = key->inode % FILTER_PLACES;
    __sync_fetch_and_add(&left_out, 1);
    __sync_fetch_and_add(&left_out_by_device[key->device % DEVICE_PLACES], 1);
    __sync_fetch_and_add(&files_by_inode[place], 1);
    __sync_fetch_and_add(&left_out_by_inode[place], 1);
}

// What is known to be pinned of a file; NULL: nothing ever was.
static __always_inline const struct pw_file_pins *known_pins(const struct pw_file_key *key)
{
    const struct pw_file_pins *pins = bpf_map_lookup_elem(&file_pins, key);
    if (!pins && left_out_by_inode[key->inode % FILTER_PLACES])
        return &unknown_pins;
    return pins;
}

// The entry of a file, made if there is none. NULL when the table is full.
static __always_inline struct pw_file_pins *file_entry(struct pw_file_key *key)
{
    struct pw_file_pins *pins = bpf_map_lookup_elem(&file_pins, key);
    if (pins)
        return pins;
    bpf_map_update_elem(&file_acks, key, &fresh_ack, BPF_NOEXIST);
    // The filter first: whoever finds the entry must not be kept from looking.
    __u32 *place = &files_by_inode[key->inode % FILTER_PLACES];
    __sync_fetch_and_add(place, 1);
    const struct pw_file_pins *first = left_out_by_inode[key->inode % FILTER_PLACES] ? &late_pins : &fresh_pins;
    if (bpf_map_update_elem(&file_pins, key, first, BPF_NOEXIST))
        __sync_fetch_and_add(place, -1);
    else
        __sync_fetch_and_add(&files_known, 1);
    pins = bpf_map_lookup_elem(&file_pins, key);
    if (!pins) {
        leave_out(key);
        bpf_map_delete_elem(&file_acks, key);
        count(PW_LOST_FILE_STATE);
    }
    return pins;
}

// Enters a range into the file's entry and returns its sequence number; 0 when there is no entry.
static __noinline __u64 note_range(struct file_range *range, struct pw_file_pins *pins)
{
    if (!range || !pins)
        return 0;
    struct widen first = {&pins->first_page, range->page_index};
    struct widen end = {&pins->end_page, range->page_index + range->pages};
    // Under endless contention the range becomes the whole file: more is looked at, nothing is missed.
    if (bpf_loop(WIDEN_ATTEMPTS, lower_step, &first, 0) == WIDEN_ATTEMPTS)
        pins->first_page = 0;
    if (bpf_loop(WIDEN_ATTEMPTS, raise_step, &end, 0) == WIDEN_ATTEMPTS)
        pins->end_page = ~0ULL;
    __u32 generation = policy_generation;
    __u64 covering = range->dentry ? policies_on_path(range->dentry, generation) : 0;
    if (pins->policy_generation != generation) {
        pins->policies = covering;
        pins->policy_generation = generation;
    } else {
        __sync_fetch_and_or(&pins->policies, covering);
    }
    return __sync_fetch_and_add(&pins->sequence, 1) + 1;
}

// A range of a file was pinned: tells the ledger, and makes it known to the hooks that decide about the file. The
// record is reserved before the entry changes: whoever acts on the entry reports it after this record.
__noinline int record_range(struct file_range *range)
{
    if (!range)
        return 0;
    struct pw_file_key key;
    file_key(range->inode, &key);
    struct pw_file_pins *pins = file_entry(&key);
    __u32 named = pins && pins->named ? 1 : emit_file(range);
    if (pins) {
        pins->named = named;
        pins->inode = (__u64)range->inode;
    }

    struct pw_range *record = RESERVE(pw_range, PW_KIND_RANGE, PW_LOST_RANGE);
    if (!record) {
        note_range(range, pins);
        return 0;
    }
    record->pin = range->pin;
    record->address = range->address;
    record->page_index = range->page_index;
    record->pages = range->pages;
    record->file = key;
    record->sequence = note_range(range, pins);
    submit(record);
    return 0;
}
