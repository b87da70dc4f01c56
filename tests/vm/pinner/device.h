// Devices that pin memory for as long as they may use it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace pinner {

using pinwarden::Result;

enum class Access { kReadOnly, kReadWrite };  // what the device may do

// Memory in the hands of a device. Destroying it lets the memory go.
class Registration {
public:
    Registration() = default;
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    virtual ~Registration() = default;

    // What the device finds in the memory it holds.
    virtual Result<std::vector<std::byte>> read()
    {
        return pinwarden::fail("this device cannot be told to read", ENOTSUP);
    }
    // Has the device write it. As long as what it holds.
    virtual Result<void> write(std::span<const std::byte> /*content*/)
    {
        return pinwarden::fail("this device cannot be told to write", ENOTSUP);
    }
};

class Device {
public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    // Hands memory to the device. Must not outlive the device.
    virtual Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access access) = 0;
};

// A memory region of the first RDMA device; with `on_demand`, one that pins nothing.
Result<std::unique_ptr<Device>> open_rdma(bool on_demand);
// A registered buffer in a ring of its own; always read-write.
Result<std::unique_ptr<Device>> open_uring();
// A dma-buf of a memfd's pages, which is sealed against shrinking by that; always read-write.
Result<std::unique_ptr<Device>> open_udmabuf();
// Memory of a virtual machine that never runs: nothing is pinned, but the process has an mmu notifier.
Result<std::unique_ptr<Device>> open_guest();
// A DMA mapping behind the IOMMU of a group (/dev/vfio/NUMBER). The group can be opened once at a time.
Result<std::unique_ptr<Device>> open_vfio(const std::string& group);
// The packet memory of an AF_XDP socket; always read-write.
Result<std::unique_ptr<Device>> open_xdp();

}  // namespace pinner
