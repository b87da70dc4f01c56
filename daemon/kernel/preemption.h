// Whether programs have to keep tasks from preempting them; see bpf/preempt.bpf.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernel/kernel_btf.h"

namespace pinwarden {

// What the programs' `tasks_preempt` is to be on the kernel of that release (as uname -r prints it): 1 or 0.
std::uint32_t tasks_preempt(const KernelBtf& btf, std::string_view release);

}  // namespace pinwarden
