#include "ledger/extent_index.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace pinwarden {
namespace {

void append(std::vector<Extent>& extents, const Extent& extent)
{
    if (!extents.empty()) {
        Extent& last = extents.back();
        if (last.pin == extent.pin && last.first + last.count == extent.first &&
            last.position + last.count == extent.position) {
            last.count += extent.count;
            return;
        }
    }
    extents.push_back(extent);
}

}  // namespace

bool ExtentIndex::Part::continues_as(const Part& next) const
{
    return pin == next.pin && end() == next.offset && std::uint64_t{position} + count == next.position;
}

ExtentIndex::Window ExtentIndex::first_window(PageRun run)
{
    const auto from = static_cast<std::uint32_t>(run.first % kBlockPages);
    const std::uint64_t pages = std::min<std::uint64_t>(kBlockPages - from, run.count);
    return {run.first / kBlockPages, from, from + static_cast<std::uint32_t>(pages)};
}

bool ExtentIndex::next_window(PageRun run, Window& window)
{
    const PageNumber start = (window.block + 1) * kBlockPages;
    if (start >= run.first + run.count) {
        return false;
    }
    window = first_window({start, run.first + run.count - start});
    return true;
}

void ExtentIndex::insert(const Extent& extent)
{
    if (extent.count == 0) {
        return;
    }
    const PageRun run{extent.first, extent.count};
    std::uint64_t position = extent.position;
    Window window = first_window(run);
    do {
        Block& block = blocks_[window.block];
        const std::size_t before = block.size();
        const std::uint32_t pages = window.to - window.from;
        insert_part(block, {extent.pin, static_cast<std::uint32_t>(position), static_cast<std::uint8_t>(window.from),
                            static_cast<std::uint8_t>(pages)});
        extents_ += block.size() - before;
        position += pages;
    } while (next_window(run, window));
}

void ExtentIndex::insert_part(Block& block, const Part& part)
{
    auto next = std::lower_bound(block.begin(), block.end(), part, [](const Part& left, const Part& right) {
        return std::pair(left.pin, left.position) < std::pair(right.pin, right.position);
    });
    const bool joins_next = next != block.end() && part.continues_as(*next);
    if (next != block.begin() && std::prev(next)->continues_as(part)) {
        const auto previous = std::prev(next);
        previous->count = static_cast<std::uint8_t>(previous->count + part.count);
        if (joins_next) {
            previous->count = static_cast<std::uint8_t>(previous->count + next->count);
            block.erase(next);
        }
        return;
    }
    if (joins_next) {
        next->position = part.position;
        next->offset = part.offset;
        next->count = static_cast<std::uint8_t>(next->count + part.count);
        return;
    }
    block.insert(next, part);
}

// Who gives up the first page of the window, and how far the same choice holds: up to where an extent ends or begins.
ExtentIndex::Share ExtentIndex::choose(const Block& block, const Window& window, Rank rank)
{
    Share share{block.size(), window.to};
    std::uint32_t least = kNever;
    for (std::size_t i = 0; i < block.size(); ++i) {
        const Part& part = block[i];
        if (part.offset > window.from) {
            share.end = std::min<std::uint32_t>(share.end, part.offset);
            continue;
        }
        if (part.end() <= window.from) {
            continue;
        }
        share.end = std::min(share.end, part.end());
        if (least == 0 || (share.part != block.size() && part.pin == block[share.part].pin)) {
            continue;
        }
        if (const std::uint32_t other = rank(part.pin); other < least) {
            least = other;
            share.part = i;
        }
    }
    return share;
}

// Takes the window's pages, which the part holds all of, out of it.
Extent ExtentIndex::cut(Block& block, std::size_t index, const Window& window)
{
    Part& part = block[index];
    const std::uint32_t pages = window.to - window.from;
    const std::uint32_t before = window.from - part.offset;
    const std::uint32_t after = part.end() - window.to;
    const Extent taken{window.block * kBlockPages + window.from, pages, part.pin,
                       std::uint64_t{part.position} + before};
    const Part tail{part.pin, part.position + before + pages, static_cast<std::uint8_t>(window.to),
                    static_cast<std::uint8_t>(after)};
    const auto at = block.begin() + static_cast<std::ptrdiff_t>(index);
    if (before == 0 && after == 0) {
        block.erase(at);
    } else if (before == 0) {
        part = tail;
    } else {
        part.count = static_cast<std::uint8_t>(before);
        if (after > 0) {
            block.insert(at + 1, tail);
        }
    }
    return taken;
}

std::uint64_t ExtentIndex::remove_in_block(Block& block, Window window, Rank rank, std::vector<Extent>& removed)
{
    std::uint64_t missing = 0;
    while (window.from < window.to) {
        const Share share = choose(block, window, rank);
        if (share.part == block.size()) {
            missing += share.end - window.from;
        } else {
            append(removed, cut(block, share.part, {window.block, window.from, share.end}));
        }
        window.from = share.end;
    }
    return missing;
}

std::uint64_t ExtentIndex::remove(PageRun run, Rank rank, std::vector<Extent>& removed)
{
    std::uint64_t missing = 0;
    if (run.count == 0) {
        return 0;
    }
    Window window = first_window(run);
    do {
        const auto found = blocks_.find(window.block);
        if (found == blocks_.end()) {
            missing += window.to - window.from;
            continue;
        }
        Block& block = found->second;
        const std::size_t before = block.size();
        missing += remove_in_block(block, window, rank, removed);
        extents_ += block.size() - before;
        if (block.empty()) {
            blocks_.erase(found);
        }
    } while (next_window(run, window));
    return missing;
}

std::uint64_t ExtentIndex::remove_of_in_block(Block& block, std::uint64_t pin, const Window& window,
                                              std::uint64_t limit, std::vector<Extent>& removed)
{
    std::uint64_t taken = 0;
    while (taken < limit) {
        std::size_t lowest = block.size();
        std::uint32_t from = window.to;
        for (std::size_t i = 0; i < block.size(); ++i) {
            const std::uint32_t start = std::max<std::uint32_t>(block[i].offset, window.from);
            if (block[i].pin == pin && block[i].end() > window.from && start < from) {
                lowest = i;
                from = start;
            }
        }
        if (lowest == block.size()) {
            break;
        }
        const std::uint32_t end = std::min(block[lowest].end(), window.to);
        const auto pages = static_cast<std::uint32_t>(std::min<std::uint64_t>(end - from, limit - taken));
        append(removed, cut(block, lowest, {window.block, from, from + pages}));
        taken += pages;
    }
    return taken;
}

std::uint64_t ExtentIndex::remove_of(std::uint64_t pin, PageRun within, std::uint64_t limit,
                                     std::vector<Extent>& removed)
{
    std::uint64_t taken = 0;
    if (within.count == 0) {
        return 0;
    }
    Window window = first_window(within);
    do {
        const auto found = blocks_.find(window.block);
        if (found == blocks_.end()) {
            continue;
        }
        Block& block = found->second;
        const std::size_t before = block.size();
        taken += remove_of_in_block(block, pin, window, limit - taken, removed);
        extents_ += block.size() - before;
        if (block.empty()) {
            blocks_.erase(found);
        }
    } while (taken < limit && next_window(within, window));
    return taken;
}

std::vector<std::uint64_t> ExtentIndex::block_numbers(std::size_t about, std::uint64_t salt) const
{
    const std::size_t one_in = about == 0 ? 1 : std::max<std::size_t>(1, blocks_.size() / about);
    std::vector<std::uint64_t> numbers;
    numbers.reserve(blocks_.size() / one_in);
    for (const auto& [number, block] : blocks_) {
        if (one_in == 1 || absl::HashOf(number, salt) % one_in == 0) {
            numbers.push_back(number);
        }
    }
    return numbers;
}

void ExtentIndex::visit(PageRun within, Visitor visitor) const
{
    if (within.count == 0) {
        return;
    }
    Window window = first_window(within);
    do {
        const auto found = blocks_.find(window.block);
        if (found == blocks_.end()) {
            continue;
        }
        for (const Part& part : found->second) {
            const std::uint32_t from = std::max<std::uint32_t>(part.offset, window.from);
            const std::uint32_t to = std::min(part.end(), window.to);
            if (from >= to) {
                continue;
            }
            const std::uint64_t position = std::uint64_t{part.position} + (from - part.offset);
            if (!visitor({window.block * kBlockPages + from, to - from, part.pin, position})) {
                return;
            }
        }
    } while (next_window(within, window));
}

}  // namespace pinwarden
