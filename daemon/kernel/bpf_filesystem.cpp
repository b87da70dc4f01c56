#include "kernel/bpf_filesystem.h"

#include <sys/vfs.h>

#include <cerrno>
#include <string>

namespace pinwarden {

Result<void> check_bpf_filesystem()
{
    constexpr long kMagic = 0xcafe4a11;
    struct statfs mounted{};
    if (statfs(kBpfFilesystem, &mounted) != 0 || mounted.f_type != kMagic) {
        return fail(std::string("no BPF file system is mounted at ") + kBpfFilesystem + " (mount -t bpf bpf " +
                        kBpfFilesystem + ")",
                    ENOENT);
    }
    return {};
}

}  // namespace pinwarden
