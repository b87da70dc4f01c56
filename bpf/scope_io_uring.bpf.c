// io_uring's registered buffers.
#include "scope.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct io_rsrc_node {
    void *buf;
};
struct io_mapped_ubuf {
    refcount_t refs;
};
#pragma clang attribute pop

MUST_NOT_MISS("?fentry/io_sqe_buffer_register", buffer_register_enter)
{
    return enter_making(PW_SCOPE_IO_URING_BUFFER);
}

// Before 6.12 a buffer has one.
static __always_inline bool only_user(__u64 buffer)
{
    if (!bpf_core_field_exists(struct io_mapped_ubuf, refs))
        return true;
    return BPF_CORE_READ((struct io_mapped_ubuf *)buffer, refs.refs.counter) == 1;
}

// int io_sqe_buffer_register(struct io_ring_ctx *ctx, struct iovec *iov, struct io_mapped_ubuf **pimu,
//                            struct page **last_hpage), up to 6.12
MUST_NOT_MISS("?fexit/io_sqe_buffer_register", buffer_register_exit_slot)
{
    __u64 buffer = 0;
    bpf_probe_read_kernel(&buffer, sizeof(buffer), (void *)ARGUMENT(ctx, 2));
    return leave_making(PW_SCOPE_IO_URING_BUFFER, (int)return_value(ctx) < 0 ? 0 : buffer);
}

// struct io_rsrc_node *io_sqe_buffer_register(struct io_ring_ctx *ctx, struct iovec *iov, ...), from 6.13 on
MUST_NOT_MISS("?fexit/io_sqe_buffer_register", buffer_register_exit_node)
{
    __u64 node = return_value(ctx);
    __u64 buffer = 0;
    if (!is_error(node))
        buffer = (__u64)BPF_CORE_READ((struct io_rsrc_node *)node, buf);
    return leave_making(PW_SCOPE_IO_URING_BUFFER, buffer);
}

// void io_buffer_unmap(struct io_ring_ctx *ctx, struct io_mapped_ubuf **slot), up to 6.12
// A buffer that several rings share stays until the last of them lets go.
MUST_NOT_MISS("?fentry/io_buffer_unmap", buffer_unmap_enter)
{
    __u64 buffer = 0;
    bpf_probe_read_kernel(&buffer, sizeof(buffer), (void *)ARGUMENT(ctx, 1));
    return enter_whole_release(PW_SCOPE_IO_URING_BUFFER, buffer, only_user(buffer));
}

MUST_NOT_MISS("?fexit/io_buffer_unmap", buffer_unmap_exit)
{
    return leave_release();
}

// void io_release_ubuf(void *priv), from 6.15 on; priv is the struct io_mapped_ubuf
MUST_NOT_MISS("?fentry/io_release_ubuf", release_ubuf_enter)
{
    return enter_whole_release(PW_SCOPE_IO_URING_BUFFER, ARGUMENT(ctx, 0), true);
}

MUST_NOT_MISS("?fexit/io_release_ubuf", release_ubuf_exit)
{
    return leave_release();
}

char LICENSE[] SEC("license") = "GPL";
