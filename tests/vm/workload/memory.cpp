#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace workload {
namespace {

using pinwarden::system_error;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20U;

struct Shape {
    std::size_t bytes;
    std::size_t page;
};

Shape shape(Kind kind)
{
    switch (kind) {
        case Kind::kAnonymous: return {128 * kPage, kPage};
        case Kind::kAnonymousHuge: return {2 * kHugePage, kPage};
        case Kind::kMemfdHugetlb: return {2 * kHugePage, kHugePage};
        case Kind::kTmpfsHuge: return {2 * kHugePage, kPage};
        case Kind::kHugetlbfs: return {2 * kHugePage, kHugePage};
        case Kind::kTmpfs: return {768 * kPage, kPage};  // more than RDMA pins in one call
        default: return {128 * kPage, kPage};
    }
}

OwnedFd open_file(const std::string& folder)
{
    return OwnedFd(open((folder + "/shared").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

OwnedFd open_for(Kind kind, const Places& places)
{
    switch (kind) {
        case Kind::kMemfd: return OwnedFd(memfd_create("workload", MFD_CLOEXEC));
        case Kind::kMemfdHugetlb: return OwnedFd(memfd_create("workload-huge", MFD_CLOEXEC | MFD_HUGETLB));
        case Kind::kTmpfs: return open_file(places.tmpfs);
        case Kind::kTmpfsHuge: return open_file(places.huge_tmpfs);
        case Kind::kHugetlbfs: return open_file(places.hugetlbfs);
        case Kind::kExt4: return open_file(places.ext4);
        case Kind::kXfs: return open_file(places.xfs);
        case Kind::kExt4Private: return open_file(places.ext4);
        default: return {};
    }
}

bool is_anonymous(Kind kind)
{
    return kind == Kind::kAnonymous || kind == Kind::kAnonymousHuge;
}

}  // namespace

Area::Area(Area&& other) noexcept
    : kind_(other.kind_),
      file_(std::move(other.file_)),
      reserved_(std::exchange(other.reserved_, {})),
      bytes_(std::exchange(other.bytes_, {}))
{
}

Area& Area::operator=(Area&& other) noexcept
{
    std::swap(kind_, other.kind_);
    std::swap(file_, other.file_);
    std::swap(reserved_, other.reserved_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Area::~Area()
{
    unmap();
}

std::size_t Area::page() const
{
    return shape(kind_).page;
}

Result<Area> Area::create(Kind kind, const Places& places)
{
    Area area(kind, open_for(kind, places));
    if (!is_anonymous(kind)) {
        if (!area.file_.valid()) {
            return std::unexpected(system_error("open the file of an area", errno));
        }
        if (ftruncate(area.file_.get(), static_cast<off_t>(shape(kind).bytes)) != 0) {
            return std::unexpected(system_error("ftruncate", errno));
        }
    }
    if (auto mapped = area.map(); !mapped) {
        return std::unexpected(mapped.error());
    }
    return area;
}

// Reserves enough to align to a huge page, then maps into that: so that huge pages are used where there are any.
Result<void> Area::map()
{
    const std::size_t bytes = shape(kind_).bytes;
    void* reserved = mmap(nullptr, bytes + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved == MAP_FAILED) {
        return std::unexpected(system_error("mmap", errno));
    }
    reserved_ = {static_cast<std::byte*>(reserved), bytes + kHugePage};
    std::byte* aligned = reserved_.data() + (kHugePage - reinterpret_cast<std::uintptr_t>(reserved) % kHugePage);
    const bool is_private = is_anonymous(kind_) || kind_ == Kind::kExt4Private;
    const int flags = MAP_FIXED | (is_private ? MAP_PRIVATE : MAP_SHARED) | (file_.valid() ? 0 : MAP_ANONYMOUS);
    if (mmap(aligned, bytes, PROT_READ | PROT_WRITE, flags, file_.get(), 0) == MAP_FAILED) {
        const auto error = system_error("mmap", errno);
        unmap();
        return std::unexpected(error);
    }
    bytes_ = {aligned, bytes};
    if (kind_ == Kind::kAnonymousHuge) {
        madvise(aligned, bytes, MADV_HUGEPAGE);
    }
    return {};
}

void Area::unmap()
{
    if (!reserved_.empty()) {
        munmap(reserved_.data(), reserved_.size());
    }
    reserved_ = {};
    bytes_ = {};
}

Result<void> Area::write(std::span<std::byte> part)
{
    // Through /proc, because memory behind the end of its file raises SIGBUS.
    static const OwnedFd self(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
    const std::array<std::byte, 8> content{std::byte{0x5a}};
    for (std::size_t at = 0; at < part.size(); at += kPage) {
        const auto address = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(part.data() + at));
        if (pwrite(self.get(), content.data(), content.size(), address) < 0) {
            return std::unexpected(system_error("write to the mapping", errno));
        }
    }
    return {};
}

Result<void> Area::resize_file(std::size_t bytes)
{
    if (ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) {
        return std::unexpected(system_error("ftruncate", errno));
    }
    return {};
}

Result<void> Area::punch(std::size_t offset, std::size_t length)
{
    constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (fallocate(file_.get(), kMode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
        return std::unexpected(system_error("fallocate", errno));
    }
    return {};
}

Result<void> Area::drop(std::span<std::byte> part)
{
    if (madvise(part.data(), part.size(), MADV_DONTNEED) != 0) {
        return std::unexpected(system_error("madvise", errno));
    }
    return {};
}

Result<void> Area::map_anew()
{
    unmap();
    return map();
}

Result<std::vector<Area>> make_areas(const Places& places)
{
    std::vector<Area> areas;
    for (const Kind kind : {Kind::kAnonymous, Kind::kAnonymousHuge, Kind::kMemfd, Kind::kMemfdHugetlb, Kind::kTmpfs,
                            Kind::kTmpfsHuge, Kind::kHugetlbfs, Kind::kExt4, Kind::kXfs, Kind::kExt4Private}) {
        auto area = Area::create(kind, places);
        if (!area) {
            return std::unexpected(area.error().within("area " + std::to_string(static_cast<int>(kind))));
        }
        areas.push_back(std::move(*area));
    }
    return areas;
}

}  // namespace workload
