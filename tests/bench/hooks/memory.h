// Memory whose pages lie in the machine's memory as a test wants them.
#pragma once

#include <cstddef>
#include <span>

namespace pinwarden::bench {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20U;

enum class Pages {
    kScattered,  // of 4 KiB, first touched in random order: hardly two neighbours are neighbours in the machine
    kHuge,       // of 2 MiB
};

class Memory {
public:
    // Throws std::runtime_error.
    Memory(std::size_t bytes, Pages pages);
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    [[nodiscard]] std::span<std::byte> first(std::size_t count) const { return bytes_.first(count); }

private:
    std::span<std::byte> mapped_;  // a huge page more, so that bytes_ can begin where one begins
    std::span<std::byte> bytes_;
};

}  // namespace pinwarden::bench
