// Which driver pinned: from the call stack's first frame outside mm/ and the layers that only pass pins through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pinwarden {

// A kernel return address with its name. `module` is empty for code built into the kernel; `symbol` is empty when the
// address is unknown (kallsyms hidden).
struct Frame {
    std::string symbol;
    std::string module;
    std::uint64_t offset = 0;
};

// "symbol+0x1f [module]".
std::string to_string(const Frame& frame);

// Names kernel addresses. The real one reads /proc/kallsyms; tests have a table.
class StackNamer {
public:
    StackNamer() = default;
    StackNamer(const StackNamer&) = delete;
    StackNamer& operator=(const StackNamer&) = delete;
    virtual ~StackNamer() = default;

    virtual Frame name(std::uint64_t address) = 0;
    // Another number when an address may have another name than before.
    virtual std::uint64_t naming() { return 0; }
};

// rdma_rxe, vfio, iommufd, io_uring, xdp, kvm, ... from a table for what is built in or layered (io_uring, ib_uverbs
// and ib_core in front of the device's driver, vfio_iommu_type1, ...); the module's name for the rest; "kernel" for
// other built-in code; "unknown" when no frame has a name.
std::string classify_driver(std::span<const Frame> stack);

// The innermost frame that is the driver's, as an index; a layer's where no driver follows. Nothing when no frame of
// either has a name.
std::optional<std::size_t> driver_frame(std::span<const Frame> stack);

}  // namespace pinwarden
