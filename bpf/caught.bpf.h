// Programs that must not miss a call: those the ledger is made of. Where tasks preempt programs, the kernel skips a run
// of one that another task is in the middle of on that processor. So each has a second one behind it, at the same
// function, which does the work when the first has not: for a call to be lost, both have to be skipped.
//
// The first leaves a mark with its task, the second takes it away. How many calls the second caught is counted: what
// the kernel says it skipped of the first, less that, is what was lost. In an interrupt, which nothing preempts, the
// first is alone.
//
// The loader attaches the second first: of the programs at a function the kernel runs the newest first.
#pragma once

#include "interrupt.bpf.h"
#include "preempt.bpf.h"
#include "scope_maps.bpf.h"

struct call_marks {
    __u64 done;  // bits by pair of programs
};

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct call_marks);
} marks SEC(".maps");

static __always_inline struct call_marks *marks_of_task(void)
{
    return bpf_task_storage_get(&marks, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void mark_done(__u32 pair)
{
    struct call_marks *task = marks_of_task();
    if (task)
        task->done |= 1ULL << pair;
}

// Whether the second has to do it. Without memory for marks it cannot know, and leaves it.
static __always_inline bool take_missed(__u32 pair, __u32 kind)
{
    struct call_marks *task = marks_of_task();
    if (!task)
        return false;
    bool done = task->done & (1ULL << pair);
    task->done &= ~(1ULL << pair);
    if (!done)
        count_caught(kind);
    return !done;
}

// A pair of programs, `name` and `name`_again, with one body; `kind` (enum pw_caught) is what they are counted as.
#define MUST_NOT_MISS_AS(kind, section, name)                                                                          \
    enum { name##_pair = __COUNTER__ };                                                                                \
    _Static_assert(name##_pair < 64, "a bit for each pair");                                                           \
    static __always_inline int name##_work(void *ctx);                                                                 \
    SEC(section)                                                                                                       \
    int name(void *ctx)                                                                                                \
    {                                                                                                                  \
        if (!tasks_preempt)                                                                                            \
            return name##_work(ctx);                                                                                   \
        bpf_preempt_disable();                                                                                         \
        name##_work(ctx);                                                                                              \
        if (!in_interrupt())                                                                                           \
            mark_done(name##_pair);                                                                                    \
        bpf_preempt_enable();                                                                                          \
        return 0;                                                                                                      \
    }                                                                                                                  \
    SEC(section)                                                                                                       \
    int name##_again(void *ctx)                                                                                        \
    {                                                                                                                  \
        if (!tasks_preempt || in_interrupt())                                                                          \
            return 0;                                                                                                  \
        bpf_preempt_disable();                                                                                         \
        if (take_missed(name##_pair, kind))                                                                            \
            name##_work(ctx);                                                                                          \
        bpf_preempt_enable();                                                                                          \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static __always_inline int name##_work(void *ctx)

// Of those the ledger is made of.
#define MUST_NOT_MISS(section, name) MUST_NOT_MISS_AS(PW_CAUGHT_LEDGER, section, name)
