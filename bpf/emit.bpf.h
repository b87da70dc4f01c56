// What records are filled with, and which pages are worth one.
#pragma once

#include "maps.bpf.h"

#include <bpf/bpf_core_read.h>

static __always_inline bool ledger_certain(void)
{
    return *(volatile __u64 *)&shared.ledger_losses == *(volatile __u64 *)&shared.ledger_losses_mended;
}

static __always_inline void fill_current_task(struct pw_task *task)
{
    __u64 pid_tgid = bpf_get_current_pid_tgid();
    __u64 uid_gid = bpf_get_current_uid_gid();
    struct task_struct *leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);

    task->start_time = BPF_CORE_READ(leader, start_boottime);
    task->cgroup = bpf_get_current_cgroup_id();
    task->pid = pid_tgid >> 32;
    task->tid = (__u32)pid_tgid;
    task->uid = (__u32)uid_gid;
    task->gid = uid_gid >> 32;
    bpf_probe_read_kernel(task->comm, sizeof(task->comm),
                          (void *)leader + bpf_core_field_offset(struct task_struct, comm));
}

// Current address space, only ever compared.
static __always_inline __u64 current_mm(void)
{
    return (__u64)BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), mm);
}

// The block counter of a page. Pages are told apart by their struct page address; 64 is its size on every kernel with
// a sparse virtual memory map, and another size would only make blocks smaller or larger.
static __always_inline __u32 block_of(__u64 page)
{
    return (page >> (6 + PW_BLOCK_PAGES_SHIFT)) & (PW_BLOCKS - 1);
}

static __always_inline bool block_tracked(__u32 block)
{
    __u64 *pins = bpf_map_lookup_elem(&blocks, &block);
    return pins && *pins;
}
