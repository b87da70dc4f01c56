// VFIO's DMA mappings. A mapping exists before its pages are pinned, and may be pinned in several goes.
#include "scope.bpf.h"

static __always_inline int enter_mapping(__u64 mapping)
{
    __u64 scope = scope_of(PW_SCOPE_VFIO_MAPPING, mapping);
    if (!scope) {
        scope = next_scope();
        name_object(PW_SCOPE_VFIO_MAPPING, mapping, scope);
    }
    return enter_scope(PW_SCOPE_VFIO_MAPPING, scope, mapping, false, true);
}

static __always_inline int leave_mapping(void)
{
    leave_scope(false);
    return 0;
}

static __always_inline int leave_removed_mapping(__u64 mapping)
{
    __u64 scope = leave_scope(false);
    forget_object(PW_SCOPE_VFIO_MAPPING, mapping, scope);
    return 0;
}

// long vfio_pin_pages_remote(struct vfio_dma *dma, unsigned long vaddr, unsigned long npage, ...)
MUST_NOT_MISS("?fentry/vfio_pin_pages_remote", pin_pages_enter)
{
    return enter_mapping(ARGUMENT(ctx, 0));
}

MUST_NOT_MISS("?fexit/vfio_pin_pages_remote", pin_pages_exit)
{
    return leave_mapping();
}

// long vfio_unpin_pages_remote(struct vfio_dma *dma, dma_addr_t iova, unsigned long pfn, unsigned long npage, ...)
MUST_NOT_MISS("?fentry/vfio_unpin_pages_remote", unpin_pages_enter)
{
    return enter_release(PW_SCOPE_VFIO_MAPPING, ARGUMENT(ctx, 0));
}

MUST_NOT_MISS("?fexit/vfio_unpin_pages_remote", unpin_pages_exit)
{
    return leave_mapping();
}

// void vfio_remove_dma(struct vfio_iommu *iommu, struct vfio_dma *dma)
MUST_NOT_MISS("?fentry/vfio_remove_dma", remove_dma_enter)
{
    return enter_release(PW_SCOPE_VFIO_MAPPING, ARGUMENT(ctx, 1));
}

MUST_NOT_MISS("?fexit/vfio_remove_dma", remove_dma_exit)
{
    return leave_removed_mapping(ARGUMENT(ctx, 1));
}

char LICENSE[] SEC("license") = "GPL";
