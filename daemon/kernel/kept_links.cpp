#include "kernel/kept_links.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "kernel/bpf_filesystem.h"

namespace pinwarden {
namespace {

constexpr const char* kFolder = "/sys/fs/bpf/pinwarden";
constexpr const char* kSets = "/sys/fs/bpf/pinwarden/links";

std::string own_set()
{
    return std::string(kSets) + "/" + std::to_string(getpid());
}

}  // namespace

Result<void> make_kept_links()
{
    if (auto there = check_bpf_filesystem(); !there) {
        return there;
    }
    std::error_code error;
    // An earlier process of the same number may have left one.
    std::filesystem::remove_all(own_set(), error);
    std::filesystem::create_directories(own_set(), error);
    if (error) {
        return fail("make " + own_set() + ": " + error.message(), error.value());
    }
    return {};
}

int keep_link(const std::string& name, bpf_link& link)
{
    return bpf_link__pin(&link, (own_set() + "/" + name).c_str());
}

int keep_map(const std::string& name, int map)
{
    return bpf_obj_pin(map, (own_set() + "/" + name).c_str()) == 0 ? 0 : -errno;
}

void drop_kept_map(const std::string& name)
{
    std::error_code gone_already;
    std::filesystem::remove(own_set() + "/" + name, gone_already);
}

Result<bool> mend_kept_link(const std::string& name, const bpf_link& link)
{
    return mend_kept_map(name, bpf_link__fd(&link));
}

Result<bool> mend_kept_map(const std::string& name, int map)
{
    const std::string path = own_set() + "/" + name;
    std::error_code error;
    if (std::filesystem::exists(path, error) || error) {
        return false;
    }
    std::filesystem::create_directories(own_set(), error);
    // Past libbpf, for which it is there.
    if (bpf_obj_pin(map, path.c_str()) != 0) {
        return std::unexpected(system_error("keep " + name, errno));
    }
    return true;
}

void remove_kept_links()
{
    std::error_code not_empty;
    for (const std::string& folder : {own_set(), std::string(kSets), std::string(kFolder)}) {
        std::filesystem::remove(folder, not_empty);
    }
}

Result<KeptMaps> open_kept_maps(std::uint64_t set)
{
    const std::string folder = std::string(kSets) + "/" + std::to_string(set) + "/";
    KeptMaps kept{OwnedFd(bpf_obj_get((folder + kKeptRing).c_str())),
                  OwnedFd(bpf_obj_get((folder + kKeptCounters).c_str()))};
    if (!kept.ring.valid() || !kept.counters.valid()) {
        return std::unexpected(system_error("open what is kept in " + folder, errno));
    }
    bpf_map_info ring{};
    bpf_map_info counters{};
    __u32 length = sizeof(ring);
    __u32 length_of_counters = sizeof(counters);
    if (bpf_obj_get_info_by_fd(kept.ring.get(), &ring, &length) != 0 ||
        bpf_obj_get_info_by_fd(kept.counters.get(), &counters, &length_of_counters) != 0) {
        return std::unexpected(system_error("ask what is kept in " + folder, errno));
    }
    if (ring.type != BPF_MAP_TYPE_RINGBUF || counters.type != BPF_MAP_TYPE_PERCPU_ARRAY) {
        return fail("what is kept in " + folder + " is not what it is called", EINVAL);
    }
    kept.ring_id = ring.id;
    return kept;
}

Result<std::size_t> forget_kept_links()
{
    std::size_t sets = 0;
    std::error_code error;
    for (const auto& set : std::filesystem::directory_iterator(kSets, error)) {
        if (set.path() != own_set()) {
            std::filesystem::remove_all(set.path(), error);
            ++sets;
        }
    }
    remove_kept_links();
    if (error && error != std::errc::no_such_file_or_directory) {
        return fail(std::string("remove ") + kSets + ": " + error.message(), error.value());
    }
    return sets;
}

}  // namespace pinwarden
