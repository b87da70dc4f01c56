#include "kernel/kernel_btf.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <string_view>

namespace pinwarden {
namespace {

std::optional<std::int64_t> enumerator_of(const btf* object, const btf_type* type, std::string_view name)
{
    if (btf_is_enum(type)) {
        for (unsigned i = 0; i < btf_vlen(type); ++i) {
            const struct btf_enum& value = btf_enum(type)[i];
            if (name == btf__name_by_offset(object, value.name_off)) {
                return value.val;
            }
        }
    } else if (btf_is_enum64(type)) {
        for (unsigned i = 0; i < btf_vlen(type); ++i) {
            const struct btf_enum64& value = btf_enum64(type)[i];
            if (name == btf__name_by_offset(object, value.name_off)) {
                return static_cast<std::int64_t>(btf_enum64_value(&value));
            }
        }
    }
    return std::nullopt;
}

}  // namespace

void KernelBtf::Free::operator()(btf* object) const
{
    btf__free(object);
}

Result<KernelBtf> KernelBtf::load()
{
    btf* object = btf__load_vmlinux_btf();
    if (object == nullptr) {
        const int error = errno;
        return fail(
            "this kernel offers no type information (BTF) at /sys/kernel/btf/vmlinux, which the BPF programs are "
            "fitted to the kernel with; use a kernel built with CONFIG_DEBUG_INFO_BTF=y (" +
                system_error("reading it", error).message + ")",
            error);
    }
    return KernelBtf(object);
}

std::optional<int> KernelBtf::parameters(const std::string& function) const
{
    const int id = btf__find_by_name_kind(btf_.get(), function.c_str(), BTF_KIND_FUNC);
    if (id < 0) {
        return std::nullopt;
    }
    const btf_type* prototype = btf__type_by_id(btf_.get(), btf__type_by_id(btf_.get(), static_cast<__u32>(id))->type);
    return static_cast<int>(btf_vlen(prototype));
}

std::optional<std::int64_t> KernelBtf::enumerator(const std::string& name) const
{
    const __u32 types = btf__type_cnt(btf_.get());
    for (__u32 id = 1; id < types; ++id) {
        if (auto value = enumerator_of(btf_.get(), btf__type_by_id(btf_.get(), id), name)) {
            return value;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> KernelBtf::struct_size(const std::string& name) const
{
    const int id = btf__find_by_name_kind(btf_.get(), name.c_str(), BTF_KIND_STRUCT);
    if (id < 0) {
        return std::nullopt;
    }
    return btf__type_by_id(btf_.get(), static_cast<__u32>(id))->size;
}

}  // namespace pinwarden
