// To which functions of the kernel BPF programs listen, as the kernel itself tells.
#pragma once

#include <string>
#include <vector>

namespace pinwarden::bench {

enum class Hook { kEntry, kExit, kReturnValue, kLsm, kProbe, kReturnProbe };

struct Listened {
    Hook hook = Hook::kEntry;
    std::string function;
    std::string module;  // empty: the kernel proper
};

// One for each link that is attached now. Tracepoints are left out. Kprobes, whose functions a kernel before 6.6 does
// not tell, are taken for those of pin_user_pages_remote(), the only function that pinwarden listens to in that way.
// Throws std::runtime_error.
std::vector<Listened> listened();

}  // namespace pinwarden::bench
