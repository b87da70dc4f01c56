// VFIO's DMA mappings. A mapping exists before its pages are pinned, and they are pinned in many goes, one for each run
// of the machine's memory: what is told of each has to be little.
#include "scope.bpf.h"

// long vfio_pin_pages_remote(struct vfio_dma *dma, unsigned long vaddr, unsigned long npage, ...)
// Its end is not listened to: from here on the thread pins for this mapping, or for another, or leaves the driver.
MUST_NOT_MISS("?fentry/vfio_pin_pages_remote", pin_pages_enter)
{
    __u64 self = bpf_get_current_task();
    typeof(shared.uses[0]) *use = USE_PLACE(self);
    if (use->task == self && use->object == *(__u64 *)ctx)
        return 0;
    __u64 mapping = ARGUMENT(ctx, 0);
    __u64 scope = scope_of(PW_SCOPE_VFIO_MAPPING, mapping);
    if (!scope) {
        scope = next_scope();
        name_object(PW_SCOPE_VFIO_MAPPING, mapping, scope);
    }
    enter_scope(PW_SCOPE_VFIO_MAPPING, scope, mapping, false, true);
    use->object = mapping;
    use->task = self;
    return 0;
}

static __always_inline int leave_driver(void)
{
    __u64 self = bpf_get_current_task();
    typeof(shared.uses[0]) *use = USE_PLACE(self);
    if (use->task == self)
        use->task = 0;
    if (!shared.in_scope)
        return 0;
    struct task_state *task = this_task();
    return task && task->kind == PW_SCOPE_VFIO_MAPPING ? leave_scope(ENDS_NOTHING) : 0;
}

// The two ways into the driver that lead to pins.
// long vfio_iommu_type1_ioctl(void *iommu_data, unsigned int cmd, unsigned long arg)
MUST_NOT_MISS("?fexit/vfio_iommu_type1_ioctl", ioctl_exit)
{
    return leave_driver();
}

// int vfio_iommu_type1_attach_group(void *iommu_data, struct iommu_group *iommu_group, ...)
// When a group cannot be attached, what was pinned for it is let go again, and the mappings stay.
MUST_NOT_MISS("?fexit/vfio_iommu_type1_attach_group", attach_group_exit)
{
    if ((int)return_value(ctx) < 0 && !shared.releases_heard)
        __sync_fetch_and_add(&shared.unheard, 1);
    return leave_driver();
}

// long vfio_unmap_unpin(struct vfio_iommu *iommu, struct vfio_dma *dma, bool do_accounting)
// Nothing of the mapping is pinned behind it. That holds as well for one that could not be made, of which the driver
// has let go what it had by itself.
MUST_NOT_MISS("?fentry/vfio_unmap_unpin", unmap_unpin_enter)
{
    return enter_whole_release(PW_SCOPE_VFIO_MAPPING, ARGUMENT(ctx, 1), true);
}

MUST_NOT_MISS("?fexit/vfio_unmap_unpin", unmap_unpin_exit)
{
    return leave_scope(ENDS_ALL);
}

char LICENSE[] SEC("license") = "GPL";
