// Owning objects, and the threads that are in the middle of making one or letting one go.
#pragma once

#include "shared.bpf.h"

enum {
    TASKS_MAX = 1 << 15,
    OBJECTS_MAX = 1 << 20,
};

// What a thread is in the middle of. The daemon reads the first field only (ObjectTable).
struct task_state {
    __u64 scope;  // the object it pins for or lets go, by number; 0: unknown
    __u64 object;
    __u32 kind;             // enum pw_scope_kind
    __u8 depth;             // scopes entered and not left
    __u8 in_longterm_loop;  // what it releases there is not the owner's
    __u8 released;          // something was released in this scope
    __u8 making;            // the object is being made
    __u8 stranger;          // depth at which an object that is not known was entered inside another; 0: none
    __u8 described;         // a pin for the object has been told of with its stack
    __u8 whole;             // it is let go with all that is pinned for it, and RELEASE_PLACE is this thread's
    __u8 last_user;         // enum last_user, of a scope that ends the object if its last user lets go
};

// Whether who lets go of an object is the last of its users, with whom its pins go.
enum last_user {
    LAST_USER_IF_RELEASED,  // if a page was let go
    LAST_USER,
    LAST_USER_UNHEARD,  // if a page was let go, but nobody listens to that
};

// By thread; only while it is in the middle of something.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, TASKS_MAX);
    __type(key, __u32);
    __type(value, struct task_state);
} tasks SEC(".maps");

struct object_key {
    __u64 object;
    __u64 kind;
};

// Number of each owning object, by its address.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, OBJECTS_MAX);
    __type(key, struct object_key);
    __type(value, __u64);
} objects SEC(".maps");

// How many calls second programs caught, by enum pw_caught: see caught.bpf.h.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PW_CAUGHT_KINDS);
    __type(key, __u32);
    __type(value, __u64);
} caught SEC(".maps");

static __always_inline void count_caught(__u32 kind)
{
    __u64 *calls = bpf_map_lookup_elem(&caught, &kind);
    if (calls)
        __sync_fetch_and_add(calls, 1);
}

// A thread's places in `shared`, which another may have taken.
static __always_inline __u32 place_of(__u64 task)
{
    return (task >> 8) & (THREAD_PLACES - 1);
}

#define RELEASE_PLACE(task) (&shared.releases[place_of(task)])
#define USE_PLACE(task) (&shared.uses[place_of(task)])

static __always_inline struct task_state *this_task(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    return bpf_map_lookup_elem(&tasks, &tid);
}

static __always_inline struct task_state *this_task_or_new(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct task_state *task = bpf_map_lookup_elem(&tasks, &tid);
    if (task)
        return task;
    struct task_state fresh = {};
    bpf_map_update_elem(&tasks, &tid, &fresh, BPF_NOEXIST);
    return bpf_map_lookup_elem(&tasks, &tid);
}

static __always_inline void forget_task(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    bpf_map_delete_elem(&tasks, &tid);
}
