// Which object pins are made for, and let go with: an io_uring buffer, an RDMA memory region, a VFIO mapping, an AF_XDP
// umem. The functions of the driver say so, and everything the thread pins or releases between a function's start and
// its end belongs to that object. That tells apart what page addresses cannot: two registrations of one page, or a
// brief pin of a page that is registered too.
#pragma once

#include "kernel_types.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "caught.bpf.h"
#include "interrupt.bpf.h"
#include "scope_maps.bpf.h"
#include "trampoline.bpf.h"

// What functions that return a pointer return on failure.
static __always_inline bool is_error(__u64 pointer)
{
    return !pointer || pointer >= (__u64)-4095;
}

static __always_inline __u64 next_scope(void)
{
    __u32 key = 0;
    __u64 *last = bpf_map_lookup_elem(&last_scope, &key);
    return last ? __sync_fetch_and_add(last, 1) + 1 : 0;
}

static __always_inline __u64 scope_of(__u32 kind, __u64 object)
{
    struct object_key key = {.object = object, .kind = kind};
    __u64 *scope = bpf_map_lookup_elem(&objects, &key);
    return scope ? *scope : 0;
}

static __always_inline void name_object(__u32 kind, __u64 object, __u64 scope)
{
    struct object_key key = {.object = object, .kind = kind};
    bpf_map_update_elem(&objects, &key, &scope, BPF_ANY);
}

// Unless its memory has already become another object, which has a number of its own.
static __always_inline void forget_object(__u32 kind, __u64 object, __u64 scope)
{
    struct object_key key = {.object = object, .kind = kind};
    if (scope_of(kind, object) == scope)
        bpf_map_delete_elem(&objects, &key);
}

// In an interrupt nothing is pinned or released for an object, but the last user of one may put it: a socket's end
// does, on top of whichever task is running.
//
// Inside another scope an object that is not known changes nothing: what fails halfway lets go of its own. What pins is
// never inside another scope: if it looks so, the kernel has skipped a run of the program that should have left that.
static __always_inline int enter_scope(__u32 kind, __u64 scope, __u64 object, bool making, bool pins)
{
    if (in_interrupt())
        return 0;
    struct task_state *task = this_task_or_new();
    if (!task)
        return 0;
    __u8 depth = pins ? 0 : task->depth;
    task->depth = depth + 1;
    if (depth && !scope)
        return 0;
    task->kind = kind;
    task->scope = scope;
    task->object = object;
    task->released = 0;
    task->making = making;
    return 0;
}

// Returns the number of the scope that was left; with `forget`, an object whose pins were let go is not known any more.
static __always_inline __u64 leave_scope(bool forget)
{
    if (in_interrupt())
        return 0;
    struct task_state *task = this_task();
    if (!task)
        return 0;
    __u64 scope = task->scope;
    __u8 depth = task->depth;
    if (depth > 1) {
        task->depth = depth - 1;
        return scope;
    }
    if (forget && task->released)
        forget_object(task->kind, task->object, scope);
    if (task->in_longterm_loop) {
        task->depth = 0;
        task->scope = 0;
        task->kind = 0;
        task->making = 0;
    } else {
        forget_task();
    }
    return scope;
}

// An object is made: it gets its number now, and its address when that is known.
static __always_inline int enter_making(__u32 kind)
{
    return enter_scope(kind, next_scope(), 0, true, true);
}

// Named before it is left: whoever looks for it finds it either under way or in the table.
static __always_inline int leave_making(__u32 kind, __u64 object)
{
    struct task_state *task = this_task();
    if (task && task->scope && !is_error(object))
        name_object(kind, object, task->scope);
    leave_scope(false);
    return 0;
}

// An object that may be gone afterwards, if this was its last user.
static __always_inline int enter_release(__u32 kind, __u64 object)
{
    return enter_scope(kind, scope_of(kind, object), object, false, false);
}

static __always_inline int leave_release(void)
{
    leave_scope(true);
    return 0;
}
