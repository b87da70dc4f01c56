#include "hooks/buffer_ring.h"

#include <stdexcept>
#include <string>

#include "base/result.h"

namespace pinwarden::bench {
namespace {

void need_done(int error, const std::string& what)
{
    if (error != 0) {
        throw std::runtime_error(system_error(what, -error).message);
    }
}

}  // namespace

BufferRing::BufferRing()
{
    need_done(io_uring_queue_init(1, &ring_, 0), "make an io_uring");
}

void BufferRing::add(std::span<std::byte> memory)
{
    const iovec piece{.iov_base = memory.data(), .iov_len = memory.size()};
    add({&piece, 1});
}

void BufferRing::add(std::span<const iovec> pieces)
{
    need_done(io_uring_register_buffers(&ring_, pieces.data(), static_cast<unsigned>(pieces.size())),
              "register buffers");
}

}  // namespace pinwarden::bench
