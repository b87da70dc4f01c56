// The kernel side's table of files with pins, as the one who makes room in it sees it. The real one is BPF maps; tests
// have a model of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "ledger/records.h"

namespace pinwarden {

// What is not in the table, and was left out for want of room or taken out, is decided by its pages: nothing slips
// through, but policies that select by pins are in doubt.
class FileEntries {
public:
    FileEntries() = default;
    FileEntries(const FileEntries&) = delete;
    FileEntries& operator=(const FileEntries&) = delete;
    virtual ~FileEntries() = default;

    // How many there are, and could be. Cheap.
    [[nodiscard]] virtual std::uint64_t known() const = 0;
    [[nodiscard]] virtual std::uint64_t capacity() const = 0;
    // How many pins found their file left out, and how many files were taken out, until that is settled. Cheap.
    [[nodiscard]] virtual std::uint64_t left_out() const = 0;
    // Whether the file, if it is not in the table, may be one of these.
    [[nodiscard]] virtual bool may_be_left_out(const FileKey& file) const = 0;
    [[nodiscard]] virtual bool has(const FileKey& file) const = 0;
    // At most so many files that are in the table, from where the last call ended; fewer when that was the end.
    virtual std::vector<FileKey> next(std::size_t most) = 0;
    virtual Result<void> remove(const FileKey& file) = 0;
    // Remembers how many are left out now. Of every pin that was made before it returns, there is a record in the ring,
    // or a loss is counted.
    virtual void note_left_out() = 0;
    // Of what was noted, every file that is pinned is in the table now.
    virtual void settle() = 0;
    // Puts a file in, of which `state` says all that is pinned. Whether it did: false when it is there already. Error
    // E2BIG when the table is full.
    virtual Result<bool> enter(const FileKey& file, const FileState& state) = 0;
};

}  // namespace pinwarden
