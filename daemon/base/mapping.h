// A piece of a file in memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace pinwarden {

class Mapping {
public:
    Mapping() = default;
    // Shared. Not valid when it could not be mapped; errno says why.
    static Mapping of(int fd, std::uint64_t offset, std::size_t bytes, int protection)
    {
        void* const at = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
        return at == MAP_FAILED ? Mapping() : Mapping(static_cast<std::byte*>(at), bytes);
    }
    Mapping(Mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), bytes_(std::exchange(other.bytes_, 0))
    {
    }
    Mapping& operator=(Mapping&& other) noexcept
    {
        if (this != &other) {
            reset();
            at_ = std::exchange(other.at_, nullptr);
            bytes_ = std::exchange(other.bytes_, 0);
        }
        return *this;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { reset(); }

    [[nodiscard]] bool valid() const { return at_ != nullptr; }
    [[nodiscard]] std::byte* at() const { return at_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    Mapping(std::byte* at, std::size_t bytes) : at_(at), bytes_(bytes) {}
    void reset()
    {
        if (at_ != nullptr) {
            ::munmap(at_, bytes_);
        }
    }

    std::byte* at_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace pinwarden
