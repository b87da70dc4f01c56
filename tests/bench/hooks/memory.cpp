#include "hooks/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "base/result.h"

namespace pinwarden::bench {

Memory::Memory(std::size_t bytes, Pages pages)
{
    const std::size_t mapped = bytes + kHugePage;
    void* const address = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
        throw std::runtime_error(system_error("map memory", errno).message);
    }
    mapped_ = {static_cast<std::byte*>(address), mapped};
    const std::size_t over = reinterpret_cast<std::uintptr_t>(address) % kHugePage;
    bytes_ = mapped_.subspan(over == 0 ? 0 : kHugePage - over, bytes);
    if (madvise(bytes_.data(), bytes, pages == Pages::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0) {
        throw std::runtime_error(system_error("choose the size of pages", errno).message);
    }
    std::vector<std::size_t> order(bytes / kPage);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (pages == Pages::kScattered) {
        std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    }
    for (const std::size_t page : order) {
        bytes_[page * kPage] = std::byte{1};
    }
}

Memory::~Memory()
{
    munmap(mapped_.data(), mapped_.size());
}

}  // namespace pinwarden::bench
