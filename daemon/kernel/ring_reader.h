// Records from the ring buffer, in order.
#pragma once

#include <cstddef>
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

    // `ring_fd` is borrowed and must outlive the reader.
    static Result<std::unique_ptr<RingReader>> open(int ring_fd, Handler handler);

    // Becomes readable when there is something to read. Borrowed.
    [[nodiscard]] int poll_fd() const;
    // Handles what is there, at most `limit` records; returns how many were handled.
    Result<std::size_t> consume(std::size_t limit);

private:
    struct Free {
        void operator()(ring_buffer* ring) const;
    };
    explicit RingReader(Handler handler) : handler_(std::move(handler)) {}
    static int on_record(void* self, void* data, std::size_t size);

    Handler handler_;
    std::size_t limit_ = 0;
    std::size_t handled_ = 0;
    std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace pinwarden
