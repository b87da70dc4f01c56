// Records from the ring buffer, in order.
#pragma once

#include <linux/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"

struct ring_buffer;

namespace pinwarden {

class RingReader {
public:
    // The bytes are valid during the call only. A record of variable size comes without its unused tail.
    using Handler = std::function<void(std::span<const std::byte>)>;

    // `ring_fd` and `waits`, which the programs look at (reader_waits in bpf/shared.bpf.h), are borrowed and must
    // outlive the reader.
    static Result<std::unique_ptr<RingReader>> open(int ring_fd, __u64* waits, Handler handler);

    // Becomes readable when somebody has to be woken for what there is to read. Borrowed.
    [[nodiscard]] int poll_fd() const;
    // Asks to be woken for the next record. False, and nobody is, when there is one already, or one is being written:
    // to be read by and by.
    [[nodiscard]] bool wait_for_next();
    // Handles what is there, at most `limit` records; returns how many were handled.
    Result<std::size_t> consume(std::size_t limit);

private:
    struct Free {
        void operator()(ring_buffer* ring) const;
    };
    RingReader(int ring_fd, __u64* waits, Handler handler)
        : ring_fd_(ring_fd), waits_(waits), handler_(std::move(handler))
    {
    }
    static int on_record(void* self, void* data, std::size_t size);

    int ring_fd_;
    __u64* waits_;
    Handler handler_;
    std::size_t limit_ = 0;
    std::size_t handled_ = 0;
    std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace pinwarden
