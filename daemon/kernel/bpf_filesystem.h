// Where what outlives the daemon is kept.
#pragma once

#include "base/result.h"

namespace pinwarden {

inline constexpr const char* kBpfFilesystem = "/sys/fs/bpf";

// Error when there is none: says what to do.
Result<void> check_bpf_filesystem();

}  // namespace pinwarden
