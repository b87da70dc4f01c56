#include "fuzz/ledger_invariants.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <compare>
#include <set>
#include <span>
#include <vector>

#include "fuzz/require.h"

namespace pinwarden::fuzz {
namespace {

constexpr PageRun kEverywhere{0, 1ULL << 48U};
constexpr std::uint64_t kBlockPages = 1ULL << PW_BLOCK_PAGES_SHIFT;
constexpr std::uint64_t kPageBytes = 1ULL << PW_PAGE_SHIFT;
constexpr std::uint64_t kAllOfAFile = ~0ULL;

// Positions position .. position + count - 1 of a pin.
struct Held {
    PinId pin = 0;
    std::uint64_t position = 0;
    std::uint64_t count = 0;

    auto operator<=>(const Held&) const = default;
};

bool counts_folios(const PinRecord& pin)
{
    return pin.function == PW_MEMFD_PIN_FOLIOS || pin.function == PW_ADOPTED_FOLIO;
}

// What the index has, by pin and position.
std::vector<Held> check_index(const ExtentIndex& index)
{
    std::vector<Held> held;
    std::vector<std::uint64_t> blocks;
    PinId last_pin = 0;
    index.visit(kEverywhere, [&](const Extent& extent) {
        const std::uint64_t block = extent.first / kBlockPages;
        require(extent.count > 0, "an extent has pages");
        require((extent.first + extent.count - 1) / kBlockPages == block, "an extent lies in one block");
        if (blocks.empty() || blocks.back() != block) {
            require(blocks.empty() || blocks.back() < block, "blocks ascend");
            blocks.push_back(block);
            last_pin = 0;
        }
        require(last_pin <= extent.pin, "pins ascend within a block");
        last_pin = extent.pin;
        held.push_back({extent.pin, extent.position, extent.count});
        return true;
    });
    require(held.size() == index.extents(), "the index knows how many extents it has");
    require(blocks.size() == index.blocks(), "the index knows how many blocks it has");
    require(index.block_numbers() == blocks, "the index knows which blocks it has");
    std::sort(held.begin(), held.end());
    return held;
}

void check_pin(const PinRecord& pin, std::span<const Held> parts)
{
    std::uint64_t pages = 0;
    std::uint64_t end = 0;
    for (const Held& part : parts) {
        require(part.position >= end, "a position is held once");
        end = part.position + part.count;
        pages += part.count;
    }
    require(end <= pin.pinned_pages, "a pin holds no position beyond its pages");
    require(pages == pin.live_pages, "a pin's live pages are those in the index");
    require(pin.live_pages <= pin.listed_pages && pin.listed_pages <= pin.pinned_pages, "live pages were listed");
    if (!counts_folios(pin)) {
        const std::uint64_t unlisted = pin.pinned_pages - pin.listed_pages;
        require(pin.bytes > 0, "a pin without pinned pages is gone");
        require(pin.bytes == (pin.live_pages + unlisted) * kPageBytes || pin.bytes == pin.live_pages * kPageBytes,
                "a pin's bytes are its live pages, and the unlisted ones unless they were given up");
    }
}

void check_totals(const Ledger& ledger)
{
    std::uint64_t bytes = 0;
    std::uint64_t live = 0;
    std::size_t shown = 0;
    std::vector<PinId> holders;
    std::set<PinId> orphans;
    for (const auto& [id, pin] : ledger.pins()) {
        require(pin.id == id && ledger.find(id) == &pin, "a pin is found by its id");
        shown += pin.shown() ? 1U : 0U;
        bytes += pin.shown() ? pin.bytes : 0;
        if (pin.shown() && pin.owner_exited) {
            orphans.insert(id);
        }
        live += pin.live_pages;
        if (pin.live_pages > 0) {
            holders.push_back(id);
        }
    }
    require(bytes == ledger.pinned_bytes(), "the pinned bytes are those of all pins that are shown");
    require(shown == ledger.shown_pins(), "the ledger knows how many pins are shown");
    std::set<PinId> listed;
    ledger.orphans().visit([&](PinId id) { listed.insert(id); });
    require(listed == orphans, "the orphans are the pins that are shown and whose owner has exited");
    require(live == ledger.held(kEverywhere), "the pages held are the live pages of all pins");
    require(holders == ledger.holders(kEverywhere), "the holders are the pins with live pages");
    PinTotals all;
    for (const auto& [what, total] : ledger.sums(0).totals) {
        all.pins += total.pins;
        all.bytes += total.bytes;
    }
    require(all.pins == shown && all.bytes == bytes, "the totals add up");
}

void check_span(const PinRecord& pin, const FileKey& file, const FileSpan& span)
{
    std::uint64_t first = kAllOfAFile;
    std::uint64_t end = 0;
    for (const PinnedFileRange& range : pin.ranges) {
        if (range.file == file) {
            first = std::min(first, range.first_page);
            end = std::max(end, range.first_page + range.pages);
        }
    }
    require(span.first < span.second, "a span has pages");
    require(first <= span.first && span.second <= end, "a pin's span lies within its ranges");
}

void check_file(const Ledger& ledger, const FileKey& key)
{
    const FileRecord* const file = ledger.find_file(key);
    require(file != nullptr, "a listed file is found");
    std::uint64_t first = kAllOfAFile;
    std::uint64_t end = 0;
    std::set<PinId> expected;
    for (const PinId id : file->pins) {
        const PinRecord* const pin = ledger.find(id);
        require(pin != nullptr, "a file's pins are in the ledger");
        const auto span = ledger.live_file_range(*pin, key);
        require(span.has_value(), "a file's pin has live pages of it");
        check_span(*pin, key, *span);
        first = std::min(first, span->first);
        end = std::max(end, span->second);
        expected.insert(id);
    }
    std::set<PinId> found;
    for (const PinRecord* const pin : ledger.pins_on(key, 0, kAllOfAFile)) {
        found.insert(pin->id);
    }
    require(found == expected, "a file's pins are those with a live page of it");
    const FileState state = ledger.file_state(key);
    if (file->pins.empty()) {
        require(state.first_page == state.end_page, "nothing is pinned of a file without pins");
    } else {
        require(state.first_page == first && state.end_page == end, "a file's state holds its pins' spans");
    }
}

}  // namespace

void check_invariants(const Ledger& ledger)
{
    const std::vector<Held> held = check_index(ledger.index());
    auto first = held.begin();
    for (const auto& [id, pin] : ledger.pins()) {
        const auto end =
            std::find_if(first, held.end(), [owner = pin.id](const Held& part) { return part.pin != owner; });
        check_pin(pin, std::span(first, end));
        first = end;
    }
    require(first == held.end(), "the index has pages of known pins only");
    check_totals(ledger);
    for (const FileKey& key : ledger.files()) {
        check_file(ledger, key);
    }
}

}  // namespace pinwarden::fuzz
