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
    return __sync_fetch_and_add(&shared.last_scope, 1) + 1;
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
    // Without a name nobody can tell that the object is let go. It counts as a pin that stays for ever, so that each
    // page is told of from now on.
    if (bpf_map_update_elem(&objects, &key, &scope, BPF_ANY))
        __sync_fetch_and_add(&shared.unfollowed_made, 1);
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
    if (!task->depth)
        __sync_fetch_and_add(&shared.in_scope, 1);
    task->depth = depth + 1;
    if (depth && !scope) {
        if (!task->stranger)
            task->stranger = depth + 1;
        return 0;
    }
    task->kind = kind;
    task->scope = scope;
    task->object = object;
    task->released = 0;
    task->making = making;
    task->whole = 0;
    task->stranger = 0;
    task->described = 0;
    task->last_user = LAST_USER_IF_RELEASED;
    return 0;
}

// All that is pinned for the object is let go.
static __always_inline void tell_released(const struct task_state *task)
{
    struct pw_release_object *record = RESERVE(pw_release_object, PW_KIND_RELEASE_OBJECT, PW_LOST_RELEASE);
    if (!record)
        return;
    __u64 pid_tgid = bpf_get_current_pid_tgid();
    record->mm = (__u64)BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), mm);
    record->scope = task->scope;
    record->scope_kind = task->kind;
    record->pid = pid_tgid >> 32;
    record->tid = (__u32)pid_tgid;
    record->reserved = 0;
    submit(record);
}

// What becomes of an object whose function ends.
enum ending {
    ENDS_NOTHING,
    ENDS_IF_RELEASED,  // it and its pins are gone if a page was let go
    ENDS_ALL,          // it and its pins are gone
};

static __always_inline int leave_scope(enum ending ending)
{
    if (in_interrupt())
        return 0;
    struct task_state *task = this_task();
    if (!task)
        return 0;
    __u8 depth = task->depth;
    bool released = task->released;
    if (task->stranger && depth >= task->stranger) {
        // What the thread is in the middle of goes on.
        if (depth == task->stranger)
            task->stranger = 0;
        task->depth = depth - 1;
        return 0;
    }
    if (ending == ENDS_IF_RELEASED && task->last_user == LAST_USER)
        ending = ENDS_ALL;
    if (task->whole) {
        __u64 self = bpf_get_current_task();
        typeof(shared.releases[0]) *place = RELEASE_PLACE(self);
        bool own = place->task == self;
        released = own && place->released;
        if (own)
            place->task = 0;
        task->whole = 0;
        if (released || ending == ENDS_ALL)
            tell_released(task);
    } else if (ending == ENDS_ALL && task->scope) {
        tell_released(task);
    }
    if (ending == ENDS_IF_RELEASED && task->last_user == LAST_USER_UNHEARD && !released)
        __sync_fetch_and_add(&shared.unheard, 1);
    if (task->scope && (ending == ENDS_ALL || (ending == ENDS_IF_RELEASED && released)))
        forget_object(task->kind, task->object, task->scope);
    if (depth > 1) {
        task->depth = depth - 1;
        return 0;
    }
    if (depth)
        __sync_fetch_and_add(&shared.in_scope, -1);
    if (task->in_longterm_loop) {
        task->depth = 0;
        task->scope = 0;
        task->kind = 0;
        task->making = 0;
    } else {
        forget_task();
    }
    return 0;
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
    if (!task || !task->scope)
        return leave_scope(ENDS_NOTHING);
    if (!is_error(object)) {
        name_object(kind, object, task->scope);
        return leave_scope(ENDS_NOTHING);
    }
    // What it had pinned by then it has let go of by itself.
    return leave_scope(task->described ? ENDS_ALL : ENDS_NOTHING);
}

// An object that may be gone afterwards, if this was its last user.
static __always_inline int enter_release(__u32 kind, __u64 object)
{
    return enter_scope(kind, scope_of(kind, object), object, false, false);
}

// The same where the function lets go all that is pinned for the object, or nothing, if it has other users: its pages
// need not be told one by one. Where the ledger may have them wrong they are.
static __always_inline int enter_whole_release(__u32 kind, __u64 object, bool last_user)
{
    enter_release(kind, object);
    struct task_state *task = in_interrupt() ? 0 : this_task();
    if (!task || !task->scope || task->stranger)
        return 0;
    if (last_user)
        task->last_user = LAST_USER;
    else if (!shared.releases_heard)
        task->last_user = LAST_USER_UNHEARD;
    if (task->depth != 1 || task->in_longterm_loop || shared.releases_by_folio)
        return 0;
    __u64 self = bpf_get_current_task();
    typeof(shared.releases[0]) *place = RELEASE_PLACE(self);
    __u64 taken = __sync_val_compare_and_swap(&place->task, 0, self);
    // Its own, if the kernel skipped the program that should have left.
    if (taken && taken != self)
        return 0;
    place->released = 0;
    task->whole = 1;
    return 0;
}

static __always_inline int leave_release(void)
{
    return leave_scope(ENDS_IF_RELEASED);
}
