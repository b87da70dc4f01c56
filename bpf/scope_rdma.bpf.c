// RDMA memory regions.
#include "scope.bpf.h"

// struct ib_umem *ib_umem_get(struct ib_device *device, unsigned long addr, size_t size, int access)
SEC("?fentry/ib_umem_get")
int umem_get_enter(void *ctx)
{
    return UNPREEMPTED(enter_making(PW_SCOPE_RDMA_REGION));
}

SEC("?fexit/ib_umem_get")
int umem_get_exit(void *ctx)
{
    return UNPREEMPTED(leave_making(PW_SCOPE_RDMA_REGION, return_value(ctx)));
}

// The same under a new name, from 7.1 on.
SEC("?fentry/__ib_umem_get_va")
int umem_get_va_enter(void *ctx)
{
    return UNPREEMPTED(enter_making(PW_SCOPE_RDMA_REGION));
}

SEC("?fexit/__ib_umem_get_va")
int umem_get_va_exit(void *ctx)
{
    return UNPREEMPTED(leave_making(PW_SCOPE_RDMA_REGION, return_value(ctx)));
}

// void ib_umem_release(struct ib_umem *umem)
SEC("?fentry/ib_umem_release")
int umem_release_enter(void *ctx)
{
    return UNPREEMPTED(enter_release(PW_SCOPE_RDMA_REGION, ARGUMENT(ctx, 0)));
}

SEC("?fexit/ib_umem_release")
int umem_release_exit(void *ctx)
{
    return UNPREEMPTED(leave_release());
}

char LICENSE[] SEC("license") = "GPL";
