// Many extents, pinned for as long as they are wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "hooks/buffer_ring.h"
#include "hooks/memory.h"

namespace pinwarden::bench {

// Pinned while the object lives: as many pages, no page a neighbour of the one before, in buffers of 2 MiB.
class Kept {
public:
    // `pages` is a multiple of 512, and needs that much memory. Throws std::runtime_error.
    explicit Kept(std::size_t pages);
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() { ring_.remove(); }

    // How many runs of consecutive pages of the machine the buffers have, as the kernel tells.
    [[nodiscard]] std::uint64_t extents() const;

private:
    Memory memory_;
    BufferRing ring_;
};

}  // namespace pinwarden::bench
