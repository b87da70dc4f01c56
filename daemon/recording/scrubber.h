// Takes the kernel's addresses out of records, so that these can leave the daemon and be read on another machine.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "decode/decoder.h"

namespace pinwarden {

// What a page's number in a scrubbed record is to be read with.
constexpr PageGeometry scrubbed_geometry(std::uint64_t struct_page_bytes)
{
    return {0, struct_page_bytes};
}

// Page addresses become numbers that count from the first page, addresses of code and of address spaces numbers that
// count from 1: the same one for the same address as long as this lives. Nothing else of a record changes.
class RecordScrubber {
public:
    // `new_code` is told the number and the address of code when it first appears.
    using NewCode = std::function<void(std::uint64_t number, std::uint64_t address)>;
    // `new_cgroup` is told the id of a cgroup when the first process that is in it appears.
    using NewCgroup = std::function<void(std::uint64_t id)>;

    RecordScrubber(PageGeometry geometry, NewCode new_code, NewCgroup new_cgroup)
        : geometry_(geometry), new_code_(std::move(new_code)), new_cgroup_(std::move(new_cgroup))
    {
    }

    // Appends the record without its unused tail to `out`. Error: its kind is not known, or it is too short for what
    // its kind has addresses in; then nothing is appended.
    Result<void> append(std::span<const std::byte> record, std::vector<std::byte>& out);

private:
    std::uint64_t page(std::uint64_t address) const;
    std::uint64_t space(std::uint64_t address);
    std::uint64_t code(std::uint64_t address);
    void cgroup(std::uint64_t id);

    PageGeometry geometry_;
    NewCode new_code_;
    NewCgroup new_cgroup_;
    absl::flat_hash_map<std::uint64_t, std::uint64_t> spaces_;
    absl::flat_hash_map<std::uint64_t, std::uint64_t> code_;
    absl::flat_hash_map<std::uint64_t, bool> cgroups_;
};

}  // namespace pinwarden
