// What owners are called beyond their numbers: the program they run, their cgroup, their container.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "decode/event.h"

namespace pinwarden {

// Finds a cgroup's path by its id. The real one asks the kernel; tests have a table.
class CgroupNamer {
public:
    CgroupNamer() = default;
    CgroupNamer(const CgroupNamer&) = delete;
    CgroupNamer& operator=(const CgroupNamer&) = delete;
    virtual ~CgroupNamer() = default;

    // From the root of the cgroup tree: "/" or "/system.slice/x.service". Empty when it is not (any longer) known.
    virtual std::string path(std::uint64_t id) = 0;
};

// The id of the container a cgroup belongs to: of the innermost one, where they are nested. Recognised is what
// container runtimes write into the path: docker, containerd's CRI, CRI-O, podman and nerdctl with systemd's cgroups, a
// bare id of 64 hex digits otherwise; and the names of systemd-nspawn's and LXC's containers. Empty for everything
// else.
std::string container_of_cgroup(std::string_view path);

// Remembers what each owner runs, and puts the names together. Names are looked up when they are asked for, so that a
// process or cgroup that is gone later still has them; the pins of one process share them.
class OwnerNames {
public:
    // Far more than the kernel's own table of owners lets be alive.
    static constexpr std::size_t kOwnersKept = 1U << 17U;

    explicit OwnerNames(CgroupNamer& cgroups, std::size_t owners_kept = kOwnersKept)
        : cgroups_(cgroups), owners_kept_(owners_kept)
    {
    }

    // From now on the process runs this. Beyond `owners_kept` the process that was told first is forgotten: its exit
    // was lost, or its next pins have no program.
    void runs(const OwnerEvent& event);
    void exit(const ProcessId& process);
    // Never null.
    std::shared_ptr<const TaskNames> of(const Task& task);

private:
    struct Owner {
        OwnerEvent program;
        std::uint64_t number = 0;  // key in order_
        std::uint64_t cgroup = 0;  // that `names` is for
        std::shared_ptr<const TaskNames> names;
    };

    CgroupNamer& cgroups_;
    std::size_t owners_kept_;
    absl::flat_hash_map<ProcessId, Owner> owners_;
    absl::btree_map<std::uint64_t, ProcessId> order_;
    std::uint64_t last_number_ = 0;
};

}  // namespace pinwarden
