#include "ledger/ledger.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <tuple>

namespace pinwarden {
namespace {

// Long-lived pins that are remembered when they are gone: ranges asked for are there a moment later.
constexpr std::size_t kGoneKept = 1024;

constexpr std::uint64_t kPageBytes = 1ULL << PW_PAGE_SHIFT;

// Its positions are folios of any size, which do not map to file pages one by one.
bool counts_folios(const PinRecord& pin)
{
    return pin.function == PW_MEMFD_PIN_FOLIOS || pin.function == PW_ADOPTED_FOLIO;
}

// Whether all it covers is held until its last page is let go.
bool holds_whole(const PinRecord& pin)
{
    return counts_folios(pin) || pin.coalesced;
}

}  // namespace

std::string_view to_string(Backing backing)
{
    switch (backing) {
        case Backing::kAnonymous: return "anonymous";
        case Backing::kFile: return "file";
        case Backing::kShmem: return "shmem";
        case Backing::kHugetlb: return "hugetlb";
        case Backing::kMixed: return "mixed";
    }
    return "unknown";
}

std::string_view to_string(ReleaseRule rule)
{
    switch (rule) {
        case ReleaseRule::kObject: return "object";
        case ReleaseRule::kOnlyHolder: return "only_holder";
        case ReleaseRule::kAddressSpace: return "address_space";
        case ReleaseRule::kOldest: return "oldest";
        case ReleaseRule::kRepair: return "repair";
    }
    return "unknown";
}

void Ledger::pin(const PinEvent& event, std::string driver)
{
    if (event.error != 0 || event.pinned_pages == 0) {
        return;
    }
    PinTable::Entry* const entry = pins_.add(event.pin);
    if (entry == nullptr) {
        certain_ = false;
        return;
    }
    PinRecord& pin = entry->pin;
    pin.id = event.pin;
    pin.owner = event.owner;
    pin.inferred = event.inferred;
    pin.driver = std::move(driver);
    pin.scope = event.scope;
    pin.function = event.function;
    pin.address = event.address;
    pin.mm = event.mm;
    pin.space = event.space;
    pin.acquired = event.time;
    pin.long_term = event.long_term;
    pin.writable = event.writable;
    pin.requested_pages = event.requested_pages;
    pin.pinned_pages = event.pinned_pages;
    pin.stack = event.stack;
    pin.user_stack = event.user_stack;
    if (!pin.shown()) {
        brief_.emplace(pin.acquired, pin.id);
    }
    entry->detail.live = LivePositions(event.pinned_pages);
    by_owner_[pin.owner.process].insert(pin.id);
    if (pin.scope.object != 0) {
        by_object_[pin.scope.object].insert(pin.id);
    }
    set_bytes(pin, event.pinned_pages * kPageBytes);
    map(event.space, pin);
}

void Ledger::user_stack(UserStackEvent& event)
{
    if (PinTable::Entry* const entry = pins_.find(event.pin); entry != nullptr && !event.frames.empty()) {
        entry->pin.user_stack = user_stacks_.shared(std::move(event.frames));
    }
}

void Ledger::range(const RangeEvent& event)
{
    PinTable::Entry* const entry = pins_.find(event.pin);
    if (entry == nullptr && std::ranges::find(gone_long_lived_, event.pin) != gone_long_lived_.end()) {
        // Its files were asked for when it was as good as gone.
        files_.range_arrived(event.file, event.sequence);
        files_.mark_changed(event.file);
        return;
    }
    if (entry == nullptr) {
        files_.range_lost(event.file, event.sequence);
        certain_ = false;
        return;
    }
    files_.range_arrived(event.file, event.sequence);
    PinRecord& pin = entry->pin;
    PinDetail& detail = entry->detail;
    const std::uint64_t start = pin.address >> PW_PAGE_SHIFT;
    const std::uint64_t page = event.address >> PW_PAGE_SHIFT;
    PinnedFileRange range{event.file, event.page_index, event.pages, 0};
    if (!counts_folios(pin)) {
        if (page < start || page - start >= pin.pinned_pages) {
            certain_ = false;
            return;
        }
        range.position = page - start;
        range.pages = std::min(range.pages, pin.pinned_pages - range.position);
    }
    const auto later = [](std::uint64_t position, const PinnedFileRange& other) { return position < other.position; };
    pin.ranges.insert(std::upper_bound(pin.ranges.begin(), pin.ranges.end(), range.position, later), range);
    detail.longest_range = std::max(detail.longest_range, range.pages);
    if (std::find(detail.files.begin(), detail.files.end(), range.file) == detail.files.end()) {
        detail.files.push_back(range.file);
    }
    classify_backing(pin);
    count_bytes(pin, detail);
    if (auto span = live_span(pin, detail, range)) {
        if (const auto before = files_.span(range.file, pin.id)) {
            span = {std::min(before->first, span->first), std::max(before->second, span->second)};
        }
        files_.set_span(range.file, pin.id, span);
        files_.mark_changed(range.file);
    }
}

void Ledger::pages(const PagesEvent& event)
{
    PinTable::Entry* const entry = pins_.find(event.pin);
    if (entry == nullptr) {
        certain_ = false;
        return;
    }
    PinRecord& pin = entry->pin;
    PinDetail& detail = entry->detail;
    if (event.first != detail.next_position) {
        certain_ = false;
        if (event.first > detail.next_position) {
            detail.gaps.emplace_back(detail.next_position, event.first);
        }
    }
    std::vector<Extent> listed;
    listed.reserve(event.runs.size());
    std::uint64_t position = event.first;
    for (const PageRun& run : event.runs) {
        // A position is listed once, and none beyond what the call said it pinned.
        if (position < detail.next_position || position + run.count > pin.pinned_pages) {
            certain_ = false;
            break;
        }
        listed.push_back({run.first, run.count, pin.id, position});
        if (pin.scope.object != 0) {
            detail.object_pages.add(run);
        }
        position += run.count;
        detail.next_position = position;
        pin.listed_pages += run.count;
        pin.live_pages += run.count;
    }
    extents_.insert(listed);
    if (!pin.long_term) {
        detail.listed.insert(detail.listed.end(), listed.begin(), listed.end());
    }
    if (pin.listed_pages == pin.pinned_pages) {
        detail.object_pages.close();
    }
}

void Ledger::file(const FileEvent& event)
{
    for (const PinId id : files_.name(event)) {
        classify_backing(pins_.at(id));
    }
}

std::uint64_t Ledger::drop_unlisted(Nanoseconds before)
{
    std::uint64_t dropped = 0;
    std::vector<PinId> unlisted;
    for (const auto& [id, pin] : pins_) {
        if (pin.listed_pages < pin.pinned_pages && pin.acquired < before) {
            unlisted.push_back(id);
        }
    }
    for (const PinId id : unlisted) {
        auto& [pin, detail] = pins_.entry(id);
        const std::uint64_t live = detail.live.count();
        detail.gaps.emplace_back(detail.next_position, pin.pinned_pages);
        for (const auto& [first, end] : detail.gaps) {
            detail.live.remove(first, end - first);
        }
        detail.gaps.clear();
        detail.next_position = pin.pinned_pages;
        dropped += live - detail.live.count();
        if (detail.live.empty()) {
            drop(id);
            continue;
        }
        count_bytes(pin, detail);
        for (const FileKey& file : detail.files) {
            files_.set_span(file, id, live_span(pin, detail, file));
            files_.mark_changed(file);
        }
    }
    return dropped;
}

std::uint64_t Ledger::held(PageRun run) const
{
    std::uint64_t pins = 0;
    extents_.visit(run, [&](const Extent& extent) {
        pins += extent.count;
        return true;
    });
    return pins;
}

std::vector<PinId> Ledger::holders(PageRun run) const
{
    std::vector<PinId> pins;
    extents_.visit(run, [&](const Extent& extent) {
        pins.push_back(extent.pin);
        return true;
    });
    std::sort(pins.begin(), pins.end());
    pins.erase(std::unique(pins.begin(), pins.end()), pins.end());
    return pins;
}

// Books the parts, which the extent index no longer has, out of the pin.
Released Ledger::let_go(PinId id, std::span<const Extent> parts)
{
    auto& [pin, detail] = pins_.entry(id);
    Released released;
    released.pin = id;
    for (const Extent& part : parts) {
        released.pages += part.count;
        detail.live.remove(part.position, part.count);
    }
    released.fully = detail.live.empty();
    if (released.fully) {
        released.bytes = pin.bytes;
        released.record = drop(id);
        return released;
    }
    if (pin.live_pages == pin.listed_pages) {
        released.record = pin;
    }
    const std::uint64_t before = pin.bytes;
    pin.live_pages -= released.pages;
    count_bytes(pin, detail);
    released.bytes = before - pin.bytes;
    shrink_files(pin, detail, parts);
    return released;
}

PinRecord Ledger::drop(PinId id)
{
    auto& [pin, detail] = pins_.entry(id);
    for (const FileKey& file : detail.files) {
        files_.set_span(file, id, std::nullopt);
        files_.mark_changed(file);
    }
    const auto owned = by_owner_.find(pin.owner.process);
    owned->second.erase(id);
    if (owned->second.empty()) {
        by_owner_.erase(owned);
    }
    if (pin.owner_exited) {
        orphans_.remove(id, pin.orphaned);
    }
    if (!pin.shown()) {
        brief_.erase({pin.acquired, id});
    } else if (!pin.long_term) {
        gone_long_lived_.push_back(id);
        if (gone_long_lived_.size() > kGoneKept) {
            gone_long_lived_.pop_front();
        }
    }
    if (pin.scope.object == 0) {
        ++unfollowed_gone_;
    } else if (const auto object = by_object_.find(pin.scope.object); object != by_object_.end()) {
        object->second.erase(id);
        if (object->second.empty()) {
            by_object_.erase(object);
        }
    }
    addresses_.erase(id);
    pinned_bytes_ -= pin.shown() ? pin.bytes : 0;
    PinRecord record = std::move(pin);
    pins_.erase(id);
    return record;
}

const PinRecord* Ledger::find(PinId id) const
{
    const PinTable::Entry* const entry = pins_.find(id);
    return entry == nullptr ? nullptr : &entry->pin;
}

const PinRecord* Ledger::first_of(const Scope& object) const
{
    const auto found = by_object_.find(object.object);
    return found == by_object_.end() ? nullptr : find(*found->second.begin());
}

std::vector<const PinRecord*> Ledger::pins_on(const FileKey& file, std::uint64_t first_page,
                                              std::uint64_t end_page) const
{
    std::vector<const PinRecord*> pins;
    for (const PinId id : files_.candidates(file, first_page, end_page)) {
        const PinRecord& pin = pins_.at(id);
        if (has_live_page(pin, file, first_page, end_page)) {
            pins.push_back(&pin);
        }
    }
    std::sort(pins.begin(), pins.end(), [](const PinRecord* left, const PinRecord* right) {
        return std::tie(left->acquired, left->id) < std::tie(right->acquired, right->id);
    });
    return pins;
}

std::vector<const FileRecord*> Ledger::pinned_files_on(std::uint32_t device) const
{
    std::vector<const FileRecord*> files;
    for (const FileKey& key : files_.keys()) {
        if (key.device != device) {
            continue;
        }
        if (const FileRecord* file = files_.find(key); file != nullptr && !file->pins.empty()) {
            files.push_back(file);
        }
    }
    return files;
}

PinSums Ledger::sums(Nanoseconds now) const
{
    PinSums sums;
    // By the names that pins of one process share: to look up a text for each pin would take longest.
    absl::flat_hash_map<const TaskNames*, std::uint64_t> bytes;
    for (const auto& [id, pin] : pins_) {
        if (!pin.shown()) {
            continue;
        }
        PinTotals& total = sums.totals[{pin.driver, pin.backing}];
        ++total.pins;
        total.bytes += pin.bytes;
        const Nanoseconds age = now - std::min(now, pin.acquired);
        const auto older = std::ranges::upper_bound(kPinAges, age);
        ++sums.by_age.at(static_cast<std::size_t>(older - kPinAges.begin()));
        sums.adopted += pin.function == PW_ADOPTED || pin.function == PW_ADOPTED_FOLIO ? 1U : 0U;
        bytes[pin.owner.names.get()] += pin.bytes;
    }
    for (const auto& [names, held] : bytes) {
        sums.cgroup_bytes[names == nullptr ? std::string() : names->cgroup] += held;
    }
    return sums;
}

void Ledger::set_bytes(PinRecord& pin, std::uint64_t bytes)
{
    pinned_bytes_ += pin.shown() ? bytes - pin.bytes : 0;
    pin.bytes = bytes;
}

void Ledger::count_bytes(PinRecord& pin, const PinDetail& detail)
{
    if (pin.coalesced) {
        set_bytes(pin, pin.pinned_pages * kPageBytes);
    } else if (!counts_folios(pin)) {
        set_bytes(pin, detail.live.count() * kPageBytes);
    } else if (!pin.ranges.empty()) {
        std::uint64_t pages = 0;
        for (const PinnedFileRange& range : pin.ranges) {
            pages += range.pages;
        }
        set_bytes(pin, pages * kPageBytes);
    }
}

void Ledger::classify_backing(PinRecord& pin) const
{
    if (pin.ranges.empty()) {
        pin.backing = Backing::kAnonymous;
        return;
    }
    pin.backing = files_.backing(pin.ranges.front().file);
    std::uint64_t covered = 0;
    for (const PinnedFileRange& range : pin.ranges) {
        covered += range.pages;
        if (files_.backing(range.file) != pin.backing) {
            pin.backing = Backing::kMixed;
            return;
        }
    }
    if (!counts_folios(pin) && covered < pin.pinned_pages) {
        pin.backing = Backing::kMixed;
    }
}

// The file pages of one range that are live; the range's pin has a live page at least.
std::optional<FileSpan> Ledger::live_span(const PinRecord& pin, const PinDetail& detail, const PinnedFileRange& range)
{
    if (holds_whole(pin)) {
        return FileSpan(range.first_page, range.first_page + range.pages);
    }
    const auto live = detail.live.bounds(range.position, range.position + range.pages);
    if (!live) {
        return std::nullopt;
    }
    return FileSpan(range.first_page + (live->first - range.position),
                    range.first_page + (live->second - range.position));
}

std::optional<FileSpan> Ledger::live_span(const PinRecord& pin, const PinDetail& detail, const FileKey& file)
{
    std::optional<FileSpan> all;
    for (const PinnedFileRange& range : pin.ranges) {
        if (range.file != file) {
            continue;
        }
        if (const auto span = live_span(pin, detail, range)) {
            all = all ? FileSpan(std::min(all->first, span->first), std::max(all->second, span->second)) : *span;
        }
    }
    return all;
}

// Brings the spans of the pin's files up to date after `parts` of it were let go. Only those whose first or last page
// is concerned are looked at anew.
void Ledger::shrink_files(const PinRecord& pin, const PinDetail& detail, std::span<const Extent> parts)
{
    for (const FileKey& file : detail.files) {
        files_.mark_changed(file);
    }
    if (holds_whole(pin)) {
        return;
    }
    absl::InlinedVector<FileKey, 1> stale;
    for (const Extent& part : parts) {
        // By where they start: they may overlap, so a long one may end behind later ones.
        const auto before = [&](const PinnedFileRange& range, std::uint64_t position) {
            return range.position + detail.longest_range <= position;
        };
        auto range = std::lower_bound(pin.ranges.begin(), pin.ranges.end(), part.position, before);
        for (; range != pin.ranges.end() && range->position < part.position + part.count; ++range) {
            if (range->position + range->pages <= part.position) {
                continue;
            }
            const std::uint64_t from = std::max(part.position, range->position) - range->position;
            const std::uint64_t to = std::min(part.position + part.count - range->position, range->pages);
            const auto span = files_.span(range->file, pin.id);
            const bool inside = span && range->first_page + from > span->first && range->first_page + to < span->second;
            if (!inside && std::find(stale.begin(), stale.end(), range->file) == stale.end()) {
                stale.push_back(range->file);
            }
        }
    }
    for (const FileKey& file : stale) {
        files_.set_span(file, pin.id, live_span(pin, detail, file));
    }
}

bool Ledger::has_live_page(const PinRecord& pin, const FileKey& file, std::uint64_t first_page,
                           std::uint64_t end_page) const
{
    const PinDetail& detail = pins_.detail(pin.id);
    return std::any_of(pin.ranges.begin(), pin.ranges.end(), [&](const PinnedFileRange& range) {
        const std::uint64_t first = std::max(first_page, range.first_page);
        const std::uint64_t end = std::min(end_page, range.first_page + range.pages);
        if (range.file != file || first >= end) {
            return false;
        }
        const std::uint64_t offset = range.position - range.first_page;  // may wrap: only sums with it are used
        return holds_whole(pin) || detail.live.bounds(first + offset, end + offset).has_value();
    });
}

}  // namespace pinwarden
