#include "daemon/usage.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/result.h"
#include "daemon/clock.h"

namespace pinwarden::bench {
namespace {

constexpr std::uint64_t kKiB = 1024;

std::filesystem::path in_proc(pid_t pid)
{
    return "/proc/" + std::to_string(pid);
}

// Which number of MemoryUse a mapping with that name counts for.
std::uint64_t& part_for(MemoryUse& use, const std::string& mapping, const std::string& program)
{
    if (mapping == program) {
        return use.program;
    }
    if (mapping.starts_with('/')) {
        return use.libraries;
    }
    return mapping.find("bpf") != std::string::npos ? use.maps : use.heap;
}

std::uint64_t peak_of(pid_t pid)
{
    std::ifstream status(in_proc(pid) / "status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) {
            return std::stoull(line.substr(line.find(':') + 1)) * kKiB;
        }
    }
    return 0;
}

// Each map and program once, however many descriptors there are of it.
std::uint64_t bpf_memory(pid_t pid)
{
    std::map<std::string, std::uint64_t> all;
    for (const auto& descriptor : std::filesystem::directory_iterator(in_proc(pid) / "fdinfo")) {
        std::ifstream file(descriptor.path());
        std::string id;
        std::uint64_t bytes = 0;
        for (std::string name, value; file >> name && std::getline(file, value);) {
            if (name == "map_id:" || name == "prog_id:") {
                id = name + value;
            } else if (name == "memlock:") {
                bytes = std::stoull(value);
            }
        }
        // A link has a prog_id as well, and no memory of its own.
        if (!id.empty() && bytes > 0) {
            all[id] = bytes;
        }
    }
    std::uint64_t sum = 0;
    for (const auto& [id, bytes] : all) {
        sum += bytes;
    }
    return sum;
}

}  // namespace

std::int64_t processor_time(pid_t pid)
{
    clockid_t clock{};
    timespec time{};
    const int error = clock_getcpuclockid(pid, &clock);
    if (error != 0 || clock_gettime(clock, &time) != 0) {
        throw std::runtime_error(system_error("read the processor time of a process", error).message);
    }
    return time.tv_sec * kSecond + time.tv_nsec;
}

std::map<pid_t, ThreadTime> thread_times(pid_t pid)
{
    std::map<pid_t, ThreadTime> all;
    for (const auto& task : std::filesystem::directory_iterator(in_proc(pid) / "task")) {
        ThreadTime thread;
        std::ifstream(task.path() / "comm") >> thread.name;
        std::ifstream(task.path() / "schedstat") >> thread.nanoseconds;
        all[std::stoi(task.path().filename())] = thread;
    }
    return all;
}

MemoryUse memory_use(pid_t pid)
{
    MemoryUse use;
    use.peak = peak_of(pid);
    use.kernel = bpf_memory(pid);
    const std::string program = std::filesystem::read_symlink(in_proc(pid) / "exe");
    std::ifstream smaps(in_proc(pid) / "smaps");
    std::string mapping;
    for (std::string line; std::getline(smaps, line);) {
        std::istringstream words(line);
        std::string first;
        words >> first;
        if (!first.ends_with(':')) {
            // address, permissions, offset, device, inode, name
            std::string skipped;
            words >> skipped >> skipped >> skipped >> skipped >> std::ws;
            mapping.clear();
            std::getline(words, mapping);
            continue;
        }
        std::uint64_t kibibytes = 0;
        words >> kibibytes;
        if (first == "Rss:") {
            use.resident += kibibytes * kKiB;
            part_for(use, mapping, program) += kibibytes * kKiB;
        } else if (first == "Pss:") {
            use.proportional += kibibytes * kKiB;
        }
    }
    return use;
}

std::vector<pid_t> children(pid_t pid)
{
    std::vector<pid_t> all;
    for (const auto& task : std::filesystem::directory_iterator(in_proc(pid) / "task")) {
        std::ifstream file(task.path() / "children");
        for (pid_t child = 0; file >> child;) {
            all.push_back(child);
        }
    }
    return all;
}

}  // namespace pinwarden::bench
