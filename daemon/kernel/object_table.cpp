#include "kernel/object_table.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace pinwarden {
namespace {

template <typename Number>
Number number_at(const std::byte* bytes)
{
    Number number = 0;
    std::memcpy(&number, bytes, sizeof(number));
    return number;
}

// Calls `entry` with the key and the first eight bytes of the value of every entry.
template <typename Entry>
Result<void> read_table(int map, Entry entry)
{
    constexpr std::uint32_t kAtOnce = 1024;
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(map, &info, &length) != 0 || info.value_size < sizeof(std::uint64_t)) {
        return std::unexpected(system_error("ask about the table of objects", errno));
    }
    std::vector<std::byte> keys(std::size_t{kAtOnce} * info.key_size);
    std::vector<std::byte> values(std::size_t{kAtOnce} * info.value_size);
    std::uint32_t position = 0;
    bool first = true;
    for (;;) {
        __u32 count = kAtOnce;
        const int error = bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), values.data(),
                                               &count, nullptr);
        if (error != 0 && error != -ENOENT) {
            return std::unexpected(system_error("read the table of objects", error));
        }
        for (std::size_t i = 0; i < count; ++i) {
            entry(&keys[i * info.key_size], number_at<std::uint64_t>(&values[i * info.value_size]));
        }
        if (error == -ENOENT) {
            return {};
        }
        first = false;
    }
}

}  // namespace

Result<std::vector<std::uint64_t>> ObjectTable::live() const
{
    std::vector<std::uint64_t> numbers;
    // Those under way first: they get into the table before they are not under way any more.
    for (const int map : {tasks_, objects_}) {
        auto read = read_table(map, [&](const std::byte* /*key*/, std::uint64_t number) { numbers.push_back(number); });
        if (!read) {
            return std::unexpected(read.error());
        }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

Result<std::vector<CallUnderWay>> ObjectTable::calls_under_way() const
{
    std::vector<CallUnderWay> calls;
    auto read = read_table(tasks_, [&](const std::byte* key, std::uint64_t object) {
        calls.push_back({number_at<std::uint32_t>(key), object});
    });
    if (!read) {
        return std::unexpected(read.error());
    }
    std::sort(calls.begin(), calls.end());
    return calls;
}

}  // namespace pinwarden
