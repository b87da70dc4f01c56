// Room in the kernel side's table of files with pins. A file stays in it for as long as its inode is in memory, pinned
// or not; so whoever pins one file after the other fills it. Before it is full, files that have no pins left are taken
// out; and what was left out is put in once there is room.
#pragma once

#include <cstddef>
#include <cstdint>

#include "act/file_entries.h"
#include "base/clock.h"
#include "base/result.h"
#include "ledger/ledger.h"

namespace pinwarden {

class FileRoom {
public:
    // Looked through in one step.
    static constexpr std::size_t kFilesAtOnce = 4096;
    // Between two looks through the whole table, and two attempts to put files in that failed.
    static constexpr Nanoseconds kAgainAfter = 10'000'000'000;

    // `entries` must outlive this.
    explicit FileRoom(FileEntries& entries) : entries_(entries) {}

    // Whether step() has something to do. Cheap.
    [[nodiscard]] bool wanted() const;
    // A part of it. To be called when all records that were in the ring at the end of the last call are in the ledger.
    // Changes the ledger's count of a file's ranges when it has put that in.
    Result<void> step(Ledger& ledger, Nanoseconds now);
    // Files with pins are left out.
    [[nodiscard]] bool full() const { return full_; }

private:
    [[nodiscard]] bool nearly_full() const;
    Result<void> take_out(const Ledger& ledger, Nanoseconds now);
    Result<void> put_in(Ledger& ledger, Nanoseconds now);

    FileEntries& entries_;
    bool noted_ = false;  // and not settled
    bool full_ = false;
    Nanoseconds next_sweep_ = 0;
    Nanoseconds next_attempt_ = 0;
};

}  // namespace pinwarden
