#include "daemon/keep.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "base/fd.h"
#include "hooks/need.h"

namespace pinwarden::bench {
namespace {

constexpr std::size_t kBuffer = kHugePage;

}  // namespace

Kept::Kept(std::size_t pages) : memory_(pages * kPage, Pages::kScattered)
{
    std::vector<iovec> pieces;
    for (std::size_t at = 0; at < memory_.bytes().size(); at += kBuffer) {
        pieces.push_back({&memory_.bytes()[at], kBuffer});
    }
    ring_.add(pieces);
}

std::uint64_t Kept::extents() const
{
    constexpr std::uint64_t kNumber = (std::uint64_t{1} << 55U) - 1;
    const OwnedFd file(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::vector<std::uint64_t> entries(memory_.bytes().size() / kPage);
    const auto bytes = static_cast<ssize_t>(entries.size() * sizeof(std::uint64_t));
    const auto at =
        static_cast<off_t>(reinterpret_cast<std::uintptr_t>(memory_.bytes().data()) / kPage * sizeof(std::uint64_t));
    for (ssize_t done = 0; done < bytes;) {
        const ssize_t got = pread(file.get(), reinterpret_cast<std::byte*>(entries.data()) + done,
                                  static_cast<std::size_t>(bytes - done), at + done);
        need(got > 0, "read which pages are mapped");
        done += got;
    }
    std::uint64_t extents = 0;
    for (std::size_t page = 0; page < entries.size(); ++page) {
        const bool first = page % (kBuffer / kPage) == 0;
        extents += first || (entries[page] & kNumber) != (entries[page - 1] & kNumber) + 1 ? 1U : 0U;
    }
    return extents;
}

}  // namespace pinwarden::bench
