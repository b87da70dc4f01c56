// The kernel side's table of files with pins: what is in it, what found no place, and changing either. Takes the
// contract's own structs, as VerdictMaps does.
//
// An entry that is taken out counts as left out from before it is gone, as one that never got in: the hooks then go by
// the file's pages, so that nothing slips through whatever is known or forgotten of it meanwhile.
#pragma once

#include <pinwarden/abi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "kernel/programs.h"
#include "kernel/verdict_maps.h"

namespace pinwarden {

class FileEntryMaps {
public:
    // `fds` and `shared` are borrowed from Programs, which must outlive this. One thread.
    static Result<FileEntryMaps> open(const MapFds& fds, const SharedVariables& shared);

    [[nodiscard]] std::uint64_t known() const;
    [[nodiscard]] std::uint64_t capacity() const { return capacity_; }
    // How many pins are of files that are not in the table, and were left out or taken out.
    [[nodiscard]] std::uint64_t left_out() const;
    // Whether the file, if it is not in the table, may be one of these.
    [[nodiscard]] bool may_be_left_out(const pw_file_key& file) const;
    [[nodiscard]] bool has(const pw_file_key& file) const;
    // At most so many files that are in the table, from where the last call ended; fewer when that was the end, and the
    // next call begins anew. Files that come or go meanwhile may be missed, or seen twice.
    std::vector<pw_file_key> next(std::size_t most);
    // Takes a file out. One that is gone already is no error.
    Result<void> remove(const pw_file_key& file);
    // Remembers how many are left out now. No program that ran before still runs when it returns: what those had to say
    // is in the ring.
    void note_left_out();
    // Of what was noted, every file that is pinned is in the table now.
    void settle();
    // Puts a file in, all that is pinned of it being in `range`. Whether it did: false when it is there already. Error
    // E2BIG when the table is full.
    Result<bool> enter(const pw_file_key& file, const AcknowledgedRange& range);

private:
    FileEntryMaps(const MapFds& fds, const SharedVariables& shared, std::uint64_t capacity);

    MapFds fds_;
    SharedVariables shared_;
    std::uint64_t capacity_;
    std::optional<pw_file_key> last_;  // that next() returned
    std::vector<std::uint32_t> noted_by_inode_;
    std::vector<std::uint32_t> noted_by_device_;
};

}  // namespace pinwarden
