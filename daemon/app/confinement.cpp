#include "app/confinement.h"

#include <cap-ng.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

namespace pinwarden {
namespace {

constexpr std::array kForbidden{
    // programs, and other processes' memory
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(process_vm_writev), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    // what is mounted where, and namespaces
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
    SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(mount_setattr), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(quotactl),
    // the kernel itself
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(acct),
    SCMP_SYS(personality),
    // the machine's clock and names
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    // users and their keys
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(keyctl)};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Looks for leaks in a process of its own, which traces this one.
constexpr bool kTraces = true;
#else
constexpr bool kTraces = false;
#endif

}  // namespace

const std::vector<int> kDaemonCapabilities{CAP_BPF,        CAP_PERFMON,         CAP_SYS_ADMIN, CAP_SYSLOG,
                                           CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_KILL};
const std::vector<int> kGuardianCapabilities{CAP_SYS_PTRACE, CAP_KILL};

void join_groups(std::span<const gid_t> groups)
{
    const int count = getgroups(0, nullptr);
    std::vector<gid_t> all(static_cast<std::size_t>(std::max(count, 0)));
    if (count < 0 || getgroups(count, all.data()) != count) {
        return;
    }
    all.insert(all.end(), groups.begin(), groups.end());
    std::ranges::sort(all);
    const auto doubled = std::ranges::unique(all);
    all.erase(doubled.begin(), doubled.end());
    static_cast<void>(setgroups(all.size(), all.data()));
}

Result<void> keep_capabilities(std::span<const int> kept)
{
    if (capng_get_caps_process() != 0) {
        return fail("the kernel does not tell the capabilities of this process", EINVAL);
    }
    std::vector<unsigned> held;
    for (const int capability : kept) {
        const auto number = static_cast<unsigned>(capability);
        if (capng_have_capability(CAPNG_PERMITTED, number) != 0) {
            held.push_back(number);
        }
    }
    // Without CAP_SETPCAP the set that bounds programs it might run stays; these get nothing all the same, see below.
    const bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
    capng_clear(CAPNG_SELECT_ALL);
    for (const unsigned capability : held) {
        capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET),
                     capability);
    }
    if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) != 0) {
        return std::unexpected(system_error("bound the capabilities of this process", errno));
    }
    if (capng_apply(CAPNG_SELECT_CAPS) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return std::unexpected(system_error("give up capabilities", errno));
    }
    return {};
}

Result<void> forbid_system_calls()
{
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
    const auto failed = [](int error) {
        return std::unexpected(system_error("forbid system calls that are not needed", -error));
    };
    if (filter == nullptr) {
        return failed(-ENOMEM);
    }
    int error = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    // Calls by another architecture's numbers.
    error = error != 0 ? error : seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    for (const int call : kForbidden) {
        error = error != 0 ? error : seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
    }
    if (!kTraces) {
        error = error != 0 ? error : seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ptrace), 0);
    }
    error = error != 0 ? error : seccomp_load(filter.get());
    if (error != 0) {
        return failed(error);
    }
    return {};
}

}  // namespace pinwarden
