// The contract's second half: what lies in the maps that the BPF programs and the daemon share. Included by abi.h,
// which says what holds for all of it.
#pragma once

#include <pinwarden/abi_records.h>

// `mm_pins`, by address of the mm_struct, written by the acquire hooks: where anything was ever pinned for long. Goes
// with the address space.
struct pw_mm_pins {
    __u64 space;  // its number: unlike its address, no other address space gets it
    __u64 first_address;
    __u64 end_address;
};
PW_ASSERT_SIZE(pw_mm_pins, 24);

// `file_pins`, written by the acquire hooks only: everything ever pinned of this file since it got an entry.
struct pw_file_pins {
    __u64 sequence;           // grows by one with every range pinned
    __u64 first_page;         // least page
    __u64 end_page;           // one past the greatest page
    __u64 policies;           // bit per policy slot whose path prefix covers a path the file was pinned through
    __u32 policy_generation;  // of the table `policies` was computed from
    __u32 named;              // 1 once the file's name has been sent
    __u64 inode;              // where the kernel has it
};
PW_ASSERT_SIZE(pw_file_pins, 48);

// `file_acks`, created empty by the acquire hooks, written by the daemon only: what is pinned now, as far as it has
// seen. The range is valid while `sequence` equals that of file_pins; first_page == end_page says nothing is pinned.
struct pw_file_ack {
    __u64 sequence;  // 0: says nothing about the range
    __u64 first_page;
    __u64 end_page;
    // For each half of the policy table: bit per slot whose path prefix covers a path the file was pinned through, and
    // the generation that is true for. Two, so that the answer is there before a new table comes into force.
    __u64 policies[2];
    __u32 policy_generation[2];
};
PW_ASSERT_SIZE(pw_file_ack, 48);

enum pw_policy_flags {
    PW_POLICY_IN_USE = 1 << 0,
    PW_POLICY_ENFORCE = 1 << 1,          // else monitor
    PW_POLICY_ANY_PATH = 1 << 2,         // no path prefixes given
    PW_POLICY_SELECTS_PINS = 1 << 3,     // which pins it concerns is only known to the daemon: see pw_pin_verdict
    PW_POLICY_UNRESOLVED_DENY = 1 << 4,  // a pin the daemon has not yet seen counts as concerned
    PW_POLICY_UNRESOLVED_HOLD = 1 << 5,  // the same, and until the daemon has seen it the operation is held
    PW_POLICY_HOLD = 1 << 6,             // hold the operation; else deny it
    PW_POLICY_TIMEOUT_ALLOW = 1 << 7,    // allow what was held for long enough; else deny it
    PW_POLICY_FALLBACK_ALLOW = 1 << 8,   // allow what cannot be held; else deny it
    PW_POLICY_KEEP = 1 << 9,             // in force also while no daemon runs
    PW_POLICY_SIGNAL = 1 << 10,          // let it go ahead, and signal; in place of a denial
    PW_POLICY_NOTIFY = 1 << 11,          // let it go ahead, and tell
};

struct pw_policy {
    __u32 flags;  // enum pw_policy_flags
    __u32 error;  // positive errno to deny with
    __u32 filesystems;
    __u32 operations;        // that it concerns: bit per enum pw_operation_kind
    __u64 hold_nanoseconds;  // how long it holds at most
    char filesystem[PW_POLICY_FILESYSTEMS][PW_FILESYSTEM_NAME];
};
PW_ASSERT_SIZE(pw_policy, 24 + PW_POLICY_FILESYSTEMS * PW_FILESYSTEM_NAME);

// By what policies select callers.
enum pw_caller_kind {
    PW_CALLER_UID,
    PW_CALLER_COMM,       // of the thread group leader
    PW_CALLER_BINARY,     // its directory and its name there: another program may take its place
    PW_CALLER_CGROUP,     // of the caller, or one above it
    PW_CALLER_CONTAINER,  // the same, of a container
    PW_CALLER_KINDS,
};

// Two tables; the one in force is generation & 1 (`policy_generation` in the BPF object's data).
struct pw_policy_table {
    __u32 count;
    __u32 selects_callers;              // whether any policy does
    __u64 any_caller[PW_CALLER_KINDS];  // bit per slot of a policy that does not select by that
    __u64 by_cgroup;                    // bit per slot of a policy that selects by cgroup or container
    struct pw_policy policy[PW_POLICIES];
};
PW_ASSERT_SIZE(pw_policy_table, 56 + PW_POLICIES * (24 + PW_POLICY_FILESYSTEMS * PW_FILESYSTEM_NAME));

// `callers`: whom a policy selects.
struct pw_caller_key {
    __u64 number;  // uid, id of the cgroup, or inode of the program's directory
    __u32 device;  // of that directory
    __u32 kind;    // enum pw_caller_kind
    __u32 table;   // 0 or 1: which policy table it belongs to
    __u32 reserved;
    char name[PW_PROGRAM_NAME];  // of the program, or the task; padded with zeros
};
PW_ASSERT_SIZE(pw_caller_key, 24 + PW_PROGRAM_NAME);
// The value is a __u64: bit per policy slot.

// `path_prefixes`: a directory (or file) that is a policy's path prefix, or the root of a mount below one.
struct pw_prefix_key {
    __u64 inode;
    __u32 device;
    __u32 table;  // 0 or 1: which policy table it belongs to
};
PW_ASSERT_SIZE(pw_prefix_key, 16);
// The value is a __u64: bit per policy slot.

// `pin_verdicts`: for PW_POLICY_SELECTS_PINS, which part of a file the concerned pins cover. Valid for the
// pins up to `sequence`; first_page == end_page says none is concerned.
struct pw_pin_verdict_key {
    struct pw_file_key file;
    __u32 slot;
    __u32 table;
};
PW_ASSERT_SIZE(pw_pin_verdict_key, 24);

struct pw_pin_verdict {
    __u64 sequence;
    __u64 first_page;
    __u64 end_page;
};
PW_ASSERT_SIZE(pw_pin_verdict, 24);

// `holds`, by thread id: the operation its caller is held in. Made and changed by the programs; the daemon removes
// those whose caller does not come back.
struct pw_hold {
    __u64 hold;                     // its number; 0 while it is being filled
    __u64 since;                    // when it was first held
    __u64 deadline;                 // by the policy that held it last
    __u64 asked;                    // how often the caller asked, the first time included
    struct pw_operation operation;  // as reported; policy, generation and unresolved are the last decision's
};
PW_ASSERT_SIZE(pw_hold, 32 + 160);

// `hold_releases`, by the number of the hold, written by the daemon: __u32, enum pw_hold_release.

enum pw_page_flags {
    PW_PAGE_READABLE = 1 << 0,   // there is such a page
    PW_PAGE_LARGE = 1 << 1,      // its folio has several pages: `pins` is exact
    PW_PAGE_ANONYMOUS = 1 << 2,  // the folio is anonymous memory
    PW_PAGE_FILE = 1 << 3,       // the folio is in the cache of `file`, which is filled then
};

// `audit_pages`: what the kernel's own memory map says about a page. Input of audit_pages_read is `page`, all else is
// filled; audit_pages_scan fills it all.
struct pw_page_state {
    __u64 page;         // struct page address
    __u64 folio;        // address of its folio's first struct page
    __u32 folio_pages;  // 1, or a power of two
    __u32 pins;         // on the whole folio
    __u32 flags;        // enum pw_page_flags
    __u32 reserved;
    __u64 page_index;  // of `page` within the file
    struct pw_file_key file;
};
PW_ASSERT_SIZE(pw_page_state, 56);
