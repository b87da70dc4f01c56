// Telling the daemon what was decided.
#pragma once

#include "decision.bpf.h"
#include "emit.bpf.h"

static __always_inline void fill_operation(struct pw_operation *record, const struct decision *decision,
                                           const struct operation *operation)
{
    record->file = decision->key;
    record->file_size = operation->file_size;
    record->offset = operation->offset;
    record->length = operation->length;
    record->before = operation->before;
    record->sequence = decision->sequence;
    record->matched = decision->matched;
    fill_current_task(&record->caller);
    record->operation = operation->kind;
    record->error = decision->policy ? -(__s32)decision->error : 0;
    record->policy = decision->policy;
    record->generation = decision->generation;
    record->unresolved = decision->unresolved;
}

static __noinline int report_operation(const struct decision *decision, const struct operation *operation,
                                       __u32 verdict, __u64 hold)
{
    if (!decision || !operation)
        return 0;
    struct pw_operation *record = RESERVE(pw_operation, PW_KIND_OPERATION, PW_LOST_OPERATION);
    if (!record)
        return 0;
    fill_operation(record, decision, operation);
    record->verdict = verdict;
    record->hold = hold;
    submit_now(record);
    return 0;
}
