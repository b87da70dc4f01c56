#include "kernel/file_entries.h"

#include <bpf/bpf.h>

#include <atomic>
#include <cerrno>
#include <numeric>

#include "kernel/running_programs.h"

namespace pinwarden {
namespace {

// In the order in which it is written here.
template <typename T>
T load(const T& shared)
{
    return __atomic_load_n(&shared, __ATOMIC_ACQUIRE);
}

template <typename T>
void add(T& shared, T more)
{
    std::atomic_ref<T>(shared).fetch_add(more);
}

}  // namespace

Result<FileEntryMaps> FileEntryMaps::open(const MapFds& fds, const SharedVariables& shared)
{
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (const int error = bpf_obj_get_info_by_fd(fds.file_pins, &info, &length); error != 0) {
        return std::unexpected(system_error("ask how large the table of files is", error));
    }
    return FileEntryMaps(fds, shared, info.max_entries);
}

FileEntryMaps::FileEntryMaps(const MapFds& fds, const SharedVariables& shared, std::uint64_t capacity)
    : fds_(fds),
      shared_(shared),
      capacity_(capacity),
      noted_by_inode_(shared.left_out_by_inode.size()),
      noted_by_device_(shared.left_out_by_device.size())
{
}

std::uint64_t FileEntryMaps::known() const
{
    return load(*shared_.files_known);
}

std::uint64_t FileEntryMaps::left_out() const
{
    return load(*shared_.left_out);
}

bool FileEntryMaps::may_be_left_out(const pw_file_key& file) const
{
    return load(shared_.left_out_by_inode[file.inode % shared_.left_out_by_inode.size()]) > 0;
}

bool FileEntryMaps::has(const pw_file_key& file) const
{
    pw_file_pins pins{};
    return bpf_map_lookup_elem(fds_.file_pins, &file, &pins) == 0;
}

std::vector<pw_file_key> FileEntryMaps::next(std::size_t most)
{
    std::vector<pw_file_key> files;
    pw_file_key key{};
    while (files.size() < most && bpf_map_get_next_key(fds_.file_pins, last_ ? &*last_ : nullptr, &key) == 0) {
        files.push_back(key);
        last_ = key;
    }
    if (files.size() < most) {
        last_.reset();
    }
    return files;
}

Result<void> FileEntryMaps::remove(const pw_file_key& file)
{
    const std::size_t place = file.inode % shared_.left_out_by_inode.size();
    add(shared_.files_by_inode[place], 1U);
    add(shared_.left_out_by_inode[place], 1U);
    add(shared_.left_out_by_device[file.device % shared_.left_out_by_device.size()], 1U);
    add(*shared_.left_out, __u64{1});
    // Before the entry: a program that makes a new one makes both.
    int error = bpf_map_delete_elem(fds_.file_acks, &file);
    if (error == 0 || error == -ENOENT) {
        error = bpf_map_delete_elem(fds_.file_pins, &file);
    }
    if (error == 0) {
        add(*shared_.files_known, ~__u64{0});
        add(shared_.files_by_inode[place], ~0U);
    }
    if (error != 0 && error != -ENOENT) {
        return std::unexpected(system_error("take a file out of the table of files", error));
    }
    return {};
}

void FileEntryMaps::note_left_out()
{
    for (std::size_t i = 0; i < noted_by_inode_.size(); ++i) {
        noted_by_inode_[i] = load(shared_.left_out_by_inode[i]);
    }
    // A pin that is counted just now may be noted by its device only. It is in the ring all the same after the wait,
    // and its place by inode is lowered the next time.
    for (std::size_t i = 0; i < noted_by_device_.size(); ++i) {
        noted_by_device_[i] = load(shared_.left_out_by_device[i]);
    }
    wait_for_running_programs();
}

void FileEntryMaps::settle()
{
    for (std::size_t i = 0; i < noted_by_inode_.size(); ++i) {
        add(shared_.left_out_by_inode[i], -noted_by_inode_[i]);
        add(shared_.files_by_inode[i], -noted_by_inode_[i]);
    }
    for (std::size_t i = 0; i < noted_by_device_.size(); ++i) {
        add(shared_.left_out_by_device[i], -noted_by_device_[i]);
    }
    add(*shared_.left_out, -std::accumulate(noted_by_inode_.begin(), noted_by_inode_.end(), __u64{0}));
}

Result<bool> FileEntryMaps::enter(const pw_file_key& file, const AcknowledgedRange& range)
{
    const pw_file_ack ack{.sequence = range.sequence,
                          .first_page = range.first_page,
                          .end_page = range.end_page,
                          .policies = {},
                          .policy_generation = {}};
    int error = bpf_map_update_elem(fds_.file_acks, &file, &ack, BPF_NOEXIST);
    if (error == -EEXIST) {
        return false;
    }
    if (error == 0) {
        // As a program does it: the filter first.
        std::uint32_t& place = shared_.files_by_inode[file.inode % shared_.files_by_inode.size()];
        add(place, 1U);
        const pw_file_pins pins{.sequence = range.sequence,
                                .first_page = range.first_page,
                                .end_page = range.end_page,
                                .policies = 0,
                                .policy_generation = 0,
                                .named = 1,
                                .inode = 0};
        error = bpf_map_update_elem(fds_.file_pins, &file, &pins, BPF_NOEXIST);
        if (error == 0) {
            add(*shared_.files_known, __u64{1});
            return true;
        }
        add(place, ~0U);
        bpf_map_delete_elem(fds_.file_acks, &file);
    }
    if (error == -EEXIST) {
        return false;
    }
    return std::unexpected(system_error("put a file into the table of files", error));
}

}  // namespace pinwarden
