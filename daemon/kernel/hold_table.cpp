#include "kernel/hold_table.h"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "kernel/bpf_filesystem.h"

namespace pinwarden {
namespace {

std::vector<pw_hold> read_all(int map)
{
    std::vector<pw_hold> all;
    __u32 tid = 0;
    const __u32* previous = nullptr;
    // An entry that goes while it is the previous one starts the walk over.
    for (int i = 0; i < 4 * PW_HOLDS && bpf_map_get_next_key(map, previous, &tid) == 0; ++i) {
        pw_hold hold{};
        if (bpf_map_lookup_elem(map, &tid, &hold) == 0 && hold.hold != 0) {
            all.push_back(hold);
        }
        previous = &tid;
    }
    return all;
}

// 0: not known.
__u32 id_of(int map)
{
    bpf_map_info info{};
    __u32 length = sizeof(info);
    return bpf_obj_get_info_by_fd(map, &info, &length) == 0 ? info.id : 0;
}

}  // namespace

void HoldTable::attend(std::uint64_t until)
{
    std::atomic_ref<__u64>(*until_).store(until);
}

void HoldTable::leave()
{
    attend(0);
    std::atomic_ref<std::uint32_t>(*unattended_).store(1);
}

std::uint64_t HoldTable::attended_until() const
{
    return std::atomic_ref<__u64>(*until_).load();
}

std::uint64_t HoldTable::under_way() const
{
    return std::atomic_ref<__u64>(*under_way_).load();
}

std::vector<pw_hold> HoldTable::list() const
{
    return under_way() == 0 ? std::vector<pw_hold>() : read_all(holds_);
}

Result<void> HoldTable::release(std::uint64_t hold, pw_hold_release outcome)
{
    const auto value = static_cast<__u32>(outcome);
    const int error = bpf_map_update_elem(releases_, &hold, &value, BPF_ANY);
    if (error != 0) {
        return std::unexpected(system_error("release a held operation", error));
    }
    return {};
}

void HoldTable::forget(std::uint32_t tid, std::uint64_t hold)
{
    bpf_map_delete_elem(releases_, &hold);
    pw_hold now{};
    if (bpf_map_lookup_elem(holds_, &tid, &now) == 0 && now.hold == hold && bpf_map_delete_elem(holds_, &tid) == 0) {
        std::atomic_ref<__u64>(*under_way_).fetch_sub(1);
    }
}

Result<void> HoldTable::keep_at(const std::string& path) const
{
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (auto there = check_bpf_filesystem(); !there) {
        return there;
    }
    if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
        return std::unexpected(system_error("make " + folder.string(), errno));
    }
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return std::unexpected(system_error("remove " + path, errno));
    }
    const int error = bpf_obj_pin(holds_, path.c_str());
    if (error != 0) {
        return std::unexpected(system_error("keep the table of holds at " + path, error));
    }
    return {};
}

void HoldTable::forget_kept(const std::string& path) const
{
    const OwnedFd kept(bpf_obj_get(path.c_str()));
    if (!kept.valid() || id_of(kept.get()) != id_of(holds_)) {
        return;
    }
    unlink(path.c_str());
    // Which is there for others as well, or not.
    rmdir(std::filesystem::path(path).parent_path().c_str());
}

Result<std::vector<pw_hold>> HoldTable::list_kept(const std::string& path)
{
    const OwnedFd map(bpf_obj_get(path.c_str()));
    if (!map.valid()) {
        if (errno == ENOENT) {
            return std::vector<pw_hold>();
        }
        return std::unexpected(system_error("open " + path, errno));
    }
    bpf_map_info info{};
    __u32 length = sizeof(info);
    const int error = bpf_obj_get_info_by_fd(map.get(), &info, &length);
    if (error != 0) {
        return std::unexpected(system_error("ask what " + path + " is", error));
    }
    if (info.type != BPF_MAP_TYPE_HASH || info.key_size != sizeof(__u32) || info.value_size != sizeof(pw_hold)) {
        return fail(path + " is another version's table of holds", EINVAL);
    }
    return read_all(map.get());
}

}  // namespace pinwarden
