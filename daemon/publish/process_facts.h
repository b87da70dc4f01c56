// What the kernel says of this process, under the names that every exporter uses.
#pragma once

#include <cstdint>
#include <optional>

namespace pinwarden {

struct ProcessUse {
    double cpu_seconds = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
    double start_time = 0;  // seconds since the Unix epoch
};

// From /proc/self. Nothing when that cannot be read.
std::optional<ProcessUse> read_process_use();

}  // namespace pinwarden
