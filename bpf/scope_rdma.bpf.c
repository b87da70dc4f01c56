// RDMA memory regions.
#include "scope.bpf.h"

// struct ib_umem *ib_umem_get(struct ib_device *device, unsigned long addr, size_t size, int access)
MUST_NOT_MISS("?fentry/ib_umem_get", umem_get_enter)
{
    return enter_making(PW_SCOPE_RDMA_REGION);
}

MUST_NOT_MISS("?fexit/ib_umem_get", umem_get_exit)
{
    return leave_making(PW_SCOPE_RDMA_REGION, return_value(ctx));
}

// The same under a new name, from 7.1 on.
MUST_NOT_MISS("?fentry/__ib_umem_get_va", umem_get_va_enter)
{
    return enter_making(PW_SCOPE_RDMA_REGION);
}

MUST_NOT_MISS("?fexit/__ib_umem_get_va", umem_get_va_exit)
{
    return leave_making(PW_SCOPE_RDMA_REGION, return_value(ctx));
}

// void ib_umem_release(struct ib_umem *umem)
MUST_NOT_MISS("?fentry/ib_umem_release", umem_release_enter)
{
    return enter_whole_release(PW_SCOPE_RDMA_REGION, ARGUMENT(ctx, 0), true);
}

MUST_NOT_MISS("?fexit/ib_umem_release", umem_release_exit)
{
    return leave_scope(ENDS_ALL);
}

char LICENSE[] SEC("license") = "GPL";
