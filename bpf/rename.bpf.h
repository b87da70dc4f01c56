// Names: what becomes of the path of a file that is or was pinned, when it, or a directory above it, is renamed or
// unlinked.
//
// d_move, d_exchange and d_delete are what the VFS calls when the file system has done it, before it changes the names
// it keeps itself: the operation can fail no more, the inode's link count is the new one, and the old place and the new
// one can both be walked.
#pragma once

#include "file.bpf.h"

#include <bpf/bpf_tracing.h>

enum { ALIASES_MAX = 64 };

struct renaming {
    struct dentry *from;
    struct dentry *to;  // none: the name is gone
    __u32 flags;
};

static __always_inline bool is_directory(struct inode *inode)
{
    return (BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFDIR;
}

static __always_inline bool is_known(struct inode *inode)
{
    struct pw_file_key key;
    if (!inode)
        return false;
    file_key(inode, &key);
    return bpf_map_lookup_elem(&file_pins, &key);
}

struct path_text {
    char bytes[PW_PATH_BYTES];  // of a record
};

// Two are read, one after the other. Not static, so that the verifier looks at it once, and not at the second from each
// way the first can end. Not where files are named: the way there from a pin has no room for one more call.
__noinline __u32 read_path(struct path_text *text, __u64 dentry)
{
    return text ? walk_path(text->bytes, (void *)dentry, (void *)zero, zero) : PATH_CUT;
}

__noinline int emit_rename(struct renaming *renaming)
{
    if (!renaming)
        return 0;
    struct pw_rename *record = RESERVE(pw_rename, PW_KIND_RENAME, PW_LOST_RENAME);
    if (!record)
        return 0;
    struct dentry *from = renaming->from;
    __u32 before = read_path((struct path_text *)record->path, (__u64)from);
    __u32 after = read_path((struct path_text *)record->new_path, (__u64)renaming->to);

    file_key(BPF_CORE_READ(from, d_inode), &record->file);
    record->device = BPF_CORE_READ(from, d_sb, s_dev);
    record->flags = renaming->flags | ((before | after) & PATH_CUT ? PW_RENAME_CUT : 0);
    record->path_bytes = before & ~PATH_CUT;
    record->new_path_bytes = after & ~PATH_CUT;
    submit(record);
    return 1;
}

struct alias_walk {
    struct hlist_node *alias;
    struct dentry *except;
    struct dentry *found;
};

static long alias_step(__u32 step, struct alias_walk *walk)
{
    struct hlist_node *alias = walk->alias;
    if (!alias)
        return 1;
    struct dentry *dentry = alias_dentry(alias);
    walk->alias = BPF_CORE_READ(alias, next);
    if (dentry == walk->except || !BPF_CORE_READ(dentry, d_hash.pprev))
        return 0;
    walk->found = dentry;
    return 1;
}

// A name of a file, not of a directory, goes. Only the ones the kernel has in its cache can stand in for it.
static __always_inline void lose_name(struct inode *inode, struct dentry *dentry)
{
    struct alias_walk walk = {.alias = BPF_CORE_READ(inode, i_dentry.first), .except = dentry, .found = (void *)zero};
    bool unlinked = !BPF_CORE_READ(inode, i_nlink);
    if (!unlinked)
        bpf_loop(ALIASES_MAX, alias_step, &walk, 0);
    struct renaming renaming = {.from = dentry,
                                .to = walk.found,
                                .flags = (walk.found ? 0 : PW_RENAME_LOST) | (unlinked ? PW_RENAME_UNLINKED : 0)};
    emit_rename(&renaming);
}

// void d_move(struct dentry *dentry, struct dentry *target)
// `target` is where the name leads from now on; what it led to before, if anything, is replaced.
SEC("?fentry/d_move")
int BPF_PROG(dentry_move, struct dentry *dentry, struct dentry *target)
{
    if (!files_known)
        return 0;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    struct inode *replaced = BPF_CORE_READ(target, d_inode);
    if (replaced != inode && is_known(replaced))
        lose_name(replaced, target);
    bool directory = inode && is_directory(inode);
    if (!directory && !is_known(inode))
        return 0;
    struct renaming renaming = {.from = dentry, .to = target, .flags = directory ? PW_RENAME_DIRECTORY : 0};
    emit_rename(&renaming);
    return 0;
}

// void d_exchange(struct dentry *dentry1, struct dentry *dentry2)
SEC("?fentry/d_exchange")
int BPF_PROG(dentry_exchange, struct dentry *one, struct dentry *other)
{
    if (!files_known)
        return 0;
    struct inode *first = BPF_CORE_READ(one, d_inode);
    struct inode *second = BPF_CORE_READ(other, d_inode);
    if (!first || !second || (!is_directory(first) && !is_directory(second) && !is_known(first) && !is_known(second)))
        return 0;
    struct renaming renaming = {.from = one, .to = other, .flags = PW_RENAME_EXCHANGE};
    emit_rename(&renaming);
    return 0;
}

// void d_delete(struct dentry *dentry)
SEC("?fentry/d_delete")
int BPF_PROG(dentry_delete, struct dentry *dentry)
{
    if (!files_known)
        return 0;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    if (is_known(inode))
        lose_name(inode, dentry);
    return 0;
}
