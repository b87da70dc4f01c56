// A ring of io_uring with a table of registered buffers, each slot of which is filled and emptied by itself.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"

namespace workload {

using pinwarden::Result;

class BufferTable {
public:
    static constexpr unsigned kSlots = 8;

    // `inherited`: the ring stays open over exec.
    static Result<std::unique_ptr<BufferTable>> create(bool inherited = false);
    BufferTable() = default;
    BufferTable(const BufferTable&) = delete;
    BufferTable& operator=(const BufferTable&) = delete;
    // Closes the ring with whatever is registered: the kernel lets that go in a worker.
    ~BufferTable();

    // What the slot held is let go, also when the new memory is refused. An empty span leaves the slot empty.
    Result<void> set(unsigned slot, std::span<std::byte> memory);
    // Lets go of all slots. The table can be filled again.
    Result<void> clear();
    // Another ring with the same buffers: each is let go when both have. ENOTSUP before 6.12.
    Result<std::unique_ptr<BufferTable>> clone() const;

private:
    Result<void> make_table();

    io_uring ring_{};
    bool open_ = false;
};

}  // namespace workload
