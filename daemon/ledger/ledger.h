// What is pinned now: by page, by file, by owner. Pure data structure, owned by the pipeline thread.
//
// The ledger is fed with decoded events in ring order. It never guesses: a release it cannot match is counted, and any
// loss makes it "uncertain". Pointers it hands out are valid until it is next fed.
//
// Cost of a release: one table lookup for each block of 64 pages (see extent_index.h), O(log) for the pin's live
// positions and its files' states. A pin with R file ranges pays O(R) more when the first or last live page of a file
// is let go: R is 1 but for pins across many mappings.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "decode/event.h"
#include "ledger/address_index.h"
#include "ledger/extent_index.h"
#include "ledger/file_table.h"
#include "ledger/orphans.h"
#include "ledger/pin_table.h"
#include "ledger/records.h"
#include "ledger/user_stack_table.h"

namespace pinwarden {

class Ledger {
public:
    // A pin was acquired (event.error == 0). `driver` as classified from its stack.
    void pin(const PinEvent& event, std::string driver);
    // Of a pin that is gone it is nobody's business any more.
    void user_stack(UserStackEvent& event);
    void range(const RangeEvent& event);
    void pages(const PagesEvent& event);
    void file(const FileEvent& event);
    void rename(const RenameEvent& event) { files_.rename(event); }

    // Takes pages from whoever holds them; see attribution.h for whose they are. With event.span > 0, among pins that
    // are equal otherwise, one that has enough pages on the folio goes before one that has not; lowest pages first.
    // With event.whole it takes all pages of all pins of the object.
    ReleaseOutcome release(const ReleaseEvent& event);

    // Pages are no longer mapped where they were. The pins stay: the pages are pinned all the same. Where the mapping
    // stays, and only its pages were dropped, those of a file come back as the same ones: they count as not met.
    InvalidationOutcome invalidate(const InvalidationEvent& event);

    // Marks every pin of the process as orphaned; returns those that were not before.
    std::vector<PinId> exit(const ExitEvent& event);
    // Marks the orphans that have been such since `latest` or longer as leaks; returns those that were not before.
    std::vector<PinId> take_leaks(Nanoseconds latest);
    [[nodiscard]] const Orphans& orphans() const { return orphans_; }
    [[nodiscard]] absl::btree_map<std::string, OrphanTotals> orphan_totals() const;  // by driver
    // At most so many owners that are not known to have exited, in order, those after `owner`.
    [[nodiscard]] std::vector<ProcessId> live_owners_after(const ProcessId& owner, std::size_t most) const;
    // Marks the pins without FOLL_LONGTERM that were acquired at `latest` or before as long-lived; returns those that
    // were not before. What their driver is, what their owner runs, and their files are not known yet.
    std::vector<PinId> take_long_lived(Nanoseconds latest);
    void identify(PinId id, std::string driver, std::shared_ptr<const TaskNames> names);
    // When the oldest was acquired of those pins that are neither.
    [[nodiscard]] std::optional<Nanoseconds> oldest_brief() const;
    // Pages a pin without FOLL_LONGTERM was listed with, by position; those that were let go may be missing.
    [[nodiscard]] std::vector<Extent> listed_pages(PinId id) const;
    // Pin or release events were lost: from now on the ledger may hold pins that are gone or lack some.
    void lost_events() { certain_ = false; }
    // Releases of pins that no object follows may have gone unheard: until that is settled, such a pin may be gone.
    void doubt() { in_doubt_ = true; }
    void settled() { in_doubt_ = false; }

    // The kernel's own counts were compared and equal the ledger's; see Audit.
    void verified()
    {
        certain_ = true;
        in_doubt_ = false;
    }
    // All pins of the file's first `sequence` ranges are known or gone.
    void resync(const FileKey& file, std::uint64_t sequence) { files_.resync(file, sequence); }
    // Lets go of what pins acquired before `before` are said to have pinned but was never listed: those lists were
    // lost, and what of them is still pinned has to be found otherwise. Returns how many pages.
    std::uint64_t drop_unlisted(Nanoseconds before);

    [[nodiscard]] const ExtentIndex& index() const { return extents_; }
    // How many pins there are on the pages of the run, as the kernel would count them.
    [[nodiscard]] std::uint64_t held(PageRun run) const;
    [[nodiscard]] std::vector<PinId> holders(PageRun run) const;

    // The oldest pin for the object; nullptr when it has none.
    [[nodiscard]] const PinRecord* first_of(const Scope& object) const;

    [[nodiscard]] bool certain() const { return certain_ && !in_doubt_; }
    // Nothing was lost: if it is not certain all the same, it may only have pins too many.
    [[nodiscard]] bool complete() const { return certain_; }
    [[nodiscard]] bool in_doubt(const PinRecord& pin) const { return in_doubt_ && pin.scope.object == 0; }
    [[nodiscard]] const PinRecord* find(PinId id) const;
    [[nodiscard]] const FileRecord* find_file(const FileKey& key) const { return files_.find(key); }
    // Files of that file system that have pins, in order of key. Valid until the ledger changes.
    [[nodiscard]] std::vector<const FileRecord*> pinned_files_on(std::uint32_t device) const;
    // Pins with a live page on [first_page, end_page) of the file, oldest first.
    [[nodiscard]] std::vector<const PinRecord*> pins_on(const FileKey& file, std::uint64_t first_page,
                                                        std::uint64_t end_page) const;
    // The live pages of `pin` that belong to `file`: the smallest range that holds them all; nothing when there are
    // none.
    [[nodiscard]] std::optional<std::pair<std::uint64_t, std::uint64_t>> live_file_range(const PinRecord& pin,
                                                                                         const FileKey& file) const
    {
        return files_.span(file, pin.id);
    }
    // The smallest range that holds the live pages of all pins, long-term or not, on the file. O(1).
    [[nodiscard]] FileState file_state(const FileKey& file) const { return files_.state(file); }
    // How many pins are shown, and how much they hold.
    [[nodiscard]] std::size_t shown_pins() const { return pins_.size() - brief_.size(); }
    // All pins, brief ones too, in order of id (which is order of acquisition, per processor).
    [[nodiscard]] const PinTable& pins() const { return pins_; }
    [[nodiscard]] std::size_t files_known() const { return files_.known(); }
    // All files known, also those that are not pinned any more.
    [[nodiscard]] std::vector<FileKey> files() const { return files_.keys(); }
    // Of the pins that are shown. Looks at each of them.
    [[nodiscard]] PinSums sums(Nanoseconds now) const;
    // How many processes have pins.
    [[nodiscard]] std::size_t owners() const { return by_owner_.size(); }
    // Files whose pinned set changed since the last call.
    [[nodiscard]] std::vector<FileKey> take_changed_files() { return files_.take_changed(); }

    // In pages.
    [[nodiscard]] std::uint64_t unmatched_releases() const { return unmatched_releases_; }
    [[nodiscard]] std::uint64_t pinned_bytes() const { return pinned_bytes_; }
    // How many pins of no object are gone, in all.
    [[nodiscard]] std::uint64_t unfollowed_gone() const { return unfollowed_gone_; }
    // Pages whose release could have been several pins'.
    [[nodiscard]] std::uint64_t ambiguous_releases() const { return ambiguous_releases_; }

private:
    ReleaseRule rule_for(const ReleaseEvent& event, const PinRecord& pin, std::span<const Extent> parts);
    std::uint64_t take_runs(const ReleaseEvent& event, std::vector<Extent>& taken);
    [[nodiscard]] PinId only_pin_of(const ReleaseEvent& event) const;
    std::uint64_t take_anywhere_of(PinId id, const ReleaseEvent& event, PageRun run, std::vector<Extent>& taken);
    std::uint64_t take_anywhere(const ReleaseEvent& event, PageRun run, std::uint64_t span, std::vector<Extent>& taken);
    ReleaseOutcome release_object(const ReleaseEvent& event);
    Released let_go(PinId id, std::span<const Extent> parts);
    Released let_go_whole(PinId id);
    // Returns its record.
    PinRecord drop(PinId id);

    void orphan_pins_of(const ProcessId& process, Nanoseconds time, std::vector<PinId>& orphaned);
    void set_bytes(PinRecord& pin, std::uint64_t bytes);
    void count_bytes(PinRecord& pin, const PinDetail& detail);
    void classify_backing(PinRecord& pin) const;
    void shrink_files(const PinRecord& pin, const PinDetail& detail, std::span<const Extent> parts);
    void map(std::uint64_t space, const PinRecord& pin);
    std::uint64_t unmap(const InvalidationEvent& event, AddressRange range, InvalidationOutcome& outcome);
    std::vector<MappedPages> keep_file_pages(std::uint64_t space, const MappedPages& mapped);
    static std::optional<FileSpan> live_span(const PinRecord& pin, const PinDetail& detail,
                                             const PinnedFileRange& range);
    static std::optional<FileSpan> live_span(const PinRecord& pin, const PinDetail& detail, const FileKey& file);
    [[nodiscard]] bool has_live_page(const PinRecord& pin, const FileKey& file, std::uint64_t first_page,
                                     std::uint64_t end_page) const;

    ExtentIndex extents_;
    AddressIndex addresses_;
    PinTable pins_;
    UserStackTable user_stacks_;
    FileTable files_;
    absl::btree_map<ProcessId, absl::btree_set<PinId>> by_owner_;
    Orphans orphans_;
    absl::flat_hash_map<std::uint64_t, absl::btree_set<PinId>> by_object_;  // by its number
    absl::btree_set<std::pair<Nanoseconds, PinId>> brief_;                  // pins that are not shown, by acquisition
    std::deque<PinId> gone_long_lived_;  // whose file ranges may still be on their way
    std::uint64_t unmatched_releases_ = 0;
    std::uint64_t ambiguous_releases_ = 0;
    std::uint64_t pinned_bytes_ = 0;
    std::uint64_t unfollowed_gone_ = 0;
    bool certain_ = true;
    bool in_doubt_ = false;
};

}  // namespace pinwarden
