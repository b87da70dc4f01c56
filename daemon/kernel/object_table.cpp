#include "kernel/object_table.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace pinwarden {
namespace {

// Appends the first eight bytes of every value.
Result<void> read_numbers(int map, std::vector<std::uint64_t>& numbers)
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
            std::uint64_t number = 0;
            std::memcpy(&number, &values[i * info.value_size], sizeof(number));
            numbers.push_back(number);
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
        if (auto read = read_numbers(map, numbers); !read) {
            return std::unexpected(read.error());
        }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

Result<bool> ObjectTable::any_under_way() const
{
    std::vector<std::uint64_t> numbers;
    if (auto read = read_numbers(tasks_, numbers); !read) {
        return std::unexpected(read.error());
    }
    return !numbers.empty();
}

}  // namespace pinwarden
