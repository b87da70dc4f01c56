// Records from the ring buffer, in order.
#pragma once

#include <linux/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "base/mapping.h"
#include "base/result.h"

namespace pinwarden {

// Only as much of the ring is mapped as is being read, and the rest when its turn comes: it is the largest piece of
// memory there is, and mapped as a whole it would count as the daemon's.
class RingReader {
public:
    // The bytes are valid during the call only. A record of variable size comes without its unused tail.
    using Handler = std::function<void(std::span<const std::byte>)>;

    // `ring_fd` and `waits`, which the programs look at (reader_waits in bpf/shared.bpf.h), are borrowed and must
    // outlive the reader. Without `waits`, wait_for_next() is not to be called.
    static Result<std::unique_ptr<RingReader>> open(int ring_fd, __u64* waits, Handler handler);

    // Becomes readable when somebody has to be woken for what there is to read. Borrowed.
    [[nodiscard]] int poll_fd() const { return ring_fd_; }
    // Asks to be woken for the next record. False, and nobody is, when there is one already, or one is being written:
    // to be read by and by.
    [[nodiscard]] bool wait_for_next();
    // Handles what is there, at most `limit` records; returns how many were handled.
    Result<std::size_t> consume(std::size_t limit);
    // Handles once more what was read already, from that position on; to be followed by consume(). Records stay in the
    // ring until others need their room. False: some of these have given it up, and what was handled is not all.
    Result<bool> read_again(std::uint64_t from);
    // Bytes that were read since the ring was made.
    [[nodiscard]] std::uint64_t consumed() const;
    // Bytes of what was not read yet, and of the whole ring.
    [[nodiscard]] std::uint64_t used() const;
    [[nodiscard]] std::uint64_t size() const { return bytes_; }

private:
    RingReader(int ring_fd, __u64* waits, Handler handler)
        : ring_fd_(ring_fd), waits_(waits), handler_(std::move(handler))
    {
    }
    // So many bytes of the ring from that position on.
    Result<const std::byte*> at(std::uint64_t position, std::size_t bytes);
    void handle(const std::byte* record, std::size_t size);

    int ring_fd_;
    __u64* waits_;
    Handler handler_;
    std::uint64_t bytes_ = 0;  // of the whole ring, a power of two
    Mapping consumer_;         // a page with the position up to which all was read, written here
    Mapping producer_;         // a page with the position up to which all was reserved
    Mapping window_;           // of the records
    std::uint64_t window_begin_ = 0;
};

}  // namespace pinwarden
