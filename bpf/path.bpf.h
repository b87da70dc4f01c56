// Files by identity and by name: a path as a record carries it, its components innermost first.
//
// Functions that are not static are "global" to the verifier, here and in all files: checked once each, on their own,
// instead of anew on every way that leads to them, which would be more than it is willing to follow.
#pragma once

#include "compat.bpf.h"
#include "emit.bpf.h"

enum {
    PATH_COMPONENTS = 48,
    NAME_MAX = 255,
};

static __always_inline void file_key(struct inode *inode, struct pw_file_key *key)
{
    key->inode = BPF_CORE_READ(inode, i_ino);
    key->device = BPF_CORE_READ(inode, i_sb, s_dev);
    key->generation = BPF_CORE_READ(inode, i_generation);
}

struct path_walk {
    char *path;  // PW_PATH_BYTES of a record
    struct dentry *dentry;
    struct mount *mount;
    __u32 bytes;
    __u32 cut;
};

static long path_step(__u32 step, struct path_walk *walk)
{
    struct dentry *dentry = walk->dentry;
    struct mount *mount = walk->mount;
    struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

    if (dentry == parent || (mount && dentry == BPF_CORE_READ(mount, mnt.mnt_root))) {
        struct mount *above = mount ? BPF_CORE_READ(mount, mnt_parent) : 0;
        if (above && above != mount) {
            walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
            walk->mount = above;
            return 0;
        }
        // The root of everything has no name, but a file that is its own root, such as a memfd, has.
        if (step)
            return 1;
    }
    __u32 at = walk->bytes;
    if (at > PW_PATH_BYTES - NAME_MAX - 1) {
        walk->cut = 1;
        return 1;
    }
    long length = bpf_probe_read_kernel_str(walk->path + at, NAME_MAX + 1, BPF_CORE_READ(dentry, d_name.name));
    if (length <= 0) {
        walk->cut = 1;
        return 1;
    }
    walk->bytes = at + (__u32)length;
    walk->dentry = parent;
    return dentry == parent;
}

static __always_inline void walk_path(struct path_walk *walk)
{
    if (walk->dentry && bpf_loop(PATH_COMPONENTS, path_step, walk, 0) == PATH_COMPONENTS)
        walk->cut = 1;
    if (walk->cut)
        count(PW_DOUBT_PATH_CUT);
}

static __always_inline struct mount *mount_of(struct file *file)
{
    return (void *)BPF_CORE_READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
}
