// The kernel side's table of held operations.
//
// It is kept in the BPF file system as well, where there is one: whoever was held when the daemon was killed, and its
// guardian with it, is found there by the next one.
#pragma once

#include <pinwarden/abi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/programs.h"

namespace pinwarden {

class HoldTable {
public:
    // Both are borrowed from Programs, which must outlive this.
    HoldTable(const MapFds& fds, const SharedVariables& shared)
        : holds_(fds.holds),
          releases_(fds.hold_releases),
          under_way_(shared.holds_under_way),
          until_(shared.attended_until),
          unattended_(shared.unattended)
    {
    }

    // Nanoseconds of CLOCK_BOOTTIME.
    void attend(std::uint64_t until);
    // The daemon goes: what stays attached decides by what is to be kept alone, and nobody is held.
    void leave();
    [[nodiscard]] std::uint64_t attended_until() const;
    [[nodiscard]] std::uint64_t under_way() const;
    // Those that are being filled left out.
    [[nodiscard]] std::vector<pw_hold> list() const;
    Result<void> release(std::uint64_t hold, pw_hold_release outcome);
    // Takes away the entry of that thread.
    void forget(std::uint32_t tid, std::uint64_t hold);

    // Keeps the table at that path, whose folder is made; what is there is replaced.
    Result<void> keep_at(const std::string& path) const;
    // What a table that was kept there holds. Without one there: nothing. Error also when it is another version's.
    static Result<std::vector<pw_hold>> list_kept(const std::string& path);
    // Keeps it no longer. What another daemon keeps there stays.
    void forget_kept(const std::string& path) const;

    // Descriptor of the table.
    [[nodiscard]] int fd() const { return holds_; }

private:
    int holds_;
    int releases_;
    __u64* under_way_;
    __u64* until_;
    std::uint32_t* unattended_;
};

}  // namespace pinwarden
