#include "hooks/listened.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace pinwarden::bench {
namespace {

struct FreeBtf {
    void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, FreeBtf>;

// The types of the kernel and of modules, by the kernel's number for them.
class TypesById {
public:
    // A function's name, and its module's.
    std::pair<std::string, std::string> function(std::uint32_t object, std::uint32_t type)
    {
        const Loaded& loaded = load(object);
        const btf_type* found = btf__type_by_id(loaded.types.get(), type);
        if (found == nullptr) {
            throw std::runtime_error("the kernel names a function that its types do not have");
        }
        return {btf__name_by_offset(loaded.types.get(), found->name_off),
                loaded.name == "vmlinux" ? std::string() : loaded.name};
    }

private:
    struct Loaded {
        Btf types;
        std::string name;
    };

    const Loaded& load(std::uint32_t object)
    {
        const auto found = loaded_.find(object);
        if (found != loaded_.end()) {
            return found->second;
        }
        if (!kernel_) {
            kernel_.reset(btf__load_vmlinux_btf());
        }
        const OwnedFd fd(bpf_btf_get_fd_by_id(object));
        std::array<char, 64> name{};
        bpf_btf_info info{};
        info.name = reinterpret_cast<std::uintptr_t>(name.data());
        info.name_len = name.size();
        __u32 size = sizeof(info);
        if (!kernel_ || !fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
            throw std::runtime_error(system_error("read the kernel's types", errno).message);
        }
        Loaded loaded{.types = Btf(btf__load_from_kernel_by_id_split(object, kernel_.get())), .name = name.data()};
        if (loaded.name == "vmlinux") {
            loaded.types.reset(btf__load_vmlinux_btf());
        }
        if (!loaded.types) {
            throw std::runtime_error(system_error("read the types of " + loaded.name, errno).message);
        }
        return loaded_.emplace(object, std::move(loaded)).first->second;
    }

    Btf kernel_;
    std::map<std::uint32_t, Loaded> loaded_;
};

std::optional<Hook> hook_of(std::uint32_t attach_type)
{
    switch (attach_type) {
        case BPF_TRACE_FENTRY: return Hook::kEntry;
        case BPF_TRACE_FEXIT: return Hook::kExit;
        case BPF_MODIFY_RETURN: return Hook::kReturnValue;
        case BPF_LSM_MAC: return Hook::kLsm;
        default: return std::nullopt;
    }
}

}  // namespace

std::vector<Listened> listened()
{
    std::vector<Listened> all;
    TypesById types;
    bool probes = false;
    __u32 id = 0;
    while (bpf_link_get_next_id(id, &id) == 0) {
        const OwnedFd fd(bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        __u32 size = sizeof(info);
        if (!fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
            continue;  // gone meanwhile
        }
        probes = probes || info.type == BPF_LINK_TYPE_PERF_EVENT;
        if (info.type != BPF_LINK_TYPE_TRACING) {
            continue;
        }
        if (const auto hook = hook_of(info.tracing.attach_type)) {
            auto [function, module] = types.function(info.tracing.target_obj_id, info.tracing.target_btf_id);
            all.push_back({*hook, std::move(function), std::move(module)});
        }
    }
    if (probes) {
        all.push_back({Hook::kProbe, "pin_user_pages_remote", {}});
        all.push_back({Hook::kReturnProbe, "pin_user_pages_remote", {}});
    }
    return all;
}

}  // namespace pinwarden::bench
