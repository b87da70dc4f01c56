// Holding an operation: its caller is stopped, and starts the same system call again when it is continued.
//
// SIGSTOP, sent to the thread itself, and -ERESTARTNOINTR: the thread stops on its way back to user space, before it
// has seen any result, and after SIGCONT the kernel puts it back in front of the call. So it asks again, however it
// came to be continued, and what is decided then is decided anew; what is remembered of a hold is how long it has
// lasted.
#pragma once

#include "report.bpf.h"

#include <asm/unistd.h>

enum {
    EBUSY = 16,
    ERESTARTNOINTR = 513,
    SIGSTOP = 19,
    // How often the signal is looked for before it is believed not to come, and how often it is sent.
    SIGNAL_LOOKS = 1 << 14,
    STOP_ATTEMPTS = 4,
};

// What a new entry of `holds` begins as: too large for the stack.
const struct pw_hold no_hold = {};

// Only a system call that does nothing before it asks, or nothing that doing it twice would change, of a thread that
// goes back to user space through it. The rest of io_uring, kernel threads and the like would get the -ERESTARTNOINTR.
static __always_inline bool starts_again(void)
{
    switch (current_syscall()) {
        case __NR_truncate:
        case __NR_ftruncate:
#ifdef __NR_open
        case __NR_open:
        case __NR_creat:
#endif
        case __NR_openat:
        case __NR_openat2:
        case __NR_fallocate:
        case __NR_madvise:
        case __NR_process_madvise:
        case __NR_umount2: return true;
        default: return false;
    }
}

static __always_inline bool can_be_held(void)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    __u32 flags = BPF_CORE_READ(task, flags);
    return !(flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER | PF_DUMPCORE)) && starts_again() &&
           bpf_ktime_get_boot_ns() < *(volatile __u64 *)&attended_until;
}

static long look_for_stop(__u32 turn, bool *found)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    *found = BPF_CORE_READ(task, pending.signal.sig[0]) >> (SIGSTOP - 1) & 1;
    return *found ? 1 : 0;
}

// To the thread, not the process: there the signal could already wait for another thread, and this one would go on.
// From 6.14 on, and where it was taken back, an interrupt that follows at once sends it where preemption is off;
// without it the -ERESTARTNOINTR would reach user space, so it is waited for.
static __always_inline bool stop_caller(void)
{
    bool found = zero;
    // A SIGCONT that comes before it is found takes it back: the daemon sends one as soon as it finds the caller in the
    // table, if nothing is in its way any more.
    for (int i = 0; i < STOP_ATTEMPTS && !found; i++) {
        if (bpf_send_signal_thread(SIGSTOP))
            return false;
        bpf_loop(SIGNAL_LOOKS, look_for_stop, &found, 0);
    }
    return found;
}

static __always_inline void remove_hold(__u32 tid)
{
    if (bpf_map_delete_elem(&holds, &tid) == 0)
        __sync_fetch_and_add(&holds_under_way, -1);
}

// Of the current thread, if there is one.
static __noinline int end_hold(__u32 outcome, __u32 error)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct pw_hold *held = bpf_map_lookup_elem(&holds, &tid);
    if (!held)
        return 0;
    __u64 number = held->hold;
    struct pw_hold_end *record = RESERVE(pw_hold_end, PW_KIND_HOLD_END, PW_LOST_HOLD_END);
    if (record) {
        record->hold = number;
        record->since = held->since;
        record->asked = held->asked;
        record->outcome = outcome;
        record->error = -(__s32)error;
    }
    bpf_map_delete_elem(&hold_releases, &number);
    // Before it is told: the daemon would take one that is still in the table for another that goes on.
    remove_hold(tid);
    if (record)
        submit_now(record);
    return 0;
}

// The current thread's hold, if it is in this operation. In another one, it has given that up.
static __always_inline struct pw_hold *own_hold(const struct pw_file_key *key, const struct operation *operation)
{
    if (!holds_under_way)
        return 0;
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct pw_hold *held = bpf_map_lookup_elem(&holds, &tid);
    if (!held)
        return 0;
    const struct pw_operation *was = &held->operation;
    if (was->operation == operation->kind && was->offset == operation->offset && was->length == operation->length &&
        was->file.inode == key->inode && was->file.device == key->device && was->file.generation == key->generation)
        return held;
    return 0;
}

// Nothing is in the operation's way.
static __always_inline void let_pass(const struct pw_file_key *key, const struct operation *operation)
{
    if (own_hold(key, operation))
        end_hold(PW_HOLD_PINS_GONE, 0);
}

static __always_inline __u32 error_unless(const struct decision *decision, __u32 allowing_flag)
{
    return decision->flags & allowing_flag ? 0 : decision->error;
}

static __always_inline void note_decision(struct pw_hold *held, const struct decision *decision)
{
    held->deadline = held->since + decision->hold_nanoseconds;
    held->operation.policy = decision->policy;
    held->operation.generation = decision->generation;
    held->operation.unresolved = decision->unresolved;
    held->operation.error = -(__s32)decision->error;
}

// It asks again, and the policies would hold it still. 0, an errno, or ERESTARTNOINTR.
static __noinline __u32 hold_on(struct decision *decision, struct pw_hold *held)
{
    if (!decision || !held)
        return 0;
    __u64 number = held->hold;
    __u32 error;
    held->asked++;
    note_decision(held, decision);
    __u32 *release = bpf_map_lookup_elem(&hold_releases, &number);
    if (release) {
        bool allow = *release == PW_HOLD_RELEASE_ALLOW;
        // One of a policy that lets go ahead waits only until all is known; an operator may fail it all the same.
        error = allow ? 0 : decision->error ? decision->error : EBUSY;
        end_hold(allow ? PW_HOLD_ALLOWED : PW_HOLD_DENIED, error);
        return error;
    }
    if (bpf_ktime_get_boot_ns() >= held->deadline) {
        error = error_unless(decision, PW_POLICY_TIMEOUT_ALLOW);
        end_hold(error ? PW_HOLD_TIMED_OUT_DENY : PW_HOLD_TIMED_OUT_ALLOW, error);
        return error;
    }
    if (can_be_held() && stop_caller())
        return ERESTARTNOINTR;
    error = error_unless(decision, PW_POLICY_FALLBACK_ALLOW);
    end_hold(error ? PW_HOLD_LET_GO_DENY : PW_HOLD_LET_GO_ALLOW, error);
    return error;
}

// 0 where there is no room.
static __always_inline struct pw_hold *new_hold(const struct decision *decision, const struct operation *operation)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    // What is left of one whose operation did not come back.
    if (holds_under_way)
        end_hold(PW_HOLD_ABANDONED, 0);
    if (bpf_map_update_elem(&holds, &tid, &no_hold, BPF_NOEXIST))
        return 0;
    __sync_fetch_and_add(&holds_under_way, 1);
    struct pw_hold *held = bpf_map_lookup_elem(&holds, &tid);
    if (!held)
        return 0;
    held->since = bpf_ktime_get_boot_ns();
    held->asked = 1;
    fill_operation(&held->operation, decision, operation);
    held->operation.header.kind = PW_KIND_OPERATION;
    held->operation.header.bytes = sizeof(struct pw_operation);
    held->operation.header.time = held->since;
    held->operation.verdict = PW_VERDICT_HOLD;
    note_decision(held, decision);
    __u64 number = __sync_fetch_and_add(&last_hold, 1) + 1;
    held->operation.hold = number;
    *(volatile __u64 *)&held->hold = number;
    return held;
}

// What is reported of an operation that goes ahead.
static __always_inline __u32 ahead(__u32 flags)
{
    bool enforces = flags & PW_POLICY_ENFORCE;
    if (flags & PW_POLICY_SIGNAL)
        return enforces ? PW_VERDICT_SIGNAL : PW_VERDICT_WOULD_SIGNAL;
    if (flags & PW_POLICY_NOTIFY)
        return enforces ? PW_VERDICT_NOTIFY : PW_VERDICT_WOULD_NOTIFY;
    return PW_VERDICT_ALLOW;
}

// As hold_on(), for the first time.
static __noinline __u32 hold(struct decision *decision, struct operation *operation)
{
    if (!decision || !operation)
        return 0;
    struct pw_hold *held = can_be_held() ? new_hold(decision, operation) : 0;
    if (held) {
        __u64 number = held->hold;
        if (stop_caller()) {
            report_operation(decision, operation, PW_VERDICT_HOLD, number);
            return ERESTARTNOINTR;
        }
        remove_hold((__u32)bpf_get_current_pid_tgid());
    }
    __u32 error = error_unless(decision, PW_POLICY_FALLBACK_ALLOW);
    report_operation(decision, operation, error ? PW_VERDICT_DENY : ahead(decision->flags), 0);
    return error;
}
