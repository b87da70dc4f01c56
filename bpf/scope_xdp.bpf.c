// AF_XDP's packet memory.
#include "scope.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct work_struct {
    unsigned long data;
};
struct xdp_umem {
    refcount_t users;
    struct work_struct work;
};
#pragma clang attribute pop

// struct xdp_umem *xdp_umem_create(struct xdp_umem_reg *mr)
MUST_NOT_MISS("?fentry/xdp_umem_create", umem_create_enter)
{
    return enter_making(PW_SCOPE_XDP_UMEM);
}

MUST_NOT_MISS("?fexit/xdp_umem_create", umem_create_exit)
{
    return leave_making(PW_SCOPE_XDP_UMEM, return_value(ctx));
}

// void xdp_put_umem(struct xdp_umem *umem, bool defer_cleanup)
MUST_NOT_MISS("?fentry/xdp_put_umem", put_umem_enter)
{
    __u64 umem = ARGUMENT(ctx, 0);
    // Later, by the function below.
    if (ARGUMENT(ctx, 1) & 0xff)
        return enter_release(PW_SCOPE_XDP_UMEM, umem);
    return enter_whole_release(PW_SCOPE_XDP_UMEM, umem,
                               BPF_CORE_READ((struct xdp_umem *)umem, users.refs.counter) == 1);
}

MUST_NOT_MISS("?fexit/xdp_put_umem", put_umem_exit)
{
    return leave_release();
}

// void xdp_umem_release_deferred(struct work_struct *work)
MUST_NOT_MISS("?fentry/xdp_umem_release_deferred", release_deferred_enter)
{
    return enter_whole_release(PW_SCOPE_XDP_UMEM, ARGUMENT(ctx, 0) - bpf_core_field_offset(struct xdp_umem, work),
                               true);
}

MUST_NOT_MISS("?fexit/xdp_umem_release_deferred", release_deferred_exit)
{
    return leave_release();
}

char LICENSE[] SEC("license") = "GPL";
