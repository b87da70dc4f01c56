// fallocate(2) and what comes to it: holes, zeroed, collapsed and inserted ranges, MADV_REMOVE.
//
// No security hook carries the range, so it is kept when vfs_fallocate() is entered, and the file's permission is asked
// for from within it, before anything is changed: that is where the operation can be failed. The permission hook sits
// on every read and write too, so it is attached only while a policy needs it. Without it such an operation is decided,
// and told, when it begins.
#pragma once

#include "caught.bpf.h"
#include "enforce.bpf.h"
#include "trampoline.bpf.h"

#include <asm/unistd.h>

enum {
    FALLOC_FL_PUNCH_HOLE = 0x02,
    FALLOC_FL_COLLAPSE_RANGE = 0x08,
    FALLOC_FL_ZERO_RANGE = 0x10,
    FALLOC_FL_INSERT_RANGE = 0x20,
    FALLOCATIONS_MAX = 1 << 12,
};

struct fallocation {
    struct operation operation;
    __u64 inode;
};

// By thread, while it is between the start of vfs_fallocate() and the question for permission.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, FALLOCATIONS_MAX);
    __type(key, __u32);
    __type(value, struct fallocation);
} fallocations SEC(".maps");

// How many there are: most reads and writes need not look for theirs.
__u32 fallocations_under_way;
// Whether the permission hook is attached. Set by the daemon.
__u32 fallocations_decided_in_permission;

static __always_inline bool in_madvise(void)
{
    long syscall = current_syscall();
    return syscall == __NR_madvise || syscall == __NR_process_madvise;
}

static __always_inline __u32 operation_of(__u32 mode)
{
    if (mode & FALLOC_FL_PUNCH_HOLE)
        return in_madvise() ? PW_OPERATION_MADV_REMOVE : PW_OPERATION_PUNCH_HOLE;
    if (mode & FALLOC_FL_COLLAPSE_RANGE)
        return PW_OPERATION_COLLAPSE_RANGE;
    if (mode & FALLOC_FL_ZERO_RANGE)
        return PW_OPERATION_ZERO_RANGE;
    return mode & FALLOC_FL_INSERT_RANGE ? PW_OPERATION_INSERT_RANGE : 0;
}

// Before XFS moves what lies behind, it drops the pages from the block in front on (xfs_prepare_shift).
static __always_inline __u64 bytes_before(struct inode *inode, const struct operation *operation)
{
    if (operation->kind != PW_OPERATION_COLLAPSE_RANGE && operation->kind != PW_OPERATION_INSERT_RANGE)
        return 0;
    if (BPF_CORE_READ(inode, i_sb, s_magic) != XFS_MAGIC)
        return 0;
    __u64 block = 1ULL << (BPF_CORE_READ(inode, i_blkbits) & 31);
    return operation->offset >= block ? block : operation->offset;
}

// int vfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
MUST_NOT_MISS_AS(PW_CAUGHT_OPERATION, "?fentry/vfs_fallocate", fallocate_enter)
{
    struct file *file = (void *)ARGUMENT(ctx, 0);
    struct fallocation fallocation = {
        .operation = {.kind = operation_of(ARGUMENT(ctx, 1)), .offset = ARGUMENT(ctx, 2), .length = ARGUMENT(ctx, 3)},
        .inode = (__u64)BPF_CORE_READ(file, f_inode),
    };
    // A range that is none is refused further on.
    if (!fallocation.operation.kind || (__s64)fallocation.operation.offset < 0 ||
        (__s64)fallocation.operation.length <= 0)
        return 0;
    struct inode *inode = (void *)fallocation.inode;
    struct pw_file_key key;
    file_key(inode, &key);
    if (!known_pins(&key)) {
        let_pass(&key, &fallocation.operation);
        return 0;
    }
    fallocation.operation.file_size = BPF_CORE_READ(inode, i_size);
    fallocation.operation.before = bytes_before(inode, &fallocation.operation);
    if (!fallocations_decided_in_permission) {
        fallocation.operation.too_late = 1;
        decide(dentry_of(file), &fallocation.operation);
        return 0;
    }
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    if (bpf_map_update_elem(&fallocations, &tid, &fallocation, BPF_NOEXIST) == 0)
        __sync_fetch_and_add(&fallocations_under_way, 1);
    else if (bpf_map_update_elem(&fallocations, &tid, &fallocation, BPF_EXIST))
        count(PW_LOST_OPERATION);
    return 0;
}

static __always_inline void forget_fallocation(__u32 tid)
{
    if (bpf_map_delete_elem(&fallocations, &tid) == 0)
        __sync_fetch_and_sub(&fallocations_under_way, 1);
}

// Where it failed before permission was asked for.
MUST_NOT_MISS_AS(PW_CAUGHT_OPERATION, "?fexit/vfs_fallocate", fallocate_exit)
{
    if (fallocations_under_way)
        forget_fallocation((__u32)bpf_get_current_pid_tgid());
    return 0;
}

// Whether this is an operation whose beginning was seen.
static __always_inline bool take_fallocation(struct file *file, struct operation *operation)
{
    if (!fallocations_under_way)
        return false;
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct fallocation *fallocation = bpf_map_lookup_elem(&fallocations, &tid);
    // A file system that is stacked upon another asks for the lower file's, within the upper one's operation.
    if (!fallocation || fallocation->inode != (__u64)file->f_inode)
        return false;
    *operation = fallocation->operation;
    forget_fallocation(tid);
    return true;
}

// A plain fallocate(2) whose beginning the kernel did not show, or for which there was no room: its own arguments say
// what it is.
static __always_inline bool read_fallocation(struct file *file, struct operation *operation)
{
    if (current_syscall() != __NR_fallocate)
        return false;
    struct pt_regs___syscall *registers = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    operation->kind = operation_of(SYSCALL_ARGUMENT(registers, 1));
    operation->offset = SYSCALL_ARGUMENT(registers, 2);
    operation->length = SYSCALL_ARGUMENT(registers, 3);
    operation->file_size = BPF_CORE_READ(file, f_inode, i_size);
    operation->before = bytes_before(BPF_CORE_READ(file, f_inode), operation);
    return operation->kind;
}

static __always_inline int on_permission(struct file *file, int earlier)
{
    struct operation operation = {};
    if (earlier || !(take_fallocation(file, &operation) || read_fallocation(file, &operation)))
        return earlier;
    return failing_with(decide(dentry_of(file), &operation));
}

// int security_file_permission(struct file *file, int mask)
SEC("?fmod_ret/security_file_permission")
int BPF_PROG(file_permission, struct file *file, int mask, int earlier)
{
    return UNPREEMPTED(on_permission(file, earlier));
}

// As inode_setattr_lsm.
SEC("?lsm/file_permission")
int BPF_PROG(file_permission_lsm, struct file *file, int mask, int earlier)
{
    return on_permission(file, earlier);
}
