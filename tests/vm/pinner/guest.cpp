// A virtual machine of KVM's, which sees memory through an mmu notifier and pins none of it.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cstdint>

#include "base/fd.h"
#include "device.h"

namespace pinner {
namespace {

using pinwarden::OwnedFd;
using pinwarden::system_error;

class Slot final : public Registration {
public:
    Slot(int machine, std::uint32_t number) : machine_(machine), number_(number) {}
    ~Slot() override
    {
        kvm_userspace_memory_region none{};
        none.slot = number_;
        ioctl(machine_, KVM_SET_USER_MEMORY_REGION, &none);
    }

private:
    int machine_;
    std::uint32_t number_;
};

class Guest final : public Device {
public:
    explicit Guest(OwnedFd machine) : machine_(std::move(machine)) {}

    Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access access) override
    {
        const kvm_userspace_memory_region region{.slot = slots_,
                                                 .flags = access == Access::kReadOnly ? unsigned{KVM_MEM_READONLY} : 0U,
                                                 .guest_phys_addr = next_,
                                                 .memory_size = memory.size(),
                                                 .userspace_addr = reinterpret_cast<std::uintptr_t>(memory.data())};
        if (ioctl(machine_.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) {
            return std::unexpected(system_error("KVM_SET_USER_MEMORY_REGION", errno));
        }
        next_ += memory.size();
        return std::make_unique<Slot>(machine_.get(), slots_++);
    }

private:
    OwnedFd machine_;
    std::uint32_t slots_ = 0;
    std::uint64_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<Device>> open_guest()
{
    const OwnedFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm.valid()) {
        return std::unexpected(system_error("open /dev/kvm", errno));
    }
    OwnedFd machine(ioctl(kvm.get(), KVM_CREATE_VM, 0));
    if (!machine.valid()) {
        return std::unexpected(system_error("KVM_CREATE_VM", errno));
    }
    return std::make_unique<Guest>(std::move(machine));
}

}  // namespace pinner
