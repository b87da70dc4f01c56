// io_uring's registered buffers.
#include <liburing.h>
#include <sys/uio.h>

#include "device.h"

namespace pinner {
namespace {

using pinwarden::system_error;

class Buffer final : public Registration {
public:
    static Result<std::unique_ptr<Registration>> create(std::span<std::byte> memory)
    {
        auto self = std::make_unique<Buffer>();
        if (const int error = io_uring_queue_init(1, &self->ring_, 0); error != 0) {
            return std::unexpected(system_error("io_uring_queue_init", error));
        }
        self->open_ = true;
        const iovec piece{.iov_base = memory.data(), .iov_len = memory.size()};
        if (const int error = io_uring_register_buffers(&self->ring_, &piece, 1); error != 0) {
            return std::unexpected(system_error("io_uring_register_buffers", error));
        }
        self->registered_ = true;
        return self;
    }

    ~Buffer() override
    {
        // By hand, because a ring that is closed lets go later, in a worker.
        if (registered_) {
            io_uring_unregister_buffers(&ring_);
        }
        if (open_) {
            io_uring_queue_exit(&ring_);
        }
    }

private:
    io_uring ring_{};
    bool open_ = false;
    bool registered_ = false;
};

class Uring final : public Device {
public:
    Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access /*access*/) override
    {
        return Buffer::create(memory);
    }
};

}  // namespace

Result<std::unique_ptr<Device>> open_uring()
{
    return std::make_unique<Uring>();
}

}  // namespace pinner
