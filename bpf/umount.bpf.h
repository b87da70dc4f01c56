// umount(2), also lazy or forced: it ends the mapping of each file of the file system, so each file that is pinned is
// in its way.
#pragma once

#include "enforce.bpf.h"

struct umount_walk {
    struct policy_walk policies;
    __u64 on_root;  // policies whose path prefixes cover the mount's root
    __u32 device;
    __u32 files;  // that are in its way
};

struct bpf_map;

// Of a file that the daemon gave its entry no inode is known.
static long umount_file(struct bpf_map *map, struct pw_file_key *key, const struct pw_file_pins *pins,
                        struct umount_walk *walk)
{
    struct inode *inode = (void *)pins->inode;
    if (key->device != walk->device)
        return 0;
    struct decision *decision = &walk->policies.decision;
    decision->key = *key;
    struct pw_file_ack *ack = bpf_map_lookup_elem(&file_acks, &decision->key);
    if (!conflicts(decision, inode, pins, ack))
        return 0;
    walk->files++;
    decision->covering = walk->on_root | policies_on_file(decision, pins, ack);
    bpf_loop(PW_POLICIES, policy_step, &walk->policies, 0);
    return 0;
}

static __always_inline int on_umount(struct vfsmount *mount, int earlier)
{
    if (earlier || (!files_known && !left_out && !holds_under_way))
        return earlier;
    struct dentry *root = BPF_CORE_READ(mount, mnt_root);
    struct inode *inode = BPF_CORE_READ(root, d_inode);
    struct operation operation = {.kind = PW_OPERATION_UMOUNT};
    struct umount_walk walk = {
        .policies = {.decision = {.pages = {.end = ~0ULL}, .operation = PW_OPERATION_UMOUNT, .policy = zero}},
        .device = BPF_CORE_READ(mount, mnt_sb, s_dev),
        .files = zero,
    };
    struct decision *decision = &walk.policies.decision;
    if (!choose_policies(&walk.policies, inode))
        return 0;
    walk.on_root = policies_on_path(root, decision->generation);
    bpf_for_each_map_elem(&file_pins, umount_file, &walk, 0);
    struct pw_file_key unknown = {.device = walk.device};
    if (left_out_by_device[walk.device % DEVICE_PLACES])
        umount_file(0, &unknown, &unknown_pins, &walk);
    // It is about the file system; whose pins are in its way is the ledger's to say.
    decision->key.inode = 0;
    decision->key.generation = 0;
    decision->key.device = walk.device;
    if (!walk.files) {
        let_pass(&decision->key, &operation);
        return 0;
    }
    return failing_with(carry_out(decision, &operation));
}

// int security_sb_umount(struct vfsmount *mnt, int flags)
SEC("?fmod_ret/security_sb_umount")
int BPF_PROG(sb_umount, struct vfsmount *mount, int flags, int earlier)
{
    return UNPREEMPTED(on_umount(mount, earlier));
}

// As inode_setattr_lsm.
SEC("?lsm/sb_umount")
int BPF_PROG(sb_umount_lsm, struct vfsmount *mount, int flags, int earlier)
{
    return on_umount(mount, earlier);
}
