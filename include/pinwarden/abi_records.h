// The contract's first half: constants, kinds, and the records in the ring buffer. Included by abi.h, which says what
// holds for all of it.
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

#ifdef __cplusplus
#define PW_ASSERT_SIZE(type, bytes) static_assert(sizeof(struct type) == (bytes), #type " changed its size")
#else
#define PW_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type " changed its size")
#endif

enum {
    PW_COMM_LENGTH = 16,
    PW_STACK_FRAMES = 24,
    PW_USER_FRAMES = 32,
    PW_BUILD_ID_BYTES = 20,
    PW_PAGES_PER_CHUNK = 512,
    PW_FILESYSTEM_NAME = 16,
    PW_PROGRAM_NAME = 32,
    PW_PATH_BYTES = 2048,
    PW_POLICIES = 64,
    PW_POLICY_FILESYSTEMS = 4,
    // A block is the unit of the table that lets a release of untracked pages return at once. 64 pages a block and 2^20
    // counters cover 256 GiB of memory before two blocks share a counter; sharing costs an unneeded event, never a lost
    // one.
    PW_BLOCK_PAGES_SHIFT = 6,
    PW_BLOCKS = 1 << 20,
    // How many pages the audit programs report at most in one run.
    PW_AUDIT_PAGES = 4096,
    // How many operations are held at most.
    PW_HOLDS = 1024,
};

// What a record in the ring buffer is. Every record starts with struct pw_header.
enum pw_kind {
    PW_KIND_PIN = 1,         // one acquire call returned (or failed): struct pw_pin
    PW_KIND_RANGE,           // file pages covered by that pin: struct pw_range, zero or more after the pin
    PW_KIND_PAGES,           // which pages it pinned: struct pw_pages, one or more after the ranges
    PW_KIND_RELEASE,         // a run of pages is being released: struct pw_release
    PW_KIND_RELEASE_PAGES,   // a list of pages is being released: struct pw_release_pages
    PW_KIND_FILE,            // name of a file, sent before its first range: struct pw_file
    PW_KIND_OPERATION,       // a file operation met pins: struct pw_operation
    PW_KIND_EXIT,            // a process that owns or owned pins has exited: struct pw_exit
    PW_KIND_OWNER,           // what a process runs, sent before its first pin and after each exec: struct pw_owner
    PW_KIND_RENAME,          // a known file, or a directory, changed or lost its name: struct pw_rename
    PW_KIND_INVALIDATION,    // addresses lost their pages where pins may be: struct pw_invalidation
    PW_KIND_NOTIFIER,        // an mmu notifier came or went: struct pw_notifier
    PW_KIND_HOLD_END,        // an operation is held no longer: struct pw_hold_end
    PW_KIND_RELEASE_OBJECT,  // all that is pinned for an object is being released: struct pw_release_object
    PW_KIND_USER_STACK,      // what of the program asked for a pin, sent after it: struct pw_user_stack
};

// The kernel function an event was seen in.
enum pw_function {
    PW_FUNCTION_UNKNOWN = 0,
    PW_PIN_USER_PAGES,
    PW_PIN_USER_PAGES_FAST,
    PW_PIN_USER_PAGES_FAST_ONLY,
    PW_PIN_USER_PAGES_REMOTE,
    PW_PIN_USER_PAGES_UNLOCKED,
    PW_MEMFD_PIN_FOLIOS,
    PW_UNPIN_USER_PAGE,
    PW_UNPIN_USER_PAGES,
    PW_UNPIN_USER_PAGES_DIRTY_LOCK,
    PW_UNPIN_USER_PAGE_RANGE_DIRTY_LOCK,
    PW_UNPIN_USER_FOLIO,
    PW_UNPIN_FOLIO,
    PW_UNPIN_FOLIOS,
    PW_ADOPTED,        // no call was seen: the pages were found pinned
    PW_ADOPTED_FOLIO,  // the same, but it is not known which pages of a large folio they are
};

enum pw_pin_flags {
    PW_PIN_LONGTERM = 1 << 0,
    PW_PIN_WRITE = 1 << 1,
    PW_PIN_REMOTE = 1 << 2,  // pages of another mm than the caller's may be pinned
    PW_PIN_MORE = 1 << 3,    // the object has pins already: the stack is that of its first, and left out
};

// The kind of object that pages are pinned for, where the driver's own functions tell.
enum pw_scope_kind {
    PW_SCOPE_NONE = 0,  // not pinned or released through any of these
    PW_SCOPE_IO_URING_BUFFER,
    PW_SCOPE_RDMA_REGION,
    PW_SCOPE_VFIO_MAPPING,
    PW_SCOPE_XDP_UMEM,
    PW_SCOPE_KINDS,
};

// File operations that take pages away from a file, and can be stopped.
enum pw_operation_kind {
    PW_OPERATION_TRUNCATE = 1,    // any size change through setattr: truncate, ftruncate, open(O_TRUNC)
    PW_OPERATION_PUNCH_HOLE,      // fallocate(FALLOC_FL_PUNCH_HOLE)
    PW_OPERATION_COLLAPSE_RANGE,  // what lies behind moves, so all of it goes
    PW_OPERATION_ZERO_RANGE,
    PW_OPERATION_INSERT_RANGE,  // the same
    PW_OPERATION_MADV_REMOVE,   // punches a hole
    PW_OPERATION_UMOUNT,        // of the file system with file.device; each of its files goes, file.inode is 0
    PW_OPERATION_KINDS,
};

// What took the pages away from addresses of a process. Nothing can stop these.
enum pw_invalidation_kind {
    PW_INVALIDATION_MUNMAP = 1,
    PW_INVALIDATION_MMAP_FIXED,      // mmap(MAP_FIXED) over a mapping
    PW_INVALIDATION_MREMAP,          // moved, shrunk, or mapped over (MREMAP_FIXED)
    PW_INVALIDATION_MADV_DONTNEED,   // also MADV_DONTNEED_LOCKED
    PW_INVALIDATION_MADV_GUARD,      // MADV_GUARD_INSTALL
    PW_INVALIDATION_NOTIFIER_UNMAP,  // none of the above; the kernel told mmu notifiers that it unmaps
    PW_INVALIDATION_NOTIFIER_CLEAR,  // the same, that it takes pages out of a mapping that stays
    PW_INVALIDATION_KINDS,
};

// What an mmu notifier listens to.
enum pw_notifier_kind {
    PW_NOTIFIER_SPACE = 1,  // a whole address space
    PW_NOTIFIER_RANGE,      // a range of one: memory that a device has on demand
    PW_NOTIFIER_KINDS,
};

// What became of an operation that met pins.
enum pw_verdict {
    PW_VERDICT_ALLOW = 0,   // no policy had anything to say, or a hold's fallback allows it
    PW_VERDICT_DENY,        // an enforcing policy failed it with pw_operation.error
    PW_VERDICT_WOULD_DENY,  // a monitoring policy would have failed it
    PW_VERDICT_HOLD,        // an enforcing policy makes the caller wait
    PW_VERDICT_WOULD_HOLD,  // a monitoring policy would have
    // It goes ahead, and what an enforcing policy wants is the daemon's to do:
    PW_VERDICT_SIGNAL,
    PW_VERDICT_WOULD_SIGNAL,  // the same of a monitoring one
    PW_VERDICT_NOTIFY,
    PW_VERDICT_WOULD_NOTIFY,
    PW_VERDICTS,
};

// How a hold ended.
enum pw_hold_outcome {
    PW_HOLD_PINS_GONE = 1,    // nothing is in the operation's way any more: it went on
    PW_HOLD_ALLOWED,          // somebody let it go on, whatever is in its way
    PW_HOLD_DENIED,           // somebody let it fail
    PW_HOLD_TIMED_OUT_ALLOW,  // as the policy says, after its time
    PW_HOLD_TIMED_OUT_DENY,
    PW_HOLD_DECIDED,       // the policies decide otherwise now: they changed, or all pins are known
    PW_HOLD_ABANDONED,     // the caller is gone, or came back with another operation
    PW_HOLD_LET_GO_ALLOW,  // it could be held no longer: the policy's fallback
    PW_HOLD_LET_GO_DENY,
    PW_HOLD_OUTCOMES,
};

// What somebody decided about a held operation.
enum pw_hold_release {
    PW_HOLD_RELEASE_ALLOW = 1,
    PW_HOLD_RELEASE_DENY,
};

// Calls whose first program the kernel skipped and whose second did the work, counted in the `caught` map.
enum pw_caught {
    PW_CAUGHT_LEDGER,     // calls that pin, let go or own
    PW_CAUGHT_OPERATION,  // operations on files
    PW_CAUGHT_KINDS,
};

// Losses and doubts, counted per processor in the `counters` map.
enum pw_counter {
    PW_LOST_PIN = 0,          // ring full: a pin, and all its ranges and pages
    PW_LOST_RANGE,            // ring full: a file range
    PW_LOST_PAGES,            // ring full: a page list
    PW_LOST_RELEASE,          // ring full: a release
    PW_LOST_FILE,             // ring full: a file's name
    PW_LOST_OPERATION,        // ring full: an operation's report (its verdict was still carried out)
    PW_LOST_EXIT,             // ring full: a process exit
    PW_LOST_FILE_STATE,       // file table full: operations on this file are decided by its pages alone
    PW_LOST_TASK,             // task table full: releases inside the long-term loop taken for the owner's
    PW_LOST_OWNER,            // owner table full: the exit of this owner will not be reported
    PW_DOUBT_RANGE_FALLBACK,  // address range not looked up (contention): file found page by page instead
    PW_DOUBT_RANGE_CUT,       // more file ranges in one call than are looked at: the rest is missing
    PW_DOUBT_PATH_CUT,        // a path deeper or longer than is recorded
    PW_LOST_EXECUTABLE,       // ring full: what an owner runs
    PW_LOST_RENAME,           // ring full: a file's or directory's new name
    PW_LOST_INVALIDATION,     // ring full: an invalidation's report
    PW_LOST_SPACE,            // table of address spaces full: invalidations of this one's pins are not seen
    PW_LOST_NOTIFIER,         // ring full: an mmu notifier that came or went
    PW_LOST_HOLD_END,         // ring full: the end of a hold
    PW_LOST_USER_STACK,       // ring full: what of a program asked for a pin
    PW_COUNTERS,
};

// Whether the ledger may be wrong after such a loss.
static inline int pw_affects_ledger(__u32 counter)
{
    return counter <= PW_LOST_RELEASE || counter == PW_LOST_TASK || counter == PW_DOUBT_RANGE_CUT;
}

struct pw_header {
    __u32 kind;   // enum pw_kind
    __u32 bytes;  // of the whole record, this header included
    __u64 time;
};
PW_ASSERT_SIZE(pw_header, 16);

// A process or thread, by pid and start time: a pid alone is reused.
struct pw_task {
    __u64 start_time;  // of the process (thread group leader)
    __u64 cgroup;      // cgroup v2 id
    __u32 pid;         // process (tgid), in the initial pid namespace
    __u32 tid;
    __u32 uid;
    __u32 gid;
    char comm[PW_COMM_LENGTH];  // of the thread group leader
};
PW_ASSERT_SIZE(pw_task, 48);

// Which file. Device as the kernel encodes it internally (major << 20 | minor).
struct pw_file_key {
    __u64 inode;
    __u32 device;
    __u32 generation;
};
PW_ASSERT_SIZE(pw_file_key, 16);

struct pw_pin {
    struct pw_header header;
    __u64 pin;      // unique while the programs stay loaded; never 0
    __u64 address;  // first user address; for PW_MEMFD_PIN_FOLIOS the first byte of the file
    __u64 mm;       // identity of the address space, to match only: never shown
    __u64 requested_pages;
    __u64 pinned_pages;  // as returned; for PW_MEMFD_PIN_FOLIOS a folio counts as one
    __s32 error;         // negative errno when the call failed, else 0; then no range or page list follows
    __u32 function;      // enum pw_function
    __u32 flags;         // enum pw_pin_flags
    __u32 stack_depth;   // valid entries of stack
    __u64 scope;         // number of the object it was made for, 0: not known
    __u32 scope_kind;    // enum pw_scope_kind
    __u32 reserved;
    __u64 space;  // number of the address space `address` is in; 0: in none, not pinned for long, or table full
    struct pw_task owner;
    __u64 stack[PW_STACK_FRAMES];  // kernel return addresses, innermost first: never shown, symbols are
};
PW_ASSERT_SIZE(pw_pin, 16 + 40 + 40 + 48 + 8 * PW_STACK_FRAMES);

enum pw_user_frame_status {
    PW_USER_FRAME_NONE = 0,
    PW_USER_FRAME_IN_FILE,  // of a mapped file with a build id
    PW_USER_FRAME_ADDRESS,  // of anything else, or the file could not be looked at
};

// As the kernel's struct bpf_stack_build_id.
struct pw_user_frame {
    __s32 status;  // enum pw_user_frame_status
    __u8 build_id[PW_BUILD_ID_BYTES];
    __u64 place;  // offset in the file, or a user address
};
PW_ASSERT_SIZE(pw_user_frame, 32);

struct pw_user_stack {
    struct pw_header header;
    __u64 pin;
    __u32 depth;  // valid entries of frame
    __u32 reserved;
    struct pw_user_frame frame[PW_USER_FRAMES];  // return addresses, innermost first
};
PW_ASSERT_SIZE(pw_user_stack, 32 + 32 * PW_USER_FRAMES);

struct pw_range {
    struct pw_header header;
    __u64 pin;
    __u64 address;     // user address where the range starts
    __u64 page_index;  // first page within the file
    __u64 pages;
    __u64 sequence;  // of this file's pins, counting from 1: lets the reader see that none is missing
    struct pw_file_key file;
};
PW_ASSERT_SIZE(pw_range, 72);

// `page` is a struct page address. Only the first `count` entries are in the record.
struct pw_pages {
    struct pw_header header;
    __u64 pin;
    __u32 first;  // position of page[0] in the pin
    __u32 count;
    __u64 page[PW_PAGES_PER_CHUNK];
};
PW_ASSERT_SIZE(pw_pages, 32 + 8 * PW_PAGES_PER_CHUNK);

enum pw_release_flags {
    // The object is still being made. What is let go then, while something of the same call stays pinned, is not needed
    // to hold the memory: io_uring keeps one pin for each large folio.
    PW_RELEASE_MAKING = 1 << 0,
};

// In place of an offset: no page is named.
enum { PW_ANY_PAGE = ~0U };

// span == 0: exactly the pages page .. page + count - 1.
// span > 0: `count` pins on the folio of `span` pages that starts at `page`. `offset` is the page of it that was named,
// as its position in the folio, or PW_ANY_PAGE; the kernel counts the folio's pins together, so that a caller may name
// another page than it pinned.
struct pw_release {
    struct pw_header header;
    __u64 mm;
    __u64 page;
    __u64 count;
    __u32 span;
    __u32 function;
    __u32 pid;
    __u32 tid;
    __u64 scope;       // number of the object let go, 0: not known, or none
    __u32 scope_kind;  // enum pw_scope_kind
    __u32 flags;       // enum pw_release_flags
    __u32 offset;
    __u32 reserved;
};
PW_ASSERT_SIZE(pw_release, 80);

struct pw_release_pages {
    struct pw_header header;
    __u64 mm;
    __u64 scope;  // as in pw_release
    __u32 scope_kind;
    __u32 function;
    __u32 pid;
    __u32 tid;
    __u32 count;
    __u32 flags;  // as in pw_release
    __u64 page[PW_PAGES_PER_CHUNK];
};
PW_ASSERT_SIZE(pw_release_pages, 56 + 8 * PW_PAGES_PER_CHUNK);

// The release of everything that is pinned for the object, in place of one for each page.
struct pw_release_object {
    struct pw_header header;
    __u64 mm;
    __u64 scope;       // number of the object
    __u32 scope_kind;  // enum pw_scope_kind
    __u32 pid;
    __u32 tid;
    __u32 reserved;
};
PW_ASSERT_SIZE(pw_release_object, 16 + 32);

enum pw_file_flags {
    PW_FILE_PATH_CUT = 1 << 0,
    PW_FILE_UNLINKED = 1 << 1,
};

// path: name components, innermost first, each closed with a NUL; only path_bytes of it are in the record. In a file's
// record also: PW_PATH_OUTSIDE where a mount begins below the root of its file system, then the components up to that
// root, no part of the path; PW_PATH_DEVICE at the root of a file system, with its device in eight letters, from a (0)
// to p (15), the most significant first; then the mount above.
#define PW_PATH_OUTSIDE "//"
#define PW_PATH_DEVICE "/"
struct pw_file {
    struct pw_header header;
    struct pw_file_key file;
    __u64 filesystem_magic;
    char filesystem[PW_FILESYSTEM_NAME];
    __u32 flags;  // enum pw_file_flags
    __u32 path_bytes;
    char path[PW_PATH_BYTES];
};
PW_ASSERT_SIZE(pw_file, 16 + 16 + 8 + PW_FILESYSTEM_NAME + 8 + PW_PATH_BYTES);

// path as in pw_file: of the program the process runs.
struct pw_owner {
    struct pw_header header;
    __u64 start_time;
    __u64 filesystem_magic;
    __u32 pid;
    __u32 flags;  // enum pw_file_flags
    __u32 path_bytes;
    __u32 reserved;
    char path[PW_PATH_BYTES];
};
PW_ASSERT_SIZE(pw_owner, 16 + 32 + PW_PATH_BYTES);

enum pw_rename_flags {
    PW_RENAME_DIRECTORY = 1 << 0,  // `file` is one: what lies below it moved with it
    PW_RENAME_EXCHANGE = 1 << 1,   // what was at new_path, or below, is at path now
    PW_RENAME_LOST = 1 << 2,       // no new path: the file has no other name, or none that is known
    PW_RENAME_UNLINKED = 1 << 3,   // no name at all is left
    PW_RENAME_CUT = 1 << 4,        // a path was too long for the record
};

// Paths as in pw_file, from the root of the file system. For a file that kept another hard link, new_path is that one.
struct pw_rename {
    struct pw_header header;
    struct pw_file_key file;
    __u32 device;  // of the file system the paths are in
    __u32 flags;   // enum pw_rename_flags
    __u32 path_bytes;
    __u32 new_path_bytes;
    char path[PW_PATH_BYTES];
    char new_path[PW_PATH_BYTES];
};
PW_ASSERT_SIZE(pw_rename, 16 + 16 + 16 + 2 * PW_PATH_BYTES);

struct pw_operation {
    struct pw_header header;
    struct pw_file_key file;
    __u64 file_size;  // before
    __u64 offset;     // for PW_OPERATION_TRUNCATE the new size
    __u64 length;     // 0 for PW_OPERATION_TRUNCATE
    __u64 before;     // bytes in front of offset that the file system takes away, too
    __u64 sequence;   // of the file's pins when it was decided
    __u64 matched;    // bit per policy slot whose match part held
    struct pw_task caller;
    __u32 operation;   // enum pw_operation_kind
    __u32 verdict;     // enum pw_verdict
    __s32 error;       // what the operation fails (or would fail) with: negative errno or 0
    __u32 policy;      // deciding slot + 1, or 0
    __u32 generation;  // of the policy table that decided
    __u32 unresolved;  // 1: decided before the daemon had seen the newest pin, by the policy's `unresolved`
    __u64 hold;        // number of the hold, unique while the programs stay loaded; 0: not held
};
PW_ASSERT_SIZE(pw_operation, 16 + 16 + 48 + 48 + 32);

struct pw_hold_end {
    struct pw_header header;
    __u64 hold;
    __u64 since;    // when the operation was first held
    __u64 asked;    // how often the caller asked, the first time included
    __u32 outcome;  // enum pw_hold_outcome
    __s32 error;    // what the operation fails with: negative errno, or 0
};
PW_ASSERT_SIZE(pw_hold_end, 16 + 32);

struct pw_exit {
    struct pw_header header;
    __u64 start_time;
    __u32 pid;
    __u32 reserved;
};
PW_ASSERT_SIZE(pw_exit, 32);

// The addresses from `address` to `end` lost the pages that were mapped there.
struct pw_invalidation {
    struct pw_header header;
    __u64 space;  // number of the address space
    __u64 address;
    __u64 end;           // one past the last byte; == address: none, see replaced_end
    __u64 moved_to;      // where its first page is mapped now; 0: nowhere
    __u64 moved_bytes;   // how much of it is mapped there
    __u64 replaced;      // a second range that something else was mapped over, before anything moved there
    __u64 replaced_end;  // == replaced: there is none
    struct pw_task caller;
    __u32 operation;  // enum pw_invalidation_kind
    __u32 reserved;
};
PW_ASSERT_SIZE(pw_invalidation, 16 + 56 + 48 + 8);

// The addresses are identities or lead to names: never shown.
struct pw_notifier {
    struct pw_header header;
    __u64 notifier;
    __u64 callback;  // of a function of the listener
    __u64 mm;
    __u64 address;  // for PW_NOTIFIER_RANGE
    __u64 length;
    struct pw_task owner;  // who registered it, or took it away
    __u32 kind;            // enum pw_notifier_kind; 0 when it is gone
    __u32 gone;
};
PW_ASSERT_SIZE(pw_notifier, 16 + 40 + 48 + 8);
