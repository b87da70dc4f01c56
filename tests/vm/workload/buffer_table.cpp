#include "buffer_table.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace workload {
namespace {

using pinwarden::system_error;

// include/uapi/linux/io_uring.h, from 6.12 on; Debian 12's headers are older.
constexpr unsigned kRegisterCloneBuffers = 30;
struct CloneBuffers {
    __u32 source_fd = 0;
    __u32 flags = 0;
    std::array<__u32, 6> zero{};
};

}  // namespace

Result<std::unique_ptr<BufferTable>> BufferTable::create(bool inherited)
{
    auto table = std::make_unique<BufferTable>();
    if (const int error = io_uring_queue_init(2, &table->ring_, 0); error != 0) {
        return std::unexpected(system_error("io_uring_queue_init", error));
    }
    table->open_ = true;
    // A child that has the rings mapped would keep them open.
    if (const int error = io_uring_ring_dontfork(&table->ring_); error != 0) {
        return std::unexpected(system_error("io_uring_ring_dontfork", error));
    }
    if (inherited && fcntl(table->ring_.ring_fd, F_SETFD, 0) != 0) {
        return std::unexpected(system_error("fcntl", errno));
    }
    if (auto made = table->make_table(); !made) {
        return std::unexpected(made.error());
    }
    return table;
}

BufferTable::~BufferTable()
{
    if (open_) {
        io_uring_queue_exit(&ring_);
    }
}

Result<void> BufferTable::make_table()
{
    if (const int error = io_uring_register_buffers_sparse(&ring_, kSlots); error != 0) {
        return std::unexpected(system_error("IORING_REGISTER_BUFFERS2", error));
    }
    return {};
}

Result<void> BufferTable::set(unsigned slot, std::span<std::byte> memory)
{
    const iovec piece{.iov_base = memory.data(), .iov_len = memory.size()};
    const __u64 tag = 0;
    const int done = io_uring_register_buffers_update_tag(&ring_, slot, &piece, &tag, 1);
    if (done != 1) {
        return std::unexpected(system_error("IORING_REGISTER_BUFFERS_UPDATE", done < 0 ? done : EIO));
    }
    return {};
}

Result<void> BufferTable::clear()
{
    if (const int error = io_uring_unregister_buffers(&ring_); error != 0) {
        return std::unexpected(system_error("IORING_UNREGISTER_BUFFERS", error));
    }
    return make_table();
}

Result<std::unique_ptr<BufferTable>> BufferTable::clone() const
{
    auto table = std::make_unique<BufferTable>();
    if (const int error = io_uring_queue_init(2, &table->ring_, 0); error != 0) {
        return std::unexpected(system_error("io_uring_queue_init", error));
    }
    table->open_ = true;
    // A child that has the rings mapped would keep them open.
    if (const int error = io_uring_ring_dontfork(&table->ring_); error != 0) {
        return std::unexpected(system_error("io_uring_ring_dontfork", error));
    }
    CloneBuffers arguments{};
    arguments.source_fd = static_cast<__u32>(ring_.ring_fd);
    if (syscall(__NR_io_uring_register, table->ring_.ring_fd, kRegisterCloneBuffers, &arguments, 1) != 0) {
        return std::unexpected(system_error("IORING_REGISTER_CLONE_BUFFERS", errno == EINVAL ? ENOTSUP : errno));
    }
    return table;
}

}  // namespace workload
