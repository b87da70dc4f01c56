#include "act/file_room.h"

#include <cerrno>
#include <vector>

namespace pinwarden {
namespace {

bool pinned(const Ledger& ledger, const FileKey& file)
{
    const FileState state = ledger.file_state(file);
    return state.first_page != state.end_page;
}

}  // namespace

bool FileRoom::nearly_full() const
{
    return entries_.known() >= entries_.capacity() - entries_.capacity() / 4;
}

bool FileRoom::wanted() const
{
    return noted_ || full_ || entries_.left_out() > 0 || nearly_full();
}

Result<void> FileRoom::step(Ledger& ledger, Nanoseconds now)
{
    // Else it is not known which files have no pins.
    if (!ledger.certain()) {
        return {};
    }
    if (noted_) {
        return put_in(ledger, now);
    }
    full_ = entries_.left_out() > 0;
    const auto taken = take_out(ledger, now);
    if (entries_.left_out() > 0 && entries_.known() < entries_.capacity() && now >= next_attempt_) {
        entries_.note_left_out();
        noted_ = true;
    }
    return taken;
}

Result<void> FileRoom::take_out(const Ledger& ledger, Nanoseconds now)
{
    if (now < next_sweep_ || !nearly_full()) {
        return {};
    }
    const std::vector<FileKey> files = entries_.next(kFilesAtOnce);
    if (files.size() < kFilesAtOnce) {
        next_sweep_ = now + kAgainAfter;
    }
    for (const FileKey& file : files) {
        if (pinned(ledger, file)) {
            continue;
        }
        if (auto removed = entries_.remove(file); !removed) {
            return removed;
        }
    }
    return {};
}

Result<void> FileRoom::put_in(Ledger& ledger, Nanoseconds now)
{
    noted_ = false;
    for (const FileKey& file : ledger.files()) {
        if (!entries_.may_be_left_out(file) || !pinned(ledger, file) || entries_.has(file)) {
            continue;
        }
        FileState state = ledger.file_state(file);
        // Larger than any that the ledger has seen: ranges that come from now on are counted on from there.
        ++state.sequence;
        state.complete = true;
        const auto entered = entries_.enter(file, state);
        if (!entered) {
            full_ = true;
            next_attempt_ = now + kAgainAfter;
            return entered.error().code == E2BIG ? Result<void>() : std::unexpected(entered.error());
        }
        if (*entered) {
            ledger.resync(file, state.sequence);
        }
    }
    entries_.settle();
    full_ = false;
    return {};
}

}  // namespace pinwarden
