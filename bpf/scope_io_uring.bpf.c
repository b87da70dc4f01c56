// io_uring's registered buffers.
#include "scope.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct io_rsrc_node {
    void *buf;
};
#pragma clang attribute pop

SEC("?fentry/io_sqe_buffer_register")
int buffer_register_enter(void *ctx)
{
    return UNPREEMPTED(enter_making(PW_SCOPE_IO_URING_BUFFER));
}

// int io_sqe_buffer_register(struct io_ring_ctx *ctx, struct iovec *iov, struct io_mapped_ubuf **pimu,
//                            struct page **last_hpage), up to 6.12
SEC("?fexit/io_sqe_buffer_register")
int buffer_register_exit_slot(void *ctx)
{
    __u64 buffer = 0;
    bpf_probe_read_kernel(&buffer, sizeof(buffer), (void *)ARGUMENT(ctx, 2));
    return UNPREEMPTED(leave_making(PW_SCOPE_IO_URING_BUFFER, (int)return_value(ctx) < 0 ? 0 : buffer));
}

// struct io_rsrc_node *io_sqe_buffer_register(struct io_ring_ctx *ctx, struct iovec *iov, ...), from 6.13 on
SEC("?fexit/io_sqe_buffer_register")
int buffer_register_exit_node(void *ctx)
{
    __u64 node = return_value(ctx);
    __u64 buffer = 0;
    if (!is_error(node))
        buffer = (__u64)BPF_CORE_READ((struct io_rsrc_node *)node, buf);
    return UNPREEMPTED(leave_making(PW_SCOPE_IO_URING_BUFFER, buffer));
}

// void io_buffer_unmap(struct io_ring_ctx *ctx, struct io_mapped_ubuf **slot), up to 6.12
// A buffer that several rings share stays until the last of them lets go.
SEC("?fentry/io_buffer_unmap")
int buffer_unmap_enter(void *ctx)
{
    __u64 buffer = 0;
    bpf_probe_read_kernel(&buffer, sizeof(buffer), (void *)ARGUMENT(ctx, 1));
    return UNPREEMPTED(enter_release(PW_SCOPE_IO_URING_BUFFER, buffer));
}

SEC("?fexit/io_buffer_unmap")
int buffer_unmap_exit(void *ctx)
{
    return UNPREEMPTED(leave_release());
}

// void io_release_ubuf(void *priv), from 6.15 on; priv is the struct io_mapped_ubuf
SEC("?fentry/io_release_ubuf")
int release_ubuf_enter(void *ctx)
{
    return UNPREEMPTED(enter_release(PW_SCOPE_IO_URING_BUFFER, ARGUMENT(ctx, 0)));
}

SEC("?fexit/io_release_ubuf")
int release_ubuf_exit(void *ctx)
{
    return UNPREEMPTED(leave_release());
}

char LICENSE[] SEC("license") = "GPL";
