// Owners: which processes pin, and what they run. Told here and not read from /proc later, because a process may be
// gone, or have become another program, before anybody looks.
#pragma once

#include "path.bpf.h"

// What the process runs; none for a kernel thread, also while it works in a process's address space.
static __always_inline struct file *current_executable(void)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    return BPF_CORE_READ(task, flags) & PF_KTHREAD ? 0 : BPF_CORE_READ(task, mm, exe_file);
}

// A file without a directory, such as a memfd, never had a name to lose.
static __always_inline bool has_lost_name(struct dentry *dentry)
{
    return !BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry;
}

// Sends what the current process runs; 1 if it could.
__noinline int emit_owner(struct owner *owner)
{
    if (!owner)
        return 0;
    struct pw_owner *record = RESERVE(pw_owner, PW_KIND_OWNER, PW_LOST_EXECUTABLE);
    if (!record)
        return 0;
    struct file *file = current_executable();
    struct inode *inode = BPF_CORE_READ(file, f_inode);
    struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);

    record->start_time = owner->start_time;
    record->filesystem_magic = BPF_CORE_READ(inode, i_sb, s_magic);
    record->pid = bpf_get_current_pid_tgid() >> 32;
    record->reserved = 0;
    __u32 path = walk_path(record->path, dentry, mount_of(file), 0);
    record->flags = (path & PATH_CUT ? PW_FILE_PATH_CUT : 0) |
                    (has_lost_name(dentry) || !BPF_CORE_READ(inode, i_nlink) ? PW_FILE_UNLINKED : 0);
    record->path_bytes = path & ~PATH_CUT;
    record->header.bytes = offsetof(struct pw_owner, path) + record->path_bytes;
    submit(record);
    return 1;
}

// Remembers the current process as an owner, and tells what it runs if that is not known. To be called before its pin
// is reserved in the ring: whoever reads the pin has read the program then.
__noinline int note_owner(void)
{
    __u32 pid = bpf_get_current_pid_tgid() >> 32;
    struct task_struct *leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);
    struct owner owner = {.start_time = BPF_CORE_READ(leader, start_boottime)};
    struct file *file = current_executable();
    if (file)
        file_key(BPF_CORE_READ(file, f_inode), &owner.executable);
    struct owner *known = bpf_map_lookup_elem(&owners, &pid);
    if (known && known->start_time == owner.start_time && known->executable.inode == owner.executable.inode &&
        known->executable.device == owner.executable.device &&
        known->executable.generation == owner.executable.generation)
        return 0;
    // What could not be sent is tried again with the next pin.
    if (file && !emit_owner(&owner))
        __builtin_memset(&owner.executable, 0, sizeof(owner.executable));
    if (bpf_map_update_elem(&owners, &pid, &owner, BPF_ANY))
        count(PW_LOST_OWNER);
    return 0;
}
