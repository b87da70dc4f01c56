#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace pinner {
namespace {

using pinwarden::OwnedFd;
using pinwarden::system_error;

constexpr std::size_t kPage = 4096;

Result<void> grow(int fd, std::size_t bytes)
{
    struct stat status{};
    if (fstat(fd, &status) != 0) {
        return std::unexpected(system_error("fstat", errno));
    }
    if (std::cmp_less(status.st_size, bytes) && ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
        return std::unexpected(system_error("ftruncate", errno));
    }
    return {};
}

// As much as there is of `bytes` bytes from `offset` on.
Result<std::vector<std::byte>> read_all(int fd, std::size_t bytes, std::uintptr_t offset, const std::string& what)
{
    std::vector<std::byte> content(bytes);
    std::size_t done = 0;
    while (done < bytes) {
        const ssize_t got = pread(fd, content.data() + done, bytes - done, static_cast<off_t>(offset + done));
        if (got < 0) {
            return std::unexpected(system_error("read " + what, errno));
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    content.resize(done);
    return content;
}

// Keeps the process's other memory out of a hole. MAP_FIXED_NOREPLACE takes nobody's place.
Result<void> reserve(std::span<std::byte> hole)
{
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (mmap(hole.data(), hole.size(), PROT_NONE, kFlags, -1, 0) != hole.data()) {
        return std::unexpected(system_error("mmap in place of what was there", errno));
    }
    return {};
}

}  // namespace

Memory::Memory(OwnedFd fd, std::string path, std::span<std::byte> bytes)
    : fd_(std::move(fd)), path_(std::move(path)), bytes_(bytes)
{
}

Memory::Memory(Memory&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {}))
{
}

Memory& Memory::operator=(Memory&& other) noexcept
{
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Memory::~Memory()
{
    if (!bytes_.empty()) {
        munmap(bytes_.data(), bytes_.size());
    }
}

Result<Memory> Memory::map(OwnedFd fd, std::string path, std::size_t bytes, Mapping mapping)
{
    const int protection = mapping == Mapping::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
    const int flags = (mapping == Mapping::kPrivate ? MAP_PRIVATE : MAP_SHARED) | (fd.valid() ? 0 : MAP_ANONYMOUS);
    void* address = mmap(nullptr, bytes, protection, flags, fd.get(), 0);
    if (address == MAP_FAILED) {
        return std::unexpected(system_error("mmap", errno));
    }
    return Memory(std::move(fd), std::move(path), {static_cast<std::byte*>(address), bytes});
}

Result<Memory> Memory::of_file(const std::string& path, std::size_t bytes, Mapping mapping)
{
    OwnedFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd.valid()) {
        return std::unexpected(system_error("open " + path, errno));
    }
    if (auto grown = grow(fd.get(), bytes); !grown) {
        return std::unexpected(grown.error());
    }
    return map(std::move(fd), path, bytes, mapping);
}

Result<Memory> Memory::of_files(const std::string& prefix, std::size_t count)
{
    auto memory = anonymous(count * kPage);
    for (std::size_t i = 0; memory && i < count; ++i) {
        const std::string path = prefix + std::to_string(i);
        const OwnedFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!fd.valid()) {
            return std::unexpected(system_error("open " + path, errno));
        }
        if (auto grown = grow(fd.get(), 2 * kPage); !grown) {
            return std::unexpected(grown.error());
        }
        void* const place = memory->bytes().subspan(i * kPage).data();
        if (mmap(place, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd.get(), 0) == MAP_FAILED) {
            return std::unexpected(system_error("mmap " + path, errno));
        }
    }
    return memory;
}

Result<Memory> Memory::of_memfd(const std::string& name, std::size_t bytes, bool huge)
{
    OwnedFd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB : 0U)));
    if (!fd.valid()) {
        return std::unexpected(system_error("memfd_create", errno));
    }
    if (auto grown = grow(fd.get(), bytes); !grown) {
        return std::unexpected(grown.error());
    }
    std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd.get());
    return map(std::move(fd), std::move(path), bytes, Mapping::kShared);
}

Result<Memory> Memory::anonymous(std::size_t bytes)
{
    return map(OwnedFd(), "", bytes, Mapping::kPrivate);
}

Result<Memory> Memory::segment(std::size_t bytes)
{
    const int segment = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
    if (segment < 0) {
        return std::unexpected(system_error("shmget", errno));
    }
    void* address = shmat(segment, nullptr, 0);
    const int error = errno;
    shmctl(segment, IPC_RMID, nullptr);
    if (reinterpret_cast<std::intptr_t>(address) == -1) {
        return std::unexpected(system_error("shmat", error));
    }
    return Memory(OwnedFd(), "", {static_cast<std::byte*>(address), bytes});
}

Result<void> Memory::unmap(std::span<std::byte> part)
{
    if (munmap(part.data(), part.size()) != 0) {
        return std::unexpected(system_error("munmap", errno));
    }
    return reserve(part);
}

Result<void> Memory::cover(std::span<std::byte> part)
{
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(part.data(), part.size(), PROT_READ | PROT_WRITE, kFlags, -1, 0) != part.data()) {
        return std::unexpected(system_error("mmap(MAP_FIXED)", errno));
    }
    return {};
}

Result<void> Memory::advise(std::span<std::byte> part, int advice)
{
    if (madvise(part.data(), part.size(), advice) != 0) {
        return std::unexpected(system_error("madvise", errno));
    }
    return {};
}

Result<std::span<std::byte>> Memory::move(std::span<std::byte> part)
{
    void* target = mmap(nullptr, part.size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (target == MAP_FAILED) {
        return std::unexpected(system_error("mmap", errno));
    }
    if (mremap(part.data(), part.size(), part.size(), MREMAP_MAYMOVE | MREMAP_FIXED, target) != target) {
        return std::unexpected(system_error("mremap", errno));
    }
    if (auto reserved = reserve(part); !reserved) {
        return std::unexpected(reserved.error());
    }
    return std::span(static_cast<std::byte*>(target), part.size());
}

Result<void> Memory::detach()
{
    if (shmdt(bytes_.data()) != 0) {
        return std::unexpected(system_error("shmdt", errno));
    }
    bytes_ = {};
    return {};
}

Result<std::vector<std::byte>> Memory::read_mapping() const
{
    // Through /proc, because a mapping that reaches behind the end of its file raises SIGBUS.
    const OwnedFd self(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    return read_all(self.get(), bytes_.size(), reinterpret_cast<std::uintptr_t>(bytes_.data()), "the mapping");
}

Result<std::vector<std::byte>> Memory::read_file() const
{
    if (!fd_.valid()) {
        return pinwarden::fail("there is no file", EBADF);
    }
    return read_all(fd_.get(), bytes_.size(), 0, "the file");
}

}  // namespace pinner
