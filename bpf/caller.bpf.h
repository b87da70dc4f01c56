// Which policies are about the process that calls an operation.
#pragma once

#include "owner.bpf.h"

enum {
    // Levels of the cgroup tree that are looked at.
    CGROUP_LEVELS = 64,
};

struct caller_walk {
    struct pw_caller_key key;
    __u64 by_cgroup;
    __u64 by_container;
};

static __always_inline __u64 policies_by(struct pw_caller_key *key, __u32 kind)
{
    key->kind = kind;
    __u64 *slots = bpf_map_lookup_elem(&callers, key);
    return slots ? *slots : 0;
}

static long cgroup_step(__u32 level, struct caller_walk *walk)
{
    walk->key.number = bpf_get_current_ancestor_cgroup_id((int)level);
    if (!walk->key.number)
        return 1;
    walk->by_cgroup |= policies_by(&walk->key, PW_CALLER_CGROUP);
    walk->by_container |= policies_by(&walk->key, PW_CALLER_CONTAINER);
    return 0;
}

static __always_inline __u64 policies_by_binary(struct pw_caller_key *key)
{
    struct dentry *dentry = BPF_CORE_READ(current_executable(), f_path.dentry);
    struct dentry *folder = BPF_CORE_READ(dentry, d_parent);
    key->number = BPF_CORE_READ(folder, d_inode, i_ino);
    key->device = BPF_CORE_READ(folder, d_sb, s_dev);
    // Zeroed before: a longer name is cut, and equals none, because no policy has one that long.
    bpf_probe_read_kernel_str(key->name, sizeof(key->name), BPF_CORE_READ(dentry, d_name.name));
    return policies_by(key, PW_CALLER_BINARY);
}

// Bit per slot of the policies that the current task suits. Looked at by the verifier once, like all functions that are
// not static.
__noinline __u64 policies_on_caller(__u32 generation)
{
    __u32 half = generation & 1;
    struct pw_policy_table *table = bpf_map_lookup_elem(&policies, &half);
    if (!table || !table->selects_callers)
        return ~0ULL;
    struct caller_walk walk = {.key = {.number = (__u32)bpf_get_current_uid_gid(), .table = half}};
    struct task_struct *leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);
    __u64 suits = table->any_caller[PW_CALLER_UID] | policies_by(&walk.key, PW_CALLER_UID);

    walk.key.number = 0;
    bpf_probe_read_kernel_str(walk.key.name, PW_COMM_LENGTH,
                              (void *)leader + bpf_core_field_offset(struct task_struct, comm));
    suits &= table->any_caller[PW_CALLER_COMM] | policies_by(&walk.key, PW_CALLER_COMM);

    __builtin_memset(walk.key.name, 0, sizeof(walk.key.name));
    suits &= table->any_caller[PW_CALLER_BINARY] | policies_by_binary(&walk.key);

    __builtin_memset(walk.key.name, 0, sizeof(walk.key.name));
    walk.key.device = 0;
    bpf_loop(CGROUP_LEVELS, cgroup_step, &walk, 0);
    suits &= table->any_caller[PW_CALLER_CGROUP] | walk.by_cgroup;
    return suits & (table->any_caller[PW_CALLER_CONTAINER] | walk.by_container);
}

// A cgroup that policies mean may be made, or made again, at any time.
SEC("?tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, void *cgroup, const char *path)
{
    __sync_fetch_and_add(&cgroups_made, 1);
    return 0;
}
