// Arguments and result of the traced function, as numbers. bpf_get_func_arg() rather than typed arguments: 6.1 and 6.12
// refuse to read a `struct page **` from the context.
#pragma once

#include <bpf/bpf_helpers.h>

#define ARGUMENT(ctx, n)                                                                                               \
    ({                                                                                                                 \
        __u64 value_ = 0;                                                                                              \
        bpf_get_func_arg((ctx), (n), &value_);                                                                         \
        value_;                                                                                                        \
    })

// Of a 32-bit argument, which every kernel lets be read from the context: that is cheaper.
#define FLAGS(ctx, n) ((__u32)((__u64 *)(ctx))[n])

static __always_inline __u64 return_value(void *ctx)
{
    __u64 value = 0;
    bpf_get_func_ret(ctx, &value);
    return value;
}
