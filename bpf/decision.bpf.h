// What is decided about a file operation: the operation, and how far the decision has come.
#pragma once

#include "kernel_types.bpf.h"

#include <pinwarden/abi.h>
#include <pinwarden/overlap.h>

// What is about to happen to a file, as in pw_operation.
struct operation {
    __u32 kind;
    __u32 too_late;  // nothing can stop it where it is seen
    __u64 file_size;
    __u64 offset;
    __u64 length;
    __u64 before;
};

struct decision {
    struct pw_file_key key;
    struct pw_page_range pages;  // what the operation takes away
    __u64 covering;              // policies whose path prefixes cover the file
    __u64 callers;               // policies that the caller suits, or, of those below, may suit
    __u64 doubtful;              // policies of which it is not known whether the caller suits them
    __u64 sequence;
    __u64 matched;
    __u64 hold_nanoseconds;
    char filesystem[PW_FILESYSTEM_NAME];
    __u32 generation;
    __u32 certain;   // nothing was lost that the daemon has not made good
    __u32 resolved;  // the daemon has seen every pin of the file
    __u32 seen;      // the operation meets a pin the daemon has seen
    __u32 operation;
    __u32 wanted;  // flags a policy must have to be asked
    __u32 reserved;
    __u32 policy;  // slot + 1
    __u32 flags;   // of that policy
    __u32 error;
    __u32 unresolved;
};

// The policies in force, asked one after the other. Apart from the decision: that is given to functions that are
// verified on their own, after which the verifier knows nothing of what it holds.
struct policy_walk {
    struct decision decision;
    struct pw_policy_table *table;
};
