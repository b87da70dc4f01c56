#include "kernel/ring_reader.h"

#include <bpf/libbpf.h>
#include <pinwarden/abi.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace pinwarden {

void RingReader::Free::operator()(ring_buffer* ring) const
{
    ring_buffer__free(ring);
}

Result<std::unique_ptr<RingReader>> RingReader::open(int ring_fd, __u64* waits, Handler handler)
{
    auto reader = std::unique_ptr<RingReader>(new RingReader(ring_fd, waits, std::move(handler)));
    reader->ring_.reset(ring_buffer__new(ring_fd, on_record, reader.get(), nullptr));
    if (!reader->ring_) {
        return std::unexpected(system_error("map the event ring", errno));
    }
    return reader;
}

int RingReader::poll_fd() const
{
    return ring_buffer__epoll_fd(ring_.get());
}

bool RingReader::wait_for_next()
{
    std::atomic_ref<__u64>(*waits_).store(1);
    // Asks the ring itself, after the store, which system calls are a barrier for: it counts what is reserved, too.
    pollfd ring{.fd = ring_fd_, .events = POLLIN, .revents = 0};
    if (poll(&ring, 1, 0) == 0) {
        return true;
    }
    std::atomic_ref<__u64>(*waits_).store(0);
    return false;
}

int RingReader::on_record(void* self, void* data, std::size_t size)
{
    auto* reader = static_cast<RingReader*>(self);
    // A reservation's size is fixed in the program; how much of it was used stands in the header.
    pw_header header{};
    std::memcpy(&header, data, std::min(size, sizeof(header)));
    const std::size_t used = header.bytes >= sizeof(header) ? std::min<std::size_t>(size, header.bytes) : size;
    reader->handler_({static_cast<const std::byte*>(data), used});
    // A negative value makes libbpf stop after this record.
    return ++reader->handled_ >= reader->limit_ ? -ECANCELED : 0;
}

Result<std::size_t> RingReader::consume(std::size_t limit)
{
    handled_ = 0;
    limit_ = limit;
    const int result = ring_buffer__consume(ring_.get());
    if (result < 0 && result != -ECANCELED) {
        return std::unexpected(system_error("read the event ring", result));
    }
    return handled_;
}

}  // namespace pinwarden
