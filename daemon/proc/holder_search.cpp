#include "proc/holder_search.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "proc/process_stat.h"

namespace pinwarden {
namespace {

// Open files looked at, of all processes together.
constexpr std::size_t kMostFiles = 1'000'000;
constexpr std::size_t kMostHolders = 64;  // of one kind

std::string protocol_of(const std::string& path)
{
    std::array<char, 64> name{};
    const ssize_t length = getxattr(path.c_str(), "system.sockprotoname", name.data(), name.size() - 1);
    return length > 0 ? std::string(name.data()) : std::string();
}

std::string link_of(const std::string& path)
{
    std::array<char, 256> link{};
    const ssize_t length = readlink(path.c_str(), link.data(), link.size());
    return length > 0 ? std::string(link.data(), static_cast<std::size_t>(length)) : std::string();
}

// Adds what a process has open; false when the limit was reached.
bool look_through(std::uint32_t pid, const std::set<pw_scope_kind>& kinds, std::size_t& left, Holders& found)
{
    std::optional<ProcessHolder> holder;
    std::set<pw_scope_kind> seen;
    std::error_code error;
    const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        if (left == 0) {
            return false;
        }
        --left;
        const std::string path = entry->path().string();
        const std::string link = link_of(path);
        const pw_scope_kind kind = kind_of_file(link, [&] { return protocol_of(path); });
        if (!kinds.contains(kind) || !seen.insert(kind).second) {
            continue;
        }
        std::vector<ProcessHolder>& holders = found.by_kind[kind];
        if (holders.size() == kMostHolders) {
            return false;
        }
        if (!holder) {
            const auto stat = read_process_stat(pid);
            holder = {.pid = pid, .comm = stat ? stat->comm : "", .uid = read_uid(pid).value_or(0), .file = ""};
        }
        holder->file = link;
        holders.push_back(*holder);
    }
    return true;
}

}  // namespace

pw_scope_kind kind_of_file(std::string_view link, const std::function<std::string()>& protocol)
{
    if (link == "anon_inode:[io_uring]") {
        return PW_SCOPE_IO_URING_BUFFER;
    }
    if (link.starts_with("/dev/infiniband/uverbs")) {
        return PW_SCOPE_RDMA_REGION;
    }
    if (link.starts_with("/dev/vfio/") || link == "/dev/iommu" || link == "anon_inode:[vfio-device]") {
        return PW_SCOPE_VFIO_MAPPING;
    }
    if (link.starts_with("socket:") && protocol() == "XDP") {
        return PW_SCOPE_XDP_UMEM;
    }
    return PW_SCOPE_NONE;
}

bool has_pinning_file(std::uint32_t pid)
{
    std::error_code error;
    const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string path = entry->path().string();
        if (kind_of_file(link_of(path), [&] { return protocol_of(path); }) != PW_SCOPE_NONE) {
            return true;
        }
    }
    return false;
}

Holders ProcHolders::find(const std::set<pw_scope_kind>& kinds)
{
    Holders found;
    found.complete = in_initial_pid_namespace();
    std::size_t left = kMostFiles;
    for (const std::uint32_t pid : list_processes()) {
        if (!look_through(pid, kinds, left, found)) {
            found.complete = false;
        }
    }
    return found;
}

}  // namespace pinwarden
