#include "kernel/preemption.h"

#include <bpf/bpf.h>

#include <sstream>
#include <utility>

#include "kernel/privileges.h"

namespace pinwarden {
namespace {

std::pair<int, int> version_of(const std::string& release)
{
    std::pair<int, int> version;
    char dot = 0;
    std::istringstream(release) >> version.first >> dot >> version.second;
    return version;
}

}  // namespace

std::uint32_t tasks_preempt(const KernelBtf& btf, const std::string& release)
{
    return version_of(release) >= std::pair(6, 15) && btf.parameters("bpf_preempt_disable") ? 1 : 0;
}

std::uint64_t read_missed(int program)
{
    return read_runs(program).missed;
}

ProgramRuns read_runs(int program)
{
    bpf_prog_info info{};
    __u32 length = sizeof(info);
    if (program < 0 || bpf_obj_get_info_by_fd(program, &info, &length) != 0) {
        return {};
    }
    return {.missed = info.recursion_misses, .runs = info.run_cnt, .time = info.run_time_ns};
}

std::uint64_t read_caught(int map, pw_caught kind)
{
    const std::uint32_t key = kind;
    std::uint64_t calls = 0;
    return bpf_map_lookup_elem(map, &key, &calls) == 0 ? calls : 0;
}

bool decides_by_lsm(const KernelBtf& btf)
{
    return tasks_preempt(btf, kernel_release()) != 0 && bpf_lsm_active();
}

}  // namespace pinwarden
