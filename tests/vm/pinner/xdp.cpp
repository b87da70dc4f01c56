// AF_XDP's packet memory: one area for each socket.
#include <linux/if_xdp.h>
#include <sys/socket.h>

#include <cstdint>

#include "base/fd.h"
#include "device.h"

namespace pinner {
namespace {

using pinwarden::OwnedFd;
using pinwarden::system_error;

constexpr std::uint32_t kChunk = 2048;

// Let go some time after the socket is closed, in a worker of the kernel's.
class Umem final : public Registration {
public:
    explicit Umem(OwnedFd socket) : socket_(std::move(socket)) {}

private:
    OwnedFd socket_;
};

class Xdp final : public Device {
public:
    Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access /*access*/) override
    {
        OwnedFd fd(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
        if (!fd.valid()) {
            return std::unexpected(system_error("socket(AF_XDP)", errno));
        }
        xdp_umem_reg area{};
        area.addr = reinterpret_cast<std::uintptr_t>(memory.data());
        area.len = memory.size();
        area.chunk_size = kChunk;
        if (setsockopt(fd.get(), SOL_XDP, XDP_UMEM_REG, &area, sizeof(area)) != 0) {
            return std::unexpected(system_error("XDP_UMEM_REG", errno));
        }
        return std::make_unique<Umem>(std::move(fd));
    }
};

}  // namespace

Result<std::unique_ptr<Device>> open_xdp()
{
    return std::make_unique<Xdp>();
}

}  // namespace pinner
