// The files that are or were pinned: names, the sequence of their pins, and which of their pages are pinned now.
//
// A file's name comes only once from the kernel, so a file is remembered after its last pin is gone, up to a bound;
// beyond it those without pins for the longest time are forgotten, and reappear as incomplete and nameless if pinned
// again.
//
// Cost, with P pins on a file: O(log P) to record a pin's span, O(1) for state(), and candidates() walks the pins whose
// span starts before the end of what is asked for.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "ledger/file_place.h"
#include "ledger/records.h"

namespace pinwarden {

// File pages first .. end - 1.
using FileSpan = std::pair<std::uint64_t, std::uint64_t>;

class FileTable {
public:
    static constexpr std::size_t kUnpinnedFilesKept = 65536;

    explicit FileTable(std::size_t unpinned_files_kept = kUnpinnedFilesKept) : unpinned_kept_(unpinned_files_kept) {}

    // Names a file. Returns the pins on it whose backing has to be told anew.
    std::vector<PinId> name(const FileEvent& event);
    // A file, or a directory above some, is called otherwise, or a file has lost its name. O(1) for a file, O(files)
    // for a directory.
    void rename(const RenameEvent& event);
    // How memory of this file is backed; plain file while it has no name.
    [[nodiscard]] Backing backing(const FileKey& key) const;

    // A range of the file's pins arrived. To be told before the range's own span. Sequence 0 says that the kernel's
    // table was full and the file is not followed there.
    void range_arrived(const FileKey& key, std::uint64_t sequence);
    // A range arrived, but not the pin it belongs to: what is pinned of this file is not known until the kernel forgets
    // it.
    void range_lost(const FileKey& key, std::uint64_t sequence);

    // Every pin that is left of the file's first `sequence` ranges is known by now, whatever records were lost.
    void resync(const FileKey& key, std::uint64_t sequence);

    // The smallest span that holds the live pages a pin has of the file; nothing when there are none (any more).
    void set_span(const FileKey& key, PinId pin, std::optional<FileSpan> span);
    [[nodiscard]] std::optional<FileSpan> span(const FileKey& key, PinId pin) const;
    void mark_changed(const FileKey& key) { changed_.insert(key); }

    [[nodiscard]] const FileRecord* find(const FileKey& key) const;
    [[nodiscard]] FileState state(const FileKey& key) const;
    // Pins whose span meets [first_page, end_page).
    [[nodiscard]] std::vector<PinId> candidates(const FileKey& key, std::uint64_t first_page,
                                                std::uint64_t end_page) const;
    // All known files, pinned or not, in order of key.
    [[nodiscard]] std::vector<FileKey> keys() const;
    [[nodiscard]] std::size_t known() const { return files_.size(); }
    std::vector<FileKey> take_changed();

private:
    // Which sequence numbers were seen. Neighbours may come in the wrong order: processors take a number and a place in
    // the ring one after the other.
    struct Sequence {
        std::uint64_t contiguous = 0;          // all up to this one were seen
        absl::btree_set<std::uint64_t> ahead;  // seen beyond it
        bool broken = false;                   // it can no longer be told whether all were seen

        [[nodiscard]] bool seen(std::uint64_t number) const { return number <= contiguous || ahead.contains(number); }
        void note(std::uint64_t number);
        void forgive(std::uint64_t number);
    };

    struct Entry {
        FileRecord record;
        FilePlace place;
        Backing backing = Backing::kFile;
        Sequence sequence;
        absl::flat_hash_map<PinId, FileSpan> spans;
        absl::btree_set<std::pair<std::uint64_t, PinId>> starts;
        absl::btree_set<std::pair<std::uint64_t, PinId>> ends;
        std::uint64_t unpinned_since = 0;  // key in unpinned_; 0 while there are pins
    };

    Entry& entry(const FileKey& key);
    static void rename_file(Entry& file, const RenameEvent& event);
    void set_unpinned(Entry& entry, bool unpinned);

    std::size_t unpinned_kept_;
    absl::flat_hash_map<FileKey, Entry> files_;
    absl::btree_map<std::uint64_t, FileKey> unpinned_;  // in the order they lost their last pin
    absl::flat_hash_set<FileKey> changed_;
    std::uint64_t last_unpinned_ = 0;
};

}  // namespace pinwarden
