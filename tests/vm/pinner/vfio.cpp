// VFIO's type 1 IOMMU: memory mapped for a device that user space drives.
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <cstdint>

#include "base/fd.h"
#include "device.h"

namespace pinner {
namespace {

using pinwarden::OwnedFd;
using pinwarden::system_error;

constexpr std::uint64_t kFirstAddress = 1U << 20U;

class DmaMapping final : public Registration {
public:
    DmaMapping(int container, std::uint64_t address, std::uint64_t bytes, std::uint64_t& next)
        : container_(container), address_(address), bytes_(bytes), next_(next)
    {
    }
    ~DmaMapping() override
    {
        vfio_iommu_type1_dma_unmap unmap{};
        unmap.argsz = sizeof(unmap);
        unmap.iova = address_;
        unmap.size = bytes_;
        ioctl(container_, VFIO_IOMMU_UNMAP_DMA, &unmap);
        // There are not that many addresses: the last are given out again.
        if (next_ == address_ + bytes_) {
            next_ = address_;
        }
    }

private:
    int container_;
    std::uint64_t address_;
    std::uint64_t bytes_;
    std::uint64_t& next_;
};

class Vfio final : public Device {
public:
    Vfio(OwnedFd container, OwnedFd group) : container_(std::move(container)), group_(std::move(group)) {}

    Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access access) override
    {
        const std::uint32_t write = access == Access::kReadOnly ? 0U : VFIO_DMA_MAP_FLAG_WRITE;
        vfio_iommu_type1_dma_map map{.argsz = sizeof(map),
                                     .flags = VFIO_DMA_MAP_FLAG_READ | write,
                                     .vaddr = reinterpret_cast<std::uintptr_t>(memory.data()),
                                     .iova = next_,
                                     .size = memory.size()};
        if (ioctl(container_.get(), VFIO_IOMMU_MAP_DMA, &map) != 0) {
            return std::unexpected(system_error("VFIO_IOMMU_MAP_DMA", errno));
        }
        next_ += memory.size();
        return std::make_unique<DmaMapping>(container_.get(), map.iova, map.size, next_);
    }

private:
    OwnedFd container_;
    OwnedFd group_;
    std::uint64_t next_ = kFirstAddress;  // in the device's address space
};

}  // namespace

Result<std::unique_ptr<Device>> open_vfio(const std::string& group_path)
{
    OwnedFd container(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
    if (!container.valid()) {
        return std::unexpected(system_error("open /dev/vfio/vfio", errno));
    }
    OwnedFd group(open(group_path.c_str(), O_RDWR | O_CLOEXEC));
    if (!group.valid()) {
        return std::unexpected(system_error("open " + group_path, errno));
    }
    int number = container.get();
    if (ioctl(group.get(), VFIO_GROUP_SET_CONTAINER, &number) != 0) {
        return std::unexpected(system_error("VFIO_GROUP_SET_CONTAINER", errno));
    }
    if (ioctl(container.get(), VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0) {
        return std::unexpected(system_error("VFIO_SET_IOMMU", errno));
    }
    return std::make_unique<Vfio>(std::move(container), std::move(group));
}

}  // namespace pinner
