#include "ledger/extent_index.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <optional>
#include <span>
#include <utility>

#include "ledger/page_blocks.h"

namespace pinwarden {

class ExtentIndex::Ranks {
public:
    explicit Ranks(Rank rank) : rank_(rank) {}

    std::uint32_t of(std::uint64_t pin)
    {
        if (asked_ != pin) {
            asked_ = pin;
            answer_ = rank_(pin);
        }
        return answer_;
    }

private:
    Rank rank_;
    std::optional<std::uint64_t> asked_;
    std::uint32_t answer_ = kNever;
};

class ExtentIndex::Taken {
public:
    explicit Taken(std::vector<Extent>& extents) : extents_(extents) {}

    void add(const Extent& extent)
    {
        pages_ += extent.count;
        if (!extents_.empty()) {
            Extent& last = extents_.back();
            if (last.pin == extent.pin && last.first + last.count == extent.first &&
                last.position + last.count == extent.position) {
                last.count += extent.count;
                return;
            }
        }
        extents_.push_back(extent);
    }

    [[nodiscard]] std::uint64_t pages() const { return pages_; }

private:
    std::vector<Extent>& extents_;
    std::uint64_t pages_ = 0;
};

bool ExtentIndex::alone(PartTable::Place place) const
{
    const std::uint64_t block = PartTable::at(place).block();
    PartTable::Place next = place;
    ++next.slot;
    return (!parts_.forward(next) || PartTable::at(next).block() != block) &&
           (!parts_.back(place) || PartTable::at(place).block() != block);
}

// Takes pages that lie in one part out of it.
void ExtentIndex::take(const Extent& extent, Taken& taken)
{
    const Part from(extent.first, extent.count, extent.pin, extent.position);
    PartTable::Place place = parts_.find(from);
    if (!parts_.forward(place) || PartTable::at(place).block() != from.block() ||
        PartTable::at(place).pin() != extent.pin || PartTable::at(place).position() != extent.position) {
        static_cast<void>(parts_.back(place));
    }
    take_at(place, extent, taken);
}

void ExtentIndex::take_at(const PartTable::Place& place, const Extent& extent, Taken& taken)
{
    taken.add(extent);
    const Part part = PartTable::at(place);
    const PageNumber taken_end = extent.first + extent.count;
    if (part.first() == extent.first && part.end() == taken_end) {
        blocks_ -= alone(place) ? 1U : 0U;
        parts_.erase(place, 1);
    } else if (part.first() == extent.first) {
        parts_.set_pages(place, taken_end, part.end() - taken_end);
    } else {
        parts_.set_pages(place, part.first(), extent.first - part.first());
        if (taken_end < part.end()) {
            const Part rest(taken_end, part.end() - taken_end, extent.pin, extent.position + extent.count);
            PartTable::Place behind = place;
            ++behind.slot;
            parts_.insert(behind, std::span(&rest, 1));
        }
    }
}

// The parts that touch the run in the first block where there are any, and the place of the last of them; returns which
// pages of the run lie in that block, none when there is no such block.
PageRun ExtentIndex::next_block(PageRun run, Block& block, PartTable::Place& last) const
{
    block.clear();
    PartTable::Place at = parts_.find_block(run.first / kBlockPages);
    while (parts_.forward(at) && PartTable::at(at).block() * kBlockPages < end_of(run)) {
        const std::uint64_t number = PartTable::at(at).block();
        const PageRun pages = within_block(run, std::max(run.first, number * kBlockPages));
        for (; parts_.forward(at) && PartTable::at(at).block() == number; ++at.slot) {
            const Part part = PartTable::at(at);
            if (part.first() < end_of(pages) && part.end() > pages.first) {
                block.push_back(part);
                last = at;
            }
        }
        if (!block.empty()) {
            return pages;
        }
    }
    return {end_of(run), 0};
}

// The same of one pin's parts, in order of position.
PageRun ExtentIndex::next_block_of(std::uint64_t pin, PageRun run, Block& block) const
{
    block.clear();
    for (std::uint64_t number = run.first / kBlockPages; number * kBlockPages < end_of(run);) {
        PartTable::Place at = parts_.find(Part(number * kBlockPages, 0, pin, 0));
        if (!parts_.forward(at)) {
            break;
        }
        if (const std::uint64_t there = PartTable::at(at).block(); there != number || PartTable::at(at).pin() != pin) {
            number = std::max(number + 1, there);
            continue;
        }
        const PageRun pages = within_block(run, std::max(run.first, number * kBlockPages));
        for (; parts_.forward(at) && PartTable::at(at).block() == number && PartTable::at(at).pin() == pin; ++at.slot) {
            const Part part = PartTable::at(at);
            if (part.first() < end_of(pages) && part.end() > pages.first) {
                block.push_back(part);
            }
        }
        if (!block.empty()) {
            return pages;
        }
        ++number;
    }
    return {end_of(run), 0};
}

std::uint64_t ExtentIndex::remove(PageRun run, Rank rank, std::vector<Extent>& removed)
{
    Ranks ranks(rank);
    Taken taken(removed);
    Block block;
    PartTable::Place last;
    for (PageRun left = run; left.count > 0;) {
        const PageRun pages = next_block(left, block, last);
        PageNumber done = end_of(pages);
        if (block.size() == 1) {
            done = remove_only(last, pages, left, ranks, taken);
        } else {
            remove_in_block(pages, block, ranks, taken);
        }
        left = {done, end_of(run) - done};
    }
    return run.count - taken.pages();
}

// Where one part alone has pages of the run in a block, `pages`, there is nothing to choose but whether it gives them
// up. Returns up to which page the run is dealt with.
PageNumber ExtentIndex::remove_only(const PartTable::Place& place, PageRun pages, PageRun run, Ranks& ranks,
                                    Taken& taken)
{
    const Part part = PartTable::at(place);
    const PageNumber first = std::max(part.first(), pages.first);
    const PageNumber end = std::min(part.end(), end_of(pages));
    if (ranks.of(part.pin()) == kNever) {
        return end_of(pages);
    }
    if (part.first() == first && part.end() == end) {
        return remove_whole(place, run, ranks, taken);
    }
    take_at(place, {first, end - first, part.pin(), part.position() + (first - part.first())}, taken);
    return end_of(pages);
}

// Takes the part, which lies within the run and gives its pages up, and with it all behind it in the same leaf of which
// that is true and that are alone in their blocks: a run of many blocks costs one look-up for each leaf.
PageNumber ExtentIndex::remove_whole(const PartTable::Place& place, PageRun run, Ranks& ranks, Taken& taken)
{
    const std::size_t left = PartTable::left_in_leaf(place);
    PartTable::Place at = place;
    Part part = PartTable::at(at);
    std::size_t blocks = alone(place) ? 1 : 0;
    std::size_t count = 0;
    for (;;) {
        taken.add({part.first(), part.count(), part.pin(), part.position()});
        // Of the last one in the leaf it is not known whether it is alone.
        if (++count + 1 >= left) {
            break;
        }
        ++at.slot;
        const Part next = PartTable::at(at);
        PartTable::Place behind = at;
        ++behind.slot;
        if (next.block() == part.block() || next.end() > end_of(run) || PartTable::at(behind).block() == next.block() ||
            ranks.of(next.pin()) == kNever) {
            break;
        }
        part = next;
        ++blocks;
    }
    parts_.erase(place, count);
    blocks_ -= blocks;
    return std::min((part.block() + 1) * kBlockPages, end_of(run));
}

void ExtentIndex::remove_in_block(PageRun pages, const Block& block, Ranks& ranks, Taken& taken)
{
    struct Giver {
        std::uint32_t rank = kNever;
        const Part* part = nullptr;
    };
    std::array<Giver, kBlockPages> givers;  // by page
    const auto giver = [&](PageNumber page) -> Giver& { return givers[page % kBlockPages]; };
    for (const Part& part : block) {
        const PageNumber end = std::min(part.end(), end_of(pages));
        for (PageNumber page = std::max(part.first(), pages.first); page < end; ++page) {
            if (giver(page).rank == 0) {
                continue;
            }
            if (const std::uint32_t rank = ranks.of(part.pin()); rank < giver(page).rank) {
                giver(page) = {rank, &part};
            }
        }
    }
    for (PageNumber page = pages.first; page < end_of(pages);) {
        const Part* const part = giver(page).part;
        PageNumber end = page + 1;
        while (end < end_of(pages) && giver(end).part == part) {
            ++end;
        }
        if (part != nullptr) {
            take({page, end - page, part->pin(), part->position() + (page - part->first())}, taken);
        }
        page = end;
    }
}

bool ExtentIndex::crowded(PageNumber page) const
{
    constexpr std::size_t kMany = 64;
    const std::uint64_t block = page / kBlockPages;
    PartTable::Place at = parts_.find_block(block);
    std::size_t seen = 0;
    for (; seen < kMany && parts_.forward(at) && PartTable::at(at).block() == block; ++at.slot) {
        ++seen;
    }
    return seen == kMany;
}

void ExtentIndex::remove_once(std::uint64_t pin, PageRun run, std::vector<Extent>& removed,
                              std::vector<PageRun>& without)
{
    Taken taken(removed);
    Block block;
    for (PageRun left = run; left.count > 0;) {
        const PageRun pages = next_block_of(pin, left, block);
        if (pages.first > left.first) {
            without.push_back({left.first, pages.first - left.first});
        }
        std::bitset<kBlockPages> done;
        const auto is_done = [&](PageNumber page) { return done[page % kBlockPages]; };
        for (const Part& part : block) {
            const PageNumber part_end = std::min(part.end(), end_of(pages));
            for (PageNumber page = std::max(part.first(), pages.first); page < part_end;) {
                PageNumber end = page;
                for (; end < part_end && !is_done(end); ++end) {
                    done.set(end % kBlockPages);
                }
                if (end > page) {
                    take({page, end - page, pin, part.position() + (page - part.first())}, taken);
                }
                page = std::max(end, page + 1);
            }
        }
        for (PageNumber page = pages.first; page < end_of(pages); ++page) {
            if (!is_done(page)) {
                without.push_back({page, 1});
            }
        }
        left = {end_of(pages), end_of(run) - end_of(pages)};
    }
}

std::uint64_t ExtentIndex::remove_of(std::uint64_t pin, PageRun within, std::uint64_t limit,
                                     std::vector<Extent>& removed)
{
    Taken taken(removed);
    Block block;
    for (PageRun left = within; left.count > 0 && taken.pages() < limit;) {
        const PageRun pages = next_block_of(pin, left, block);
        left = {end_of(pages), end_of(within) - end_of(pages)};
        const auto start = [&](const Part& part) { return std::max(part.first(), pages.first); };
        std::sort(block.begin(), block.end(), [&](const Part& one, const Part& two) {
            return std::pair(start(one), one.position()) < std::pair(start(two), two.position());
        });
        for (auto part = block.begin(); part != block.end() && taken.pages() < limit; ++part) {
            const PageNumber first = start(*part);
            const std::uint64_t count = std::min(std::min(part->end(), end_of(pages)) - first, limit - taken.pages());
            take({first, count, pin, part->position() + (first - part->first())}, taken);
        }
    }
    return taken.pages();
}

PageNumber ExtentIndex::remove_all_of(std::uint64_t pin, PageRun run, std::uint64_t& pages)
{
    std::uint64_t block = run.first / kBlockPages;
    while (block * kBlockPages < end_of(run)) {
        PartTable::Place place = parts_.find(Part(block * kBlockPages, 0, pin, 0));
        if (!parts_.forward(place)) {
            return kNoBlock;
        }
        const Part part = PartTable::at(place);
        if (part.pin() == pin) {
            block = remove_stretch(place, pages);
        } else {
            block = std::max(block + 1, part.block());
        }
    }
    return block * kBlockPages;
}

// Takes the extent there and those behind it in the same leaf up to another pin's. Returns the block where to go on.
std::uint64_t ExtentIndex::remove_stretch(const PartTable::Place& first, std::uint64_t& pages)
{
    PartTable::Place before = first;
    const std::uint64_t block_before = parts_.back(before) ? PartTable::at(before).block() : kNoBlock;
    const std::uint64_t pin = PartTable::at(first).pin();
    const std::size_t left = PartTable::left_in_leaf(first);
    std::uint64_t block = block_before;
    std::size_t count = 0;
    PartTable::Place at = first;
    for (; count < left && PartTable::at(at).pin() == pin; ++at.slot, ++count) {
        const Part part = PartTable::at(at);
        pages += part.count();
        blocks_ -= part.block() != block ? 1U : 0U;
        block = part.block();
    }
    // What is behind may lie in the last block, which then is not empty.
    if (block != block_before && parts_.forward(at) && PartTable::at(at).block() == block) {
        ++blocks_;
    }
    parts_.erase(first, count);
    return count == left ? block : block + 1;
}

std::vector<std::uint64_t> ExtentIndex::block_numbers(std::size_t about, std::uint64_t salt) const
{
    const std::size_t one_in = about == 0 ? 1 : std::max<std::size_t>(1, blocks_ / about);
    std::vector<std::uint64_t> numbers;
    numbers.reserve(blocks_ / one_in);
    std::optional<std::uint64_t> last;
    for (PartTable::Place at = parts_.begin(); parts_.forward(at); ++at.slot) {
        const std::uint64_t number = PartTable::at(at).block();
        if (number != last && (one_in == 1 || absl::HashOf(number, salt) % one_in == 0)) {
            numbers.push_back(number);
        }
        last = number;
    }
    return numbers;
}

void ExtentIndex::visit(PageRun within, Visitor visitor) const
{
    if (within.count == 0) {
        return;
    }
    PartTable::Place at = parts_.find_block(within.first / kBlockPages);
    for (; parts_.forward(at); ++at.slot) {
        const Part part = PartTable::at(at);
        if (part.block() * kBlockPages >= end_of(within)) {
            return;
        }
        const PageNumber from = std::max(part.first(), within.first);
        const PageNumber to = std::min(part.end(), end_of(within));
        if (from < to && !visitor({from, to - from, part.pin(), part.position() + (from - part.first())})) {
            return;
        }
    }
}

}  // namespace pinwarden
