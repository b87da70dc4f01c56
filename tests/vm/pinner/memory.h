// The memory to pin, and the file under it if there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pinner {

using pinwarden::Result;

enum class Mapping { kShared, kPrivate, kReadOnly };

class Memory {
public:
    // Creates the file if there is none, and makes it at least `bytes` long.
    static Result<Memory> of_file(const std::string& path, std::size_t bytes, Mapping mapping);
    // The first page of each of `count` files, PREFIX0 and so on, one behind the other. Each is made two pages long.
    static Result<Memory> of_files(const std::string& prefix, std::size_t count);
    static Result<Memory> of_memfd(const std::string& name, std::size_t bytes, bool huge);
    static Result<Memory> anonymous(std::size_t bytes);
    // System V shared memory.
    static Result<Memory> segment(std::size_t bytes);

    Memory(Memory&& other) noexcept;
    Memory& operator=(Memory&& other) noexcept;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    [[nodiscard]] int fd() const { return fd_.get(); }  // -1 for anonymous memory
    // A path that leads to the file, also from a child process.
    [[nodiscard]] const std::string& path() const { return path_; }

    // What the process sees through its mapping. EIO where the file has become shorter than the mapping.
    [[nodiscard]] Result<std::vector<std::byte>> read_mapping() const;
    // What read(2) sees. Shorter than the mapping where the file is.
    [[nodiscard]] Result<std::vector<std::byte>> read_file() const;

    // What takes pages away from addresses. The addresses stay reserved for this memory. `part` lies in bytes().
    static Result<void> unmap(std::span<std::byte> part);
    static Result<void> cover(std::span<std::byte> part);
    static Result<void> advise(std::span<std::byte> part, int advice);
    // Where the part is mapped from now on, until the process ends.
    static Result<std::span<std::byte>> move(std::span<std::byte> part);
    // All of a segment.
    Result<void> detach();

private:
    Memory(pinwarden::OwnedFd fd, std::string path, std::span<std::byte> bytes);
    static Result<Memory> map(pinwarden::OwnedFd fd, std::string path, std::size_t bytes, Mapping mapping);

    pinwarden::OwnedFd fd_;
    std::string path_;
    std::span<std::byte> bytes_;
};

}  // namespace pinner
