#include "kernel/preemption.h"

#include <charconv>
#include <utility>

#include "kernel/privileges.h"

namespace pinwarden {
namespace {

std::pair<int, int> version_of(std::string_view release)
{
    std::pair<int, int> version;
    const char* const end = release.data() + release.size();
    const auto major = std::from_chars(release.data(), end, version.first);
    if (major.ptr != end && *major.ptr == '.') {
        std::from_chars(major.ptr + 1, end, version.second);
    }
    return version;
}

}  // namespace

std::uint32_t tasks_preempt(const KernelBtf& btf, std::string_view release)
{
    return version_of(release) >= std::pair(6, 15) && btf.parameters("bpf_preempt_disable") ? 1 : 0;
}

bool decides_by_lsm(const KernelBtf& btf)
{
    return tasks_preempt(btf, kernel_release()) != 0 && bpf_lsm_active();
}

}  // namespace pinwarden
