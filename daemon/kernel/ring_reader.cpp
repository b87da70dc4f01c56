#include "kernel/ring_reader.h"

#include <bpf/bpf.h>
#include <pinwarden/abi.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace pinwarden {
namespace {

// What is mapped at once: a few thousand records.
constexpr std::size_t kWindow = std::size_t{256} << 10U;

std::size_t page_bytes()
{
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

Error not_mapped(int error)
{
    return system_error("map the event ring", error);
}

// The kernel orders what it writes to the ring by these.
template <typename Number>
Number load(const std::byte* from)
{
    return __atomic_load_n(reinterpret_cast<const Number*>(from), __ATOMIC_ACQUIRE);
}

// A record takes a header, and is padded to eight bytes.
std::uint64_t room_for(std::size_t size)
{
    return (BPF_RINGBUF_HDR_SZ + size + 7) / 8 * 8;
}

}  // namespace

Result<std::unique_ptr<RingReader>> RingReader::open(int ring_fd, __u64* waits, Handler handler)
{
    auto reader = std::unique_ptr<RingReader>(new RingReader(ring_fd, waits, std::move(handler)));
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(ring_fd, &info, &length) != 0) {
        return std::unexpected(system_error("ask for the size of the event ring", errno));
    }
    reader->bytes_ = info.max_entries;
    const std::size_t page = page_bytes();
    reader->consumer_ = Mapping::of(ring_fd, 0, page, PROT_READ | PROT_WRITE);
    reader->producer_ = Mapping::of(ring_fd, page, page, PROT_READ);
    if (!reader->consumer_.valid() || !reader->producer_.valid()) {
        return std::unexpected(not_mapped(errno));
    }
    return reader;
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

// The kernel shows the ring twice in a row behind the two pages, so that no record is cut in two.
Result<const std::byte*> RingReader::at(std::uint64_t position, std::size_t bytes)
{
    const std::uint64_t offset = position & (bytes_ - 1);
    if (offset < window_begin_ || offset + bytes > window_begin_ + window_.bytes()) {
        const std::size_t page = page_bytes();
        const std::uint64_t begin = offset / page * page;
        const std::uint64_t wanted =
            (std::max<std::uint64_t>(offset - begin + bytes, kWindow) + page - 1) / page * page;
        window_ = Mapping::of(ring_fd_, 2 * page + begin, std::min(wanted, 2 * bytes_ - begin), PROT_READ);
        if (!window_.valid()) {
            return std::unexpected(not_mapped(errno));
        }
        window_begin_ = begin;
    }
    return window_.at() + (offset - window_begin_);
}

// A reservation's size is fixed in the program; how much of it was used stands in the header.
void RingReader::handle(const std::byte* record, std::size_t size)
{
    pw_header header{};
    std::memcpy(&header, record, std::min(size, sizeof(header)));
    const std::size_t used = header.bytes >= sizeof(header) ? std::min<std::size_t>(size, header.bytes) : size;
    handler_({record, used});
}

std::uint64_t RingReader::consumed() const
{
    return load<std::uint64_t>(consumer_.at());
}

std::uint64_t RingReader::used() const
{
    return load<std::uint64_t>(producer_.at()) - consumed();
}

Result<bool> RingReader::read_again(std::uint64_t from)
{
    const std::uint64_t end = consumed();
    std::vector<std::byte> copy;
    while (from < end) {
        auto record = at(from, BPF_RINGBUF_HDR_SZ);
        if (!record) {
            return std::unexpected(record.error());
        }
        const auto length = load<std::uint32_t>(*record);
        const std::size_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        // No record is as large: what stands there is none any more.
        if (size > bytes_ - BPF_RINGBUF_HDR_SZ) {
            return false;
        }
        record = at(from, BPF_RINGBUF_HDR_SZ + size);
        if (!record) {
            return std::unexpected(record.error());
        }
        copy.assign(*record, *record + BPF_RINGBUF_HDR_SZ + size);
        // Only after it was copied can be known that nothing was written over it.
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load<std::uint64_t>(producer_.at()) - from > bytes_) {
            return false;
        }
        if ((length & BPF_RINGBUF_DISCARD_BIT) == 0) {
            handle(copy.data() + BPF_RINGBUF_HDR_SZ, size);
        }
        from += room_for(size);
    }
    return from == end;
}

Result<std::size_t> RingReader::consume(std::size_t limit)
{
    auto* const consumed = reinterpret_cast<std::uint64_t*>(consumer_.at());
    std::uint64_t position = *consumed;
    std::size_t handled = 0;
    while (handled < limit && position < load<std::uint64_t>(producer_.at())) {
        auto record = at(position, BPF_RINGBUF_HDR_SZ);
        if (!record) {
            return std::unexpected(record.error());
        }
        const auto length = load<std::uint32_t>(*record);
        if ((length & BPF_RINGBUF_BUSY_BIT) != 0) {
            break;
        }
        const std::size_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if ((length & BPF_RINGBUF_DISCARD_BIT) == 0) {
            record = at(position, BPF_RINGBUF_HDR_SZ + size);
            if (!record) {
                return std::unexpected(record.error());
            }
            handle(*record + BPF_RINGBUF_HDR_SZ, size);
            ++handled;
        }
        position += room_for(size);
        // What was read may be written over.
        __atomic_store_n(consumed, position, __ATOMIC_RELEASE);
    }
    return handled;
}

}  // namespace pinwarden
