// All maps and shared data. Sizes marked "set by the loader" are adjusted between open and load.
#pragma once

#include <bpf/bpf_helpers.h>

#include "kernel_types.bpf.h"
#include "scope_maps.bpf.h"

#include <pinwarden/abi.h>
#include <pinwarden/overlap.h>

enum {
    FILES_MAX = 1 << 18,  // set by the loader
    OWNERS_MAX = 1 << 16,
    PREFIXES_MAX = 1 << 14,
    CALLERS_MAX = 1 << 15,
    VERDICTS_MAX = 1 << 18,
    SPACES_MAX = 1 << 16,
};

// How many pins lie in a block of pages, but for those that are followed by their object. Raised here, lowered by the
// daemon through its own mapping of the map: eight bytes each, because the kernel spaces smaller elements eight bytes
// apart as well.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PW_BLOCKS);
    __type(key, __u32);
    __type(value, __u64);
} blocks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, FILES_MAX);
    __type(key, struct pw_file_key);
    __type(value, struct pw_file_pins);
} file_pins SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, FILES_MAX);
    __type(key, struct pw_file_key);
    __type(value, struct pw_file_ack);
} file_acks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SPACES_MAX);
    __type(key, __u64);
    __type(value, struct pw_mm_pins);
} mm_pins SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct pw_policy_table);
} policies SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, PREFIXES_MAX);
    __type(key, struct pw_prefix_key);
    __type(value, __u64);
} path_prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, CALLERS_MAX);
    __type(key, struct pw_caller_key);
    __type(value, __u64);
} callers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, VERDICTS_MAX);
    __type(key, struct pw_pin_verdict_key);
    __type(value, struct pw_pin_verdict);
} pin_verdicts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PW_HOLDS);
    __type(key, __u32);
    __type(value, struct pw_hold);
} holds SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PW_HOLDS);
    __type(key, __u64);
    __type(value, __u32);
} hold_releases SEC(".maps");

// What is known of a process that ever pinned.
struct owner {
    __u64 start_time;
    struct pw_file_key executable;  // that was told last; of no file: none was
};

// By pid: only the exits of these are reported.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, OWNERS_MAX);
    __type(key, __u32);
    __type(value, struct owner);
} owners SEC(".maps");

// Arguments of calls that are under way, by thread: only where a function must be watched by a kprobe pair.
struct remote_call {
    __u64 mm;
    __u64 address;
    __u64 requested;
    __u64 flags;
    __u64 pages;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, TASKS_MAX);
    __type(key, __u32);
    __type(value, struct remote_call);
} remote_calls SEC(".maps");

// Pages the audit programs are asked about, and their answers. The daemon reads and writes it through its own mapping.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PW_AUDIT_PAGES);
    __type(key, __u32);
    __type(value, struct pw_page_state);
} audit_pages SEC(".maps");

struct adopted_pages {
    __u64 page[PW_AUDIT_PAGES];
};

// Struct page addresses for adopt_pages, in the order of the pin it makes of them.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct adopted_pages);
} adopted SEC(".maps");

// Generation of the policies in force; bit 0 chooses the half of `policies`. Written by the daemon, last.
__u32 policy_generation;
// Number of path prefixes in force: without any, no path is walked.
__u32 prefix_count;
__u64 last_pin;
// Cgroups that were made, and of how many of them the daemon says that `callers` has those that policies select.
// Written by the daemon. Unless the two are equal, it is not known of a caller which of them it is in.
__u64 cgroups_made;
__u64 cgroups_known;
// Entries of file_pins: without any, nobody asks what is renamed.
__u64 files_known;
// The same, and of mm_pins, by a hash of the file's inode number or the address space: most operations are on files and
// address spaces that nobody ever pinned, and go no further than this.
enum { FILTER_PLACES = 1 << 12 };
__u32 files_by_inode[FILTER_PLACES];
__u32 spaces_by_address[FILTER_PLACES];
// Pins of files that found no place in file_pins, by the same hash of the inode number and by one of the file system's
// device, and how many there are in all. Where that is not 0, a file without an entry may be pinned all the same: only
// its pages know. Raised here, with files_by_inode, and by the daemon when it takes an entry out; lowered by the daemon
// when all of them that are still pinned have one.
enum { DEVICE_PLACES = 1 << 8 };
__u32 left_out_by_inode[FILTER_PLACES];
__u32 left_out_by_device[DEVICE_PLACES];
__u64 left_out;
// Entries of holds: without any, nobody looks for its own.
__u64 holds_under_way;
// The last number given to a hold.
__u64 last_hold;
// Whether the daemon has gone, and left these programs where they are. Written by its guardian, or itself at its end.
__u32 unattended;
// Until when, in nanoseconds of CLOCK_BOOTTIME, somebody is there to let go who is held. Written by the daemon all the
// time; from then on nobody is held.
__u64 attended_until;
// The last number given to an address space.
__u64 last_space;
// Always 0, which the verifier does not know. Before 6.7 it follows a callback of bpf_loop or bpf_find_vma only once,
// with what the context holds at first, takes that for the whole truth, and removes the branches that are never taken
// then. So what a callback both changes and compares must start from this, not from a constant.
__u64 zero;
// Address of the first struct page, filled by read_geometry; 0 where the kernel does not tell.
__u64 vmemmap_start;
// Number of the first page there is not, from read_geometry; 0 where the kernel does not tell.
__u64 page_limit;
// What the audit programs are asked: how many pages to read, scan or adopt; at which struct page to start scanning;
// whether what is adopted lies anywhere on one folio. What a scan answers: how many entries it filled, and how many
// pages it looked at, fewer than asked for when the entries ran out.
struct {
    __u64 first;
    __u32 pages;
    __u32 found;
    __u32 looked_at;
    __u32 folio;
} audit;
// What record_pages is asked: the pin, and the user address of the first of the pages, as the ledger has them.
struct {
    __u64 pin;
    __u64 address;
} existing;
// The pin that adopt_pages made, 0 when it could not.
__u64 adopted_pin;
