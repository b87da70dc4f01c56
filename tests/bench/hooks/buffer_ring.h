// An io_uring for nothing but its registered buffers: the plainest way to pin memory for long.
#pragma once

#include <liburing.h>
#include <sys/uio.h>

#include <cstddef>
#include <span>

namespace pinwarden::bench {

class BufferRing {
public:
    // Throws std::runtime_error.
    BufferRing();
    BufferRing(const BufferRing&) = delete;
    BufferRing& operator=(const BufferRing&) = delete;
    ~BufferRing() { io_uring_queue_exit(&ring_); }

    // Pins; nothing must be registered. Throws std::runtime_error.
    void add(std::span<std::byte> memory);
    // A buffer for each piece.
    void add(std::span<const iovec> pieces);
    // Lets go of all.
    void remove() { io_uring_unregister_buffers(&ring_); }

private:
    io_uring ring_{};
};

}  // namespace pinwarden::bench
