// Deciding about file operations, in the kernel, by file and range.
//
// fmod_ret on the security hook: it runs before anything is changed, its return value fails the operation, and it works
// whether or not bpf is among the active security modules. security_inode_setattr is the one hook that carries the new
// size; ftruncate, truncate and open(O_TRUNC) all come through it.
#pragma once

#include "caller.bpf.h"
#include "file.bpf.h"
#include "hold.bpf.h"
#include "page_cache.bpf.h"
#include "preempt.bpf.h"

#include <bpf/bpf_tracing.h>

enum {
    ERRNO_MAX = 133,
};

// The half of a double table, where it is used as an index: 6.1's verifier forgets the bounds of what was on the stack.
static __always_inline __u32 index_of(__u32 generation)
{
    barrier_var(generation);
    return generation & 1;
}

static __always_inline bool on_filesystem(const struct pw_policy *policy, const char *name)
{
    if (!policy->filesystems)
        return true;
    const __u64 *words = (const __u64 *)name;
    for (int i = 0; i < PW_POLICY_FILESYSTEMS; i++) {
        const __u64 *wanted = (const __u64 *)policy->filesystem[i];
        if (i < policy->filesystems && words[0] == wanted[0] && words[1] == wanted[1])
            return true;
    }
    return false;
}

enum {
    MEETS_NONE,
    MEETS_KNOWN,
    MEETS_BY_DOUBT,
};

// Whether the operation meets a pin this policy is about; a pin the daemon has not yet seen counts as the policy's
// `unresolved` says, and so does every pin after a loss: which ones there are is then known of none. The same where it
// is not known whether the caller is one it is about.
static __always_inline __u32 meets_pin(const struct decision *decision, const struct pw_policy *policy, __u32 slot)
{
    bool met;
    if (!(policy->flags & PW_POLICY_SELECTS_PINS)) {
        met = decision->resolved || decision->seen;
    } else {
        struct pw_pin_verdict_key key = {.file = decision->key, .slot = slot, .table = decision->generation & 1};
        struct pw_pin_verdict *verdict = bpf_map_lookup_elem(&pin_verdicts, &key);
        met = decision->certain && verdict &&
              pw_overlaps(verdict->first_page, verdict->end_page, decision->pages.first, decision->pages.end);
    }
    if (met && !(decision->doubtful >> slot & 1))
        return MEETS_KNOWN;
    __u32 counts = PW_POLICY_UNRESOLVED_DENY | PW_POLICY_UNRESOLVED_HOLD;
    return (met || !decision->resolved) && policy->flags & counts ? MEETS_BY_DOUBT : MEETS_NONE;
}

// Whether it is one of the policies that decide: MEETS_... a pin.
__noinline __u32 policy_meets(const struct decision *decision, const struct pw_policy *policy, __u32 slot)
{
    if (!decision || !policy)
        return MEETS_NONE;
    __u32 flags = policy->flags;
    if ((flags & decision->wanted) != decision->wanted || !(policy->operations >> decision->operation & 1))
        return MEETS_NONE;
    if (!(flags & PW_POLICY_ANY_PATH) && !(decision->covering >> slot & 1))
        return MEETS_NONE;
    if (!(decision->callers >> slot & 1))
        return MEETS_NONE;
    if (!on_filesystem(policy, decision->filesystem))
        return MEETS_NONE;
    return meets_pin(decision, policy, slot);
}

static long policy_step(__u32 slot, struct policy_walk *walk)
{
    struct decision *decision = &walk->decision;
    struct pw_policy_table *table = walk->table;
    if (slot >= PW_POLICIES || slot >= table->count)
        return 1;
    struct pw_policy *policy = &table->policy[slot];
    __u32 meets = policy_meets(decision, policy, slot);
    if (meets == MEETS_NONE)
        return 0;
    decision->matched |= 1ULL << slot;
    // Where the operation is about several files, another one's policy may come first, or the same be in no doubt.
    if (decision->policy && decision->policy < slot + 1)
        return 0;
    if (decision->policy != slot + 1 || meets == MEETS_KNOWN)
        decision->unresolved = meets == MEETS_BY_DOUBT;
    decision->policy = slot + 1;
    decision->flags = policy->flags;
    decision->error = policy->error;
    decision->hold_nanoseconds = policy->hold_nanoseconds;
    return 0;
}

// What the policies' decision comes to: 0, the errno to fail with, or ERESTARTNOINTR for a caller that is held.
static __noinline __u32 carry_out(struct decision *decision, struct operation *operation)
{
    if (!decision || !operation)
        return 0;
    __u32 flags = decision->policy ? decision->flags : 0;
    bool goes_ahead = flags & (PW_POLICY_SIGNAL | PW_POLICY_NOTIFY);
    bool holds = flags & PW_POLICY_HOLD || (decision->unresolved && flags & PW_POLICY_UNRESOLVED_HOLD);
    bool enforces = flags & PW_POLICY_ENFORCE && !operation->too_late;
    struct pw_hold *held = own_hold(&decision->key, operation);

    if (enforces && holds)
        return held ? hold_on(decision, held) : hold(decision, operation);
    __u32 error = enforces ? decision->error : 0;
    __u64 number = 0;
    if (held) {
        bool otherwise = error || goes_ahead || held->operation.generation != decision->generation;
        number = held->hold;
        end_hold(otherwise ? PW_HOLD_DECIDED : PW_HOLD_PINS_GONE, error);
        // It was reported when it was held.
        if (!goes_ahead)
            return error;
    }
    if (goes_ahead || !decision->policy) {
        report_operation(decision, operation, ahead(flags), number);
        return 0;
    }
    __u32 would = holds ? PW_VERDICT_WOULD_HOLD : PW_VERDICT_WOULD_DENY;
    report_operation(decision, operation, enforces ? PW_VERDICT_DENY : would, 0);
    return error;
}

// Whether the pages the operation takes away from this file meet a pin. The file is the one of decision->key, which has
// `pins`. Without `inode` its pages are not to be had, and what is known of the file is all there is to go by.
static __always_inline bool conflicts(struct decision *decision, struct inode *inode, const struct pw_file_pins *pins,
                                      const struct pw_file_ack *ack)
{
    // The sequence is read before the range: a pin that comes in between only makes the range wider than needed.
    decision->sequence = *(volatile __u64 *)&pins->sequence;
    decision->certain = ledger_certain();
    decision->resolved = decision->certain && ack && ack->sequence == decision->sequence;
    decision->seen = decision->certain && ack &&
                     pw_overlaps(ack->first_page, ack->end_page, decision->pages.first, decision->pages.end);
    __u64 first = decision->resolved ? ack->first_page : pins->first_page;
    __u64 end = decision->resolved ? ack->end_page : pins->end_page;
    if (first < decision->pages.first)
        first = decision->pages.first;
    if (end > decision->pages.end)
        end = decision->pages.end;
    return first < end && (!inode || file_pages_maybe_pinned((__u64)inode, first, end));
}

// The table in force.
static __always_inline bool choose_policies(struct policy_walk *walk, struct inode *inode)
{
    struct decision *decision = &walk->decision;
    __u32 generation = policy_generation;
    __u32 half = generation & 1;
    decision->generation = generation;
    decision->wanted = PW_POLICY_IN_USE | (unattended ? PW_POLICY_KEEP : 0);
    walk->table = bpf_map_lookup_elem(&policies, &half);
    decision->callers = policies_on_caller(generation);
    // Read after the callers were looked up: whoever is in a cgroup found it made before.
    if (walk->table && *(volatile __u64 *)&cgroups_made != *(volatile __u64 *)&cgroups_known) {
        decision->doubtful = walk->table->by_cgroup;
        decision->callers |= decision->doubtful;
    }
    bpf_probe_read_kernel_str(decision->filesystem, sizeof(decision->filesystem),
                              BPF_CORE_READ(inode, i_sb, s_type, name));
    return walk->table;
}

// Policies that cover a path the file was pinned through.
static __always_inline __u64 policies_on_file(struct decision *decision, const struct pw_file_pins *pins,
                                              const struct pw_file_ack *ack)
{
    __u32 generation = decision->generation;
    __u64 covering = pins->policy_generation == generation ? pins->policies : 0;
    if (ack && ack->policy_generation[index_of(generation)] == generation)
        covering |= ack->policies[index_of(generation)];
    return covering;
}

// As carry_out().
static __noinline __u32 decide(struct dentry *dentry, struct operation *operation)
{
    if (!operation)
        return 0;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    struct policy_walk walk = {
        .decision = {
            .pages = pw_operation_pages(operation->kind, operation->file_size, operation->offset - operation->before,
                                        operation->length + operation->before),
            .operation = operation->kind & 31,
            .policy = zero,
        }};
    struct decision *decision = &walk.decision;

    if (decision->pages.first >= decision->pages.end) {
        // Others that were held with it may have taken away what it was about.
        if (holds_under_way) {
            file_key(inode, &decision->key);
            let_pass(&decision->key, operation);
        }
        return 0;
    }
    file_key(inode, &decision->key);
    const struct pw_file_pins *pins = known_pins(&decision->key);
    struct pw_file_ack *ack = pins ? bpf_map_lookup_elem(&file_acks, &decision->key) : 0;
    if (!pins || !conflicts(decision, inode, pins, ack) || !choose_policies(&walk, inode)) {
        let_pass(&decision->key, operation);
        return 0;
    }
    decision->covering = policies_on_path(dentry, decision->generation) | policies_on_file(decision, pins, ack);
    bpf_loop(PW_POLICIES, policy_step, &walk, 0);
    return carry_out(decision, operation);
}

// What a hook returns. From 6.12 on the verifier wants to see its bounds.
static __always_inline int failing_with(__u32 error)
{
    if (!error)
        return 0;
    if (error == ERESTARTNOINTR)
        return -ERESTARTNOINTR;
    if (error > ERRNO_MAX)
        return -EBUSY;
    return -(int)error;
}

static __always_inline int on_setattr(struct dentry *dentry, struct iattr *attributes, int earlier)
{
    if (earlier || !(attributes->ia_valid & ATTR_SIZE))
        return earlier;
    struct inode *inode = dentry->d_inode;
    if (inode && !files_by_inode[inode->i_ino % FILTER_PLACES] && !holds_under_way)
        return 0;
    struct operation truncate = {
        .kind = PW_OPERATION_TRUNCATE,
        .file_size = BPF_CORE_READ(dentry, d_inode, i_size),
        .offset = attributes->ia_size,
    };
    return failing_with(decide(dentry, &truncate));
}

// int security_inode_setattr(struct dentry *dentry, struct iattr *attr), before 6.3
SEC("?fmod_ret/security_inode_setattr")
int BPF_PROG(inode_setattr, struct dentry *dentry, struct iattr *attributes, int earlier)
{
    return UNPREEMPTED(on_setattr(dentry, attributes, earlier));
}

// int security_inode_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr), from 6.3 on
SEC("?fmod_ret/security_inode_setattr")
int BPF_PROG(inode_setattr_idmap, void *idmap, struct dentry *dentry, struct iattr *attributes, int earlier)
{
    return UNPREEMPTED(on_setattr(dentry, attributes, earlier));
}

// The same as a program of the security module, where tasks preempt each other: such a program the kernel never skips,
// and a truncate that is not looked at would go through. Only where bpf is among the active modules.
SEC("?lsm/inode_setattr")
int BPF_PROG(inode_setattr_lsm, void *idmap, struct dentry *dentry, struct iattr *attributes, int earlier)
{
    return on_setattr(dentry, attributes, earlier);
}
