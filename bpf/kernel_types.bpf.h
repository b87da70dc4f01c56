// The parts of the kernel's types that the programs read. Kept by hand; libbpf relocates every access to the running
// kernel's layout, so order and completeness do not matter, names do.
#pragma once

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    int counter;
} atomic_t;

typedef struct refcount_struct {
    atomic_t refs;
} refcount_t;

struct hlist_node {
    struct hlist_node *next;
};

struct hlist_head {
    struct hlist_node *first;
};

struct qstr {
    const unsigned char *name;
};

struct file_system_type {
    const char *name;
};

struct super_block {
    __u32 s_dev;
    unsigned long s_magic;
    struct file_system_type *s_type;
};

struct xarray {
    void *xa_head;
};

struct address_space {
    struct inode *host;
    struct xarray i_pages;
};

struct inode {
    unsigned short i_mode;
    unsigned long i_ino;
    __u32 i_generation;
    unsigned int i_flags;
    unsigned char i_blkbits;
    unsigned int i_nlink;
    long long i_size;
    struct super_block *i_sb;
    struct address_space *i_mapping;
    struct hlist_head i_dentry;
};

struct hlist_bl_node {
    struct hlist_bl_node **pprev;
};

struct dentry {
    struct hlist_bl_node d_hash;
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
    struct super_block *d_sb;
    union {
        struct hlist_node d_alias;
    } d_u;
};

struct vfsmount {
    struct dentry *mnt_root;
    struct super_block *mnt_sb;
};

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct file {
    struct path f_path;
    struct inode *f_inode;
};

struct iattr {
    unsigned int ia_valid;
    long long ia_size;
};

struct mm_struct {
    struct file *exe_file;
};

struct vm_area_struct {
    unsigned long vm_start;
    unsigned long vm_end;
    unsigned long vm_flags;
    unsigned long vm_pgoff;
    struct file *vm_file;
};

struct signal_struct {
    atomic_t live;
};

typedef struct {
    unsigned long sig[1];
} sigset_t;

struct sigpending {
    sigset_t signal;
};

struct task_struct {
    int pid;
    int tgid;
    unsigned int flags;
    __u64 start_boottime;
    char comm[16];
    struct mm_struct *mm;
    struct task_struct *group_leader;
    struct signal_struct *signal;
    struct sigpending pending;
};

enum mmu_notifier_event {
    MMU_NOTIFY_UNMAP = 0,
    MMU_NOTIFY_CLEAR,
};

struct mmu_notifier_range {
    struct mm_struct *mm;
    unsigned long start;
    unsigned long end;
    enum mmu_notifier_event event;
};

struct mmu_interval_notifier_ops {
    void *invalidate;
};

struct mmu_notifier_ops {
    void *release;
    void *invalidate_range_start;
};

struct mmu_notifier {
    struct mmu_notifier_ops *ops;
    unsigned int users;
};

struct madvise_behavior {
    struct mm_struct *mm;
    int behavior;
};

struct xa_node {
    unsigned char shift;
    void *slots[64];
};

struct page {
    unsigned long flags;
    struct address_space *mapping;
    atomic_t _mapcount;
    atomic_t _refcount;
};

struct folio {
    struct address_space *mapping;
    unsigned long index;
    atomic_t _pincount;
};

enum pageflags {
    PG_head = 0,
};

#pragma clang attribute pop
