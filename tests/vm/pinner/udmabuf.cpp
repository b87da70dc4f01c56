// A dma-buf of a memfd's pages.
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/fd.h"
#include "device.h"

namespace pinner {
namespace {

using pinwarden::fail;
using pinwarden::OwnedFd;
using pinwarden::system_error;

// The file that is mapped at an address, and where in it that is.
struct Mapped {
    OwnedFd file;
    std::uint64_t offset = 0;
};

Result<Mapped> find_mapped(std::uintptr_t address)
{
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        std::uint64_t offset = 0;
        // NOLINTNEXTLINE(cert-err34-c): numbers the kernel wrote
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) != 3 ||
            address < start || address >= end) {
            continue;
        }
        const std::string path = "/proc/self/map_files/" + line.substr(0, line.find(' '));
        Mapped mapped{OwnedFd(open(path.c_str(), O_RDWR | O_CLOEXEC)), offset + (address - start)};
        if (!mapped.file.valid()) {
            return std::unexpected(system_error("open " + path, errno));
        }
        return mapped;
    }
    return fail("no file is mapped there", EINVAL);
}

class Buffer final : public Registration {
public:
    explicit Buffer(OwnedFd buffer) : buffer_(std::move(buffer)) {}

private:
    OwnedFd buffer_;
};

class Udmabuf final : public Device {
public:
    explicit Udmabuf(OwnedFd device) : device_(std::move(device)) {}

    Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access /*access*/) override
    {
        const auto mapped = find_mapped(reinterpret_cast<std::uintptr_t>(memory.data()));
        if (!mapped) {
            return std::unexpected(mapped.error());
        }
        // It takes only what cannot become shorter.
        if (fcntl(mapped->file.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
            return std::unexpected(system_error("seal the memfd", errno));
        }
        udmabuf_create create{};
        create.memfd = static_cast<__u32>(mapped->file.get());
        create.flags = UDMABUF_FLAGS_CLOEXEC;
        create.offset = mapped->offset;
        create.size = memory.size();
        OwnedFd buffer(ioctl(device_.get(), UDMABUF_CREATE, &create));
        if (!buffer.valid()) {
            return std::unexpected(system_error("UDMABUF_CREATE", errno));
        }
        return std::make_unique<Buffer>(std::move(buffer));
    }

private:
    OwnedFd device_;
};

}  // namespace

Result<std::unique_ptr<Device>> open_udmabuf()
{
    OwnedFd device(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
    if (!device.valid()) {
        return std::unexpected(system_error("open /dev/udmabuf", errno));
    }
    return std::make_unique<Udmabuf>(std::move(device));
}

}  // namespace pinner
