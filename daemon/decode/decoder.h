// Bytes from the ring buffer to events. Trusts no length and no enum: a record that does not hold together is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "decode/event.h"

namespace pinwarden {

// How to turn a struct page address into a page number: (address - base) / size.
struct PageGeometry {
    std::uint64_t vmemmap_base = 0;
    std::uint64_t struct_page_bytes = 64;
};

class Decoder {
public:
    explicit Decoder(PageGeometry geometry) : geometry_(geometry) {}

    // Error: what is wrong with which record kind. The record is then to be counted as lost.
    [[nodiscard]] Result<Event> decode(std::span<const std::byte> record) const;

private:
    PageGeometry geometry_;
};

}  // namespace pinwarden
