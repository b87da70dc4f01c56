// Every hook there is: which program serves it, and when it can be used. A new hook is a line here and a program in
// bpf/.
#pragma once

#include <array>
#include <string_view>

namespace pinwarden {

// What a system call's own function is called.
#if defined(__x86_64__)
#define PINWARDEN_SYSCALL(name) "__x64_sys_" name
#elif defined(__aarch64__)
#define PINWARDEN_SYSCALL(name) "__arm64_sys_" name
#endif

enum class Need {
    kRequired,  // without it nothing works: the daemon does not start
    kOptional,  // kernels without it are fine, it is reported as not attached
};

enum class Attached {
    kAlways,
    kForFallocations,  // while a policy decides about fallocate: see Programs::decide_fallocations()
    kForReleases,      // while pins are let go page by page: see Programs::hear_releases()
    // The same, but where io_uring, while it registers huge pages, gives back all pins of each but one through it:
    // there always.
    kForReleasesAndFolios,
};

enum class Decides { kNot, kByReturnValue, kByLsm };

struct HookEntry {
    std::string_view program;
    std::string_view hook;  // kernel function, or tracepoint, as it is shown
    std::string_view purpose;
    Need need;
    // Use the program only if `function` (empty: the hook itself) takes that many parameters; 0: any number. Programs
    // that serve one hook on different kernels, or together, stand next to each other.
    int parameters = 0;
    std::string_view function = {};
    bool tracepoint = false;
    Attached attached = Attached::kAlways;
    // One of two kinds that can decide about an operation; see decides_by_lsm().
    Decides decides = Decides::kNot;
};

constexpr HookEntry release_hook(std::string_view program, std::string_view hook, Need need,
                                 Attached attached = Attached::kForReleases)
{
    return {.program = program, .hook = hook, .purpose = "release", .need = need, .attached = attached};
}

inline constexpr std::array kHooks = {
    HookEntry{"pin_user_pages_exit", "pin_user_pages", "acquire", Need::kRequired},
    HookEntry{"pin_user_pages_fast_exit", "pin_user_pages_fast", "acquire", Need::kRequired},
    HookEntry{"pin_user_pages_fast_only_exit", "pin_user_pages_fast_only", "acquire", Need::kOptional},
    HookEntry{"pin_user_pages_remote_exit", "pin_user_pages_remote", "acquire", Need::kRequired, 6},
    HookEntry{"pin_user_pages_remote_kprobe", "pin_user_pages_remote", "acquire", Need::kRequired, 7},
    HookEntry{"pin_user_pages_remote_kretprobe", "pin_user_pages_remote", "acquire", Need::kRequired, 7},
    HookEntry{"pin_user_pages_unlocked_exit", "pin_user_pages_unlocked", "acquire", Need::kRequired},
    HookEntry{"memfd_pin_folios_exit", "memfd_pin_folios", "acquire", Need::kOptional},
    HookEntry{"longterm_loop_exit", "__gup_longterm_locked", "acquire", Need::kRequired, 6},
    HookEntry{"longterm_loop_enter", "__gup_longterm_locked", "acquire", Need::kRequired, 6},
    HookEntry{"pin_user_pages_enter", "__gup_longterm_locked", "acquire", Need::kRequired, 7, "__gup_longterm_locked"},
    HookEntry{"pin_user_pages_fast_enter", "__gup_longterm_locked", "acquire", Need::kRequired, 7,
              "__gup_longterm_locked"},
    HookEntry{"pin_user_pages_unlocked_enter", "__gup_longterm_locked", "acquire", Need::kRequired, 7,
              "__gup_longterm_locked"},
    release_hook("unpin_user_page_enter", "unpin_user_page", Need::kRequired),
    // Up to 6.12 io_uring gives back through it what it has too much of huge pages.
    HookEntry{"unpin_user_pages_enter", "unpin_user_pages", "release", Need::kRequired},
    release_hook("unpin_user_pages_dirty_lock_enter", "unpin_user_pages_dirty_lock", Need::kRequired),
    release_hook("unpin_user_page_range_dirty_lock_enter", "unpin_user_page_range_dirty_lock", Need::kRequired),
    release_hook("unpin_user_folio_enter", "unpin_user_folio", Need::kOptional, Attached::kForReleasesAndFolios),
    release_hook("unpin_folio_enter", "unpin_folio", Need::kOptional),
    release_hook("unpin_folios_enter", "unpin_folios", Need::kOptional),
    HookEntry{"inode_setattr", "security_inode_setattr", "operation", Need::kRequired, 2},
    HookEntry{.program = "inode_setattr_idmap",
              .hook = "security_inode_setattr",
              .purpose = "operation",
              .need = Need::kRequired,
              .parameters = 3,
              .decides = Decides::kByReturnValue},
    HookEntry{.program = "inode_setattr_lsm",
              .hook = "security_inode_setattr",
              .purpose = "operation",
              .need = Need::kRequired,
              .parameters = 3,
              .decides = Decides::kByLsm},
    HookEntry{"fallocate_exit", "vfs_fallocate", "operation", Need::kRequired, 4},
    HookEntry{"fallocate_enter", "vfs_fallocate", "operation", Need::kRequired, 4},
    HookEntry{.program = "file_permission",
              .hook = "security_file_permission",
              .purpose = "operation",
              .need = Need::kOptional,
              .parameters = 2,
              .attached = Attached::kForFallocations,
              .decides = Decides::kByReturnValue},
    HookEntry{.program = "file_permission_lsm",
              .hook = "security_file_permission",
              .purpose = "operation",
              .need = Need::kOptional,
              .parameters = 2,
              .attached = Attached::kForFallocations,
              .decides = Decides::kByLsm},
    HookEntry{.program = "sb_umount",
              .hook = "security_sb_umount",
              .purpose = "operation",
              .need = Need::kRequired,
              .parameters = 2,
              .decides = Decides::kByReturnValue},
    HookEntry{.program = "sb_umount_lsm",
              .hook = "security_sb_umount",
              .purpose = "operation",
              .need = Need::kRequired,
              .parameters = 2,
              .decides = Decides::kByLsm},
    HookEntry{"munmap_exit", PINWARDEN_SYSCALL("munmap"), "invalidation", Need::kOptional},
    HookEntry{"mmap_exit", PINWARDEN_SYSCALL("mmap"), "invalidation", Need::kOptional},
    HookEntry{"mremap_exit", PINWARDEN_SYSCALL("mremap"), "invalidation", Need::kOptional},
    HookEntry{"madvise_exit", "do_madvise", "invalidation", Need::kOptional, 4},
    HookEntry{"madvise_behavior_exit", "madvise_do_behavior", "invalidation", Need::kOptional, 3},
    HookEntry{"notifier_range_start_enter", "__mmu_notifier_invalidate_range_start", "invalidation", Need::kOptional},
    HookEntry{"range_notifier_insert_exit", "mmu_interval_notifier_insert", "notifier", Need::kOptional, 5},
    HookEntry{"range_notifier_insert_locked_exit", "mmu_interval_notifier_insert_locked", "notifier", Need::kOptional,
              5},
    HookEntry{"range_notifier_remove_enter", "mmu_interval_notifier_remove", "notifier", Need::kOptional},
    HookEntry{"notifier_register_exit", "__mmu_notifier_register", "notifier", Need::kOptional, 2},
    HookEntry{"notifier_unregister_enter", "mmu_notifier_unregister", "notifier", Need::kOptional},
    HookEntry{"notifier_put_exit", "mmu_notifier_put", "notifier", Need::kOptional},
    HookEntry{"exit_mmap_enter", "exit_mmap", "lifecycle", Need::kRequired},
    HookEntry{"process_exit", "sched_process_exit", "lifecycle", Need::kRequired, 0, {}, true},
    HookEntry{"inode_free", "security_inode_free", "lifecycle", Need::kRequired},
    HookEntry{"cgroup_made", "cgroup_mkdir", "lifecycle", Need::kRequired, 0, {}, true},
    HookEntry{"dentry_move", "d_move", "lifecycle", Need::kOptional},
    HookEntry{"dentry_exchange", "d_exchange", "lifecycle", Need::kOptional},
    HookEntry{"dentry_delete", "d_delete", "lifecycle", Need::kOptional},
};

}  // namespace pinwarden
