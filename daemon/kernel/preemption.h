// Whether programs have to keep tasks from preempting them; see bpf/preempt.bpf.h.
#pragma once

#include <cstdint>
#include <string>

#include "kernel/kernel_btf.h"

namespace pinwarden {

// What the programs' `tasks_preempt` is to be on the kernel of that release (as uname -r prints it): 1 or 0.
std::uint32_t tasks_preempt(const KernelBtf& btf, const std::string& release);

// Whether operations are decided by a program of the security module rather than by one that changes a function's
// return value: where tasks preempt programs, the kernel may skip a run of the latter.
bool decides_by_lsm(const KernelBtf& btf);

}  // namespace pinwarden
