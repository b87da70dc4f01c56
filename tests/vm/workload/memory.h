// The memory that is pinned: of every kind that pages come from, shared between the processes where it can be.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace workload {

using pinwarden::OwnedFd;
using pinwarden::Result;

// Where the files that all processes map are: a folder of each file system. Set up by the director.
struct Places {
    std::string tmpfs;
    std::string huge_tmpfs;  // transparent huge pages, wherever they fit
    std::string hugetlbfs;
    std::string ext4;
    std::string xfs;
};

enum class Kind {
    kAnonymous,
    kAnonymousHuge,
    kMemfd,         // of this process alone
    kMemfdHugetlb,  // likewise
    kTmpfs,
    kTmpfsHuge,
    kHugetlbfs,
    kExt4,
    kXfs,
    kExt4Private,  // a private mapping
};

// A mapping; its file, if it has one, may be shorter than it at any time.
class Area {
public:
    static Result<Area> create(Kind kind, const Places& places);

    Area(Area&& other) noexcept;
    Area& operator=(Area&& other) noexcept;
    Area(const Area&) = delete;
    Area& operator=(const Area&) = delete;
    ~Area();

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    // Sizes and offsets of it are multiples of that.
    [[nodiscard]] std::size_t page() const;
    [[nodiscard]] bool has_file() const { return file_.valid(); }

    // What can be done to it; each may fail, and then nothing has happened.
    static Result<void> write(std::span<std::byte> part);
    Result<void> resize_file(std::size_t bytes);
    Result<void> punch(std::size_t offset, std::size_t length);
    static Result<void> drop(std::span<std::byte> part);  // MADV_DONTNEED
    Result<void> map_anew();

private:
    Area(Kind kind, OwnedFd file) : kind_(kind), file_(std::move(file)) {}
    Result<void> map();
    void unmap();

    Kind kind_;
    OwnedFd file_;
    std::span<std::byte> reserved_;  // may begin before `bytes_`, to align that
    std::span<std::byte> bytes_;
};

// One of each kind.
Result<std::vector<Area>> make_areas(const Places& places);

}  // namespace workload
