// Files by identity and by name: a path as a record carries it, its components innermost first.
//
// Functions that are not static are "global" to the verifier, here and in all files: checked once each, on their own,
// instead of anew on every way that leads to them, which would be more than it is willing to follow.
#pragma once

#include "compat.bpf.h"
#include "emit.bpf.h"

enum {
    PATH_COMPONENTS = 64,
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
    struct mount *mount;  // none: the path ends at the file system's root
    __u32 bytes;
    __u32 cut;
    __u32 places;   // tell where mounts begin, too
    __u32 outside;  // of the mount: on the way to its file system's root
};

// Adds one component; the walk's end if it does not fit.
static __always_inline long add_component(struct path_walk *walk, const void *name, __u32 size)
{
    __u32 at = walk->bytes;
    long length = 0;
    if (at <= PW_PATH_BYTES - NAME_MAX - 1)
        length = bpf_probe_read_kernel_str(walk->path + at, size, name);
    if (length <= 0) {
        walk->cut = 1;
        return 1;
    }
    walk->bytes = at + (__u32)length;
    return 0;
}

static __always_inline long add_device(struct path_walk *walk, struct dentry *dentry)
{
    char text[] = PW_PATH_DEVICE "aaaaaaaa";
    __u32 device = BPF_CORE_READ(dentry, d_sb, s_dev);
    for (int i = 0; i < 8; i++)
        text[1 + i] += device >> (28 - 4 * i) & 15;
    return add_component(walk, text, sizeof(text));
}

static long path_step(__u32 step, struct path_walk *walk)
{
    struct dentry *dentry = walk->dentry;
    struct mount *mount = walk->mount;
    struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    // Of no mount all that is read is 0, which spares the verifier a way of its own through everything below.
    bool mount_root = dentry == BPF_CORE_READ(mount, mnt.mnt_root);

    if (dentry == parent || (mount_root && !walk->places)) {
        struct mount *above = BPF_CORE_READ(mount, mnt_parent);
        bool goes_on = above && above != mount;
        // The root of everything has no name, but a file that is its own root, such as a memfd, has.
        if (goes_on || step) {
            if (walk->places && add_device(walk, dentry))
                return 1;
            walk->dentry = goes_on ? BPF_CORE_READ(mount, mnt_mountpoint) : dentry;
            walk->mount = above;
            walk->outside = 0;
            return !goes_on;
        }
    } else if (mount_root && !walk->outside) {
        const char text[] = PW_PATH_OUTSIDE;
        walk->outside = 1;
        if (add_component(walk, text, sizeof(text)))
            return 1;
    }
    if (add_component(walk, BPF_CORE_READ(dentry, d_name.name), NAME_MAX + 1))
        return 1;
    walk->dentry = parent;
    return dentry == parent;
}

enum {
    PATH_CUT = 1U << 31,
};

// How many bytes the path has; with PATH_CUT: more than there is room for.
//
// What changes on the way begins as something the verifier does not know: else it would take each turn's values for a
// way of its own.
static __always_inline __u32 walk_path(char *text, struct dentry *dentry, struct mount *mount, __u32 places)
{
    struct path_walk walk = {
        .path = text,
        .dentry = dentry,
        .mount = mount,
        .bytes = zero,
        .cut = zero,
        .places = places,
        .outside = zero,
    };
    if (walk.dentry && bpf_loop(PATH_COMPONENTS, path_step, &walk, 0) == PATH_COMPONENTS)
        walk.cut = 1;
    if (!walk.cut)
        return walk.bytes;
    count(PW_DOUBT_PATH_CUT);
    return walk.bytes | PATH_CUT;
}

static __always_inline struct mount *mount_of(struct file *file)
{
    return (void *)BPF_CORE_READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
}
