// AF_XDP's packet memory.
#include "scope.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct work_struct {
    unsigned long data;
};
struct xdp_umem {
    struct work_struct work;
};
#pragma clang attribute pop

// struct xdp_umem *xdp_umem_create(struct xdp_umem_reg *mr)
SEC("?fentry/xdp_umem_create")
int umem_create_enter(void *ctx)
{
    return UNPREEMPTED(enter_making(PW_SCOPE_XDP_UMEM));
}

SEC("?fexit/xdp_umem_create")
int umem_create_exit(void *ctx)
{
    return UNPREEMPTED(leave_making(PW_SCOPE_XDP_UMEM, return_value(ctx)));
}

// void xdp_put_umem(struct xdp_umem *umem, bool defer_cleanup)
SEC("?fentry/xdp_put_umem")
int put_umem_enter(void *ctx)
{
    return UNPREEMPTED(enter_release(PW_SCOPE_XDP_UMEM, ARGUMENT(ctx, 0)));
}

SEC("?fexit/xdp_put_umem")
int put_umem_exit(void *ctx)
{
    return UNPREEMPTED(leave_release());
}

// void xdp_umem_release_deferred(struct work_struct *work)
SEC("?fentry/xdp_umem_release_deferred")
int release_deferred_enter(void *ctx)
{
    return UNPREEMPTED(
        enter_release(PW_SCOPE_XDP_UMEM, ARGUMENT(ctx, 0) - bpf_core_field_offset(struct xdp_umem, work)));
}

SEC("?fexit/xdp_umem_release_deferred")
int release_deferred_exit(void *ctx)
{
    return UNPREEMPTED(leave_release());
}

char LICENSE[] SEC("license") = "GPL";
