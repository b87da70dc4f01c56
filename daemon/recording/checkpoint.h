// What the daemon knows of pins, for the one that comes after it: a file of its own, for this machine until it is
// started again. In it are kernel addresses, so nobody but root may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "decode/decoder.h"
#include "ledger/ledger.h"

namespace pinwarden {

// Of the records in the ring and of this file. To be raised with every change of include/pinwarden/abi_records.h that
// an older reader would take for something else.
inline constexpr std::uint32_t kRecordLayout = 1;

struct CheckpointHead {
    std::string boot_id = {};                // of the machine's start
    Nanoseconds taken = 0;                   // on that start's clock
    std::uint64_t set = 0;                   // which programs: see kernel/kept_links.h
    std::uint32_t ring = 0;                  // the kernel's id of their ring
    std::uint64_t position = 0;              // up to which the ring had been read
    std::uint64_t losses = 0;                // that may concern the ledger, as their kernel side counted them then
    bool certain = false;                    // whether the ledger was right
    PageGeometry geometry = {};              // of the addresses
    std::uint32_t generation = 0;            // of the policies in force
    std::vector<std::string> policies = {};  // their names, by slot
};

// The whole file.
std::string checkpoint_of(const CheckpointHead& head, const Ledger& ledger);

class Checkpoint {
public:
    // Error: what is wrong with it; code EPROTONOSUPPORT: another version's.
    static Result<Checkpoint> parse(std::string text);

    [[nodiscard]] const CheckpointHead& head() const { return head_; }
    struct Told {
        std::function<void(std::span<const std::byte>)> record;  // as it would have come from the ring
        std::function<void(const PagesEvent&)> pages;
    };
    // Tells all that was pinned: records first, then which pages.
    void replay(const Told& told) const;

private:
    Checkpoint() = default;

    std::unique_ptr<const std::string> text_;
    CheckpointHead head_;
    std::string_view records_;  // in text_
    std::string_view extents_;  // the same
};

}  // namespace pinwarden
