#include "ledger/file_table.h"

#include <algorithm>

namespace pinwarden {
namespace {

constexpr std::uint64_t kTmpfsMagic = 0x01021994;
constexpr std::uint64_t kHugetlbfsMagic = 0x958458f6;
// More than there are processors to be out of order with: beyond it a number is missing, not late.
constexpr std::size_t kSequencesAhead = 1024;

Backing backing_of(const FileEvent& event)
{
    if (event.filesystem == "hugetlbfs" || event.filesystem_magic == kHugetlbfsMagic) {
        return Backing::kHugetlb;
    }
    if (event.filesystem == "tmpfs" || event.filesystem == "devtmpfs" || event.filesystem == "shmem" ||
        event.filesystem_magic == kTmpfsMagic) {
        return Backing::kShmem;
    }
    return Backing::kFile;
}

}  // namespace

// As if all up to this one had been seen.
void FileTable::Sequence::forgive(std::uint64_t number)
{
    broken = false;
    contiguous = std::max(contiguous, number);
    ahead.erase(ahead.begin(), ahead.upper_bound(contiguous));
    if (!ahead.empty()) {
        note(*ahead.begin());
    }
}

void FileTable::Sequence::note(std::uint64_t number)
{
    ahead.insert(number);
    while (!ahead.empty() && *ahead.begin() == contiguous + 1) {
        ++contiguous;
        ahead.erase(ahead.begin());
    }
    if (ahead.size() > kSequencesAhead) {
        ahead.clear();
        broken = true;
    }
}

FileTable::Entry& FileTable::entry(const FileKey& key)
{
    const auto [at, added] = files_.try_emplace(key);
    if (added) {
        at->second.record.key = key;
        set_unpinned(at->second, true);
    }
    return at->second;
}

void FileTable::set_unpinned(Entry& entry, bool unpinned)
{
    if (!unpinned) {
        unpinned_.erase(entry.unpinned_since);
        entry.unpinned_since = 0;
        return;
    }
    entry.unpinned_since = ++last_unpinned_;
    unpinned_.emplace(entry.unpinned_since, entry.record.key);
    if (unpinned_.size() > unpinned_kept_ && unpinned_.size() > 1) {
        files_.erase(unpinned_.begin()->second);
        unpinned_.erase(unpinned_.begin());
    }
}

std::vector<PinId> FileTable::name(const FileEvent& event)
{
    Entry& file = entry(event.file);
    file.record.path = event.path;
    file.record.pinned_path = event.path;
    file.place = FilePlace(event.parts, event.cut);
    file.record.filesystem = event.filesystem;
    file.record.deleted = event.deleted;
    const Backing backing = backing_of(event);
    if (file.backing == backing) {
        return {};
    }
    file.backing = backing;
    return {file.record.pins.begin(), file.record.pins.end()};
}

void FileTable::rename_file(Entry& file, const RenameEvent& event)
{
    const bool this_name = file.place.is_at(event);  // and not another hard link
    if (event.unlinked || (this_name && event.new_path.empty())) {
        file.record.deleted = true;
    } else if (this_name) {
        file.place.move(event);
        file.record.path = file.place.path();
    }
}

void FileTable::rename(const RenameEvent& event)
{
    if (!event.directory && !event.exchange) {
        if (const auto file = files_.find(event.file); file != files_.end()) {
            rename_file(file->second, event);
        }
        return;
    }
    for (auto& [key, file] : files_) {
        if (!file.record.deleted && file.place.move_along(event)) {
            file.record.path = file.place.path();
        }
    }
}

Backing FileTable::backing(const FileKey& key) const
{
    const auto found = files_.find(key);
    return found == files_.end() ? Backing::kFile : found->second.backing;
}

void FileTable::range_arrived(const FileKey& key, std::uint64_t sequence)
{
    Entry& file = entry(key);
    if (sequence == 0) {
        return;
    }
    FileRecord& record = file.record;
    if (file.sequence.seen(sequence) || (sequence == 1 && file.sequence.broken && record.pins.empty())) {
        // A number that comes twice: the inode was evicted, and its entry in the kernel is a new one. Counting can only
        // start anew where no pin of the earlier count is left.
        const bool restart = sequence == 1 && record.pins.empty();
        file.sequence = Sequence{};
        file.sequence.broken = !restart;
        record.ranges_seen = 0;
        record.last_sequence = 0;
    }
    ++record.ranges_seen;
    record.last_sequence = std::max(record.last_sequence, sequence);
    file.sequence.note(sequence);
}

void FileTable::range_lost(const FileKey& key, std::uint64_t sequence)
{
    range_arrived(key, sequence);
    entry(key).sequence.broken = true;
}

void FileTable::resync(const FileKey& key, std::uint64_t sequence)
{
    const auto known = files_.find(key);
    if (known != files_.end() && !known->second.sequence.broken && known->second.sequence.contiguous >= sequence) {
        return;
    }
    Entry& file = entry(key);
    file.sequence.forgive(sequence);
    file.record.last_sequence = std::max(file.record.last_sequence, sequence);
    mark_changed(key);
}

void FileTable::set_span(const FileKey& key, PinId pin, std::optional<FileSpan> span)
{
    if (!span && !files_.contains(key)) {
        return;
    }
    Entry& file = entry(key);
    const auto known = file.spans.find(pin);
    if (known != file.spans.end()) {
        if (span && *span == known->second) {
            return;
        }
        file.starts.erase({known->second.first, pin});
        file.ends.erase({known->second.second, pin});
    }
    if (span) {
        file.starts.emplace(span->first, pin);
        file.ends.emplace(span->second, pin);
        file.spans.insert_or_assign(pin, *span);
        if (file.record.pins.insert(pin).second && file.record.pins.size() == 1) {
            set_unpinned(file, false);
        }
    } else if (known != file.spans.end()) {
        file.spans.erase(known);
        file.record.pins.erase(pin);
        if (file.record.pins.empty()) {
            set_unpinned(file, true);
        }
    }
}

std::optional<FileSpan> FileTable::span(const FileKey& key, PinId pin) const
{
    const auto file = files_.find(key);
    if (file == files_.end()) {
        return std::nullopt;
    }
    const auto found = file->second.spans.find(pin);
    return found == file->second.spans.end() ? std::nullopt : std::optional(found->second);
}

const FileRecord* FileTable::find(const FileKey& key) const
{
    const auto found = files_.find(key);
    return found == files_.end() ? nullptr : &found->second.record;
}

FileState FileTable::state(const FileKey& key) const
{
    const auto found = files_.find(key);
    if (found == files_.end()) {
        return {};
    }
    const Entry& file = found->second;
    FileState state;
    state.sequence = file.record.last_sequence;
    state.complete = state.sequence > 0 && !file.sequence.broken && file.sequence.contiguous == state.sequence;
    if (!file.spans.empty()) {
        state.first_page = file.starts.begin()->first;
        state.end_page = file.ends.rbegin()->first;
    }
    return state;
}

std::vector<PinId> FileTable::candidates(const FileKey& key, std::uint64_t first_page, std::uint64_t end_page) const
{
    std::vector<PinId> pins;
    const auto found = files_.find(key);
    if (found == files_.end()) {
        return pins;
    }
    for (const auto& [start, pin] : found->second.starts) {
        if (start >= end_page) {
            break;
        }
        if (found->second.spans.at(pin).second > first_page) {
            pins.push_back(pin);
        }
    }
    return pins;
}

std::vector<FileKey> FileTable::keys() const
{
    std::vector<FileKey> keys;
    keys.reserve(files_.size());
    for (const auto& [key, file] : files_) {
        keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end());
    return keys;
}

std::vector<FileKey> FileTable::take_changed()
{
    std::vector<FileKey> changed(changed_.begin(), changed_.end());
    changed_.clear();
    std::sort(changed.begin(), changed.end());
    return changed;
}

}  // namespace pinwarden
