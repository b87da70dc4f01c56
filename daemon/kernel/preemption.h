// Whether programs have to keep tasks from preempting them; see bpf/preempt.bpf.h.
#pragma once

#include <pinwarden/abi.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "kernel/kernel_btf.h"

namespace pinwarden {

// What the programs' `tasks_preempt` is to be on the kernel of that release (as uname -r prints it): 1 or 0.
std::uint32_t tasks_preempt(const KernelBtf& btf, const std::string& release);

// What the name of a program's second one ends in; see bpf/caught.bpf.h.
inline constexpr std::string_view kSecond = "_again";

// How many runs of the program, by its descriptor, the kernel skipped; 0 where it is below zero, or does not tell.
std::uint64_t read_missed(int program);

// What the kernel counts of a program's runs; runs and time only while kernel.bpf_stats_enabled is on.
struct ProgramRuns {
    std::uint64_t missed = 0;
    std::uint64_t runs = 0;
    Nanoseconds time = 0;
};
ProgramRuns read_runs(int program);

// What the map `caught` of such programs says; 0 when it cannot be read.
std::uint64_t read_caught(int map, pw_caught kind);

// Whether operations are decided by a program of the security module rather than by one that changes a function's
// return value: where tasks preempt programs, the kernel may skip a run of the latter.
bool decides_by_lsm(const KernelBtf& btf);

}  // namespace pinwarden
