// What a process uses of the machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pinwarden::bench {

// Nanoseconds of processor time of all its threads, those that have ended included. Throws std::runtime_error.
std::int64_t processor_time(pid_t pid);

// The same of each thread that there is, by its number.
struct ThreadTime {
    std::string name;
    std::int64_t nanoseconds = 0;
};
std::map<pid_t, ThreadTime> thread_times(pid_t pid);

// Bytes in memory. A page that is mapped twice counts twice in `resident`, as it does in the kernel's VmRSS.
struct MemoryUse {
    std::uint64_t resident = 0;
    std::uint64_t proportional = 0;  // what is shared, with others or between mappings, by parts
    std::uint64_t peak = 0;          // of `resident`, since the start
    // What `resident` is made of:
    std::uint64_t heap = 0;       // and stacks: memory of no file
    std::uint64_t program = 0;    // the program's own file
    std::uint64_t libraries = 0;  // other files
    std::uint64_t maps = 0;       // BPF maps, as far as they are mapped
    // What the kernel says it spends on all BPF maps and programs that the process has open; those it has mapped are in
    // `resident`, too.
    std::uint64_t kernel = 0;
};
MemoryUse memory_use(pid_t pid);

std::vector<pid_t> children(pid_t pid);

}  // namespace pinwarden::bench
