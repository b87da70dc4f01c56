// Ends: of processes that own pins, and of inodes that had some.
#pragma once

#include "file.bpf.h"
#include "hold.bpf.h"

#include <bpf/bpf_tracing.h>

// A tracepoint, as the kernel has one here. It fires for every thread; the process is gone with the last.
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
    __u32 pid = task->tgid;
    if (holds_under_way)
        end_hold(PW_HOLD_ABANDONED, 0);
    // Only if the kernel skipped the program that should have given it back.
    __u64 self = bpf_get_current_task();
    typeof(shared.releases[0]) *place = RELEASE_PLACE(self);
    if (place->task == self)
        place->task = 0;
    if (BPF_CORE_READ(task, signal, live.counter) != 0 || !bpf_map_lookup_elem(&owners, &pid))
        return 0;
    bpf_map_delete_elem(&owners, &pid);
    struct pw_exit *record = RESERVE(pw_exit, PW_KIND_EXIT, PW_LOST_EXIT);
    if (!record)
        return 0;
    record->pid = pid;
    record->reserved = 0;
    record->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
    submit(record);
    return 0;
}

// void security_inode_free(struct inode *inode)
// Called for every inode on its way out, when nothing can map or operate on it any more: its entry can go without a
// race against a new pin.
SEC("?fentry/security_inode_free")
int BPF_PROG(inode_free, struct inode *inode)
{
    __u64 number = inode->i_ino;
    struct pw_file_key key;

    if (!files_by_inode[number % FILTER_PLACES])
        return 0;
    file_key(inode, &key);
    if (!bpf_map_lookup_elem(&file_pins, &key))
        return 0;
    if (!bpf_map_delete_elem(&file_pins, &key)) {
        __sync_fetch_and_add(&files_known, -1);
        __sync_fetch_and_add(&files_by_inode[number % FILTER_PLACES], -1);
    }
    bpf_map_delete_elem(&file_acks, &key);
    return 0;
}
