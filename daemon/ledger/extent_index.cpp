#include "ledger/extent_index.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

namespace pinwarden {
namespace {

constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

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

PageNumber end_of(PageRun run)
{
    return run.first + run.count;
}

// The part of the run from page `from` to the next block border.
PageRun within_block(PageRun run, PageNumber from)
{
    return {from, std::min(kBlockPages - from % kBlockPages, end_of(run) - from)};
}

}  // namespace

bool ExtentIndex::Part::continues_as(const Part& next) const
{
    return pin() == next.pin() && block() == next.block() && end() == next.first() &&
           position() + count() == next.position();
}

void ExtentIndex::Part::set_pages(PageNumber first, std::uint64_t count) const
{
    position_ = static_cast<std::uint32_t>(position() + first - this->first());
    where_ = first << 8U | count;
}

bool ExtentIndex::InOrder::operator()(const Part& left, const Part& right) const
{
    if (left.block() != right.block()) {
        return left.block() < right.block();
    }
    if (left.pin() != right.pin()) {
        return left.pin() < right.pin();
    }
    return left.position() < right.position();
}

void ExtentIndex::insert(const Extent& extent)
{
    const PageRun run{extent.first, extent.count};
    for (PageNumber from = run.first; from < end_of(run);) {
        const PageRun pages = within_block(run, from);
        insert_part({pages.first, pages.count, extent.pin, extent.position + (from - run.first)});
        from = end_of(pages);
    }
}

void ExtentIndex::insert_part(const Part& part)
{
    const auto next = parts_.lower_bound(part);
    const auto previous = next == parts_.begin() ? parts_.end() : std::prev(next);
    const bool joins_next = next != parts_.end() && part.continues_as(*next);
    if (previous != parts_.end() && previous->continues_as(part)) {
        previous->set_pages(previous->first(), previous->count() + part.count() + (joins_next ? next->count() : 0));
        if (joins_next) {
            parts_.erase(next);
        }
        return;
    }
    if (joins_next) {
        next->set_pages(part.first(), part.count() + next->count());
        return;
    }
    const bool first_of_block = (previous == parts_.end() || previous->block() != part.block()) &&
                                (next == parts_.end() || next->block() != part.block());
    blocks_ += first_of_block ? 1U : 0U;
    parts_.insert(next, part);
}

bool ExtentIndex::alone(Parts::const_iterator part) const
{
    const auto next = std::next(part);
    return (next == parts_.end() || next->block() != part->block()) &&
           (part == parts_.begin() || std::prev(part)->block() != part->block());
}

// Takes pages that lie in one part out of it.
void ExtentIndex::take(const Extent& extent, std::vector<Extent>& removed)
{
    append(removed, extent);
    const auto at = std::prev(parts_.upper_bound(Part(extent.first, extent.count, extent.pin, extent.position)));
    const PageNumber first = at->first();
    const PageNumber end = at->end();
    const PageNumber taken_end = extent.first + extent.count;
    if (first == extent.first && end == taken_end) {
        blocks_ -= alone(at) ? 1U : 0U;
        parts_.erase(at);
    } else if (first == extent.first) {
        at->set_pages(taken_end, end - taken_end);
    } else {
        at->set_pages(first, extent.first - first);
        if (taken_end < end) {
            parts_.insert(std::next(at), Part(taken_end, end - taken_end, extent.pin, extent.position + extent.count));
        }
    }
}

// The parts that touch the run in the first block where there are any; returns which pages of the run lie in that
// block, none when there is no such block.
PageRun ExtentIndex::next_block(PageRun run, Block& block) const
{
    block.clear();
    auto at = parts_.lower_bound(least(run.first / kBlockPages));
    while (at != parts_.end() && at->block() * kBlockPages < end_of(run)) {
        const std::uint64_t number = at->block();
        const PageRun pages = within_block(run, std::max(run.first, number * kBlockPages));
        for (; at != parts_.end() && at->block() == number; ++at) {
            if (at->first() < end_of(pages) && at->end() > pages.first) {
                block.push_back(*at);
            }
        }
        if (!block.empty()) {
            return pages;
        }
    }
    return {end_of(run), 0};
}

std::uint64_t ExtentIndex::remove(PageRun run, Rank rank, std::vector<Extent>& removed)
{
    std::uint64_t taken = 0;
    Block block;
    for (PageRun left = run; left.count > 0;) {
        const PageRun pages = next_block(left, block);
        left = {end_of(pages), end_of(run) - end_of(pages)};
        taken += remove_in_block(pages, block, rank, removed);
    }
    return run.count - taken;
}

std::uint64_t ExtentIndex::remove_in_block(PageRun pages, const Block& block, Rank rank, std::vector<Extent>& removed)
{
    struct Giver {
        std::uint32_t rank = kNever;
        const Part* part = nullptr;
    };
    std::array<Giver, kBlockPages> givers;  // by page
    const auto giver = [&](PageNumber page) -> Giver& { return givers[page % kBlockPages]; };
    std::optional<std::uint64_t> asked;
    std::uint32_t answer = kNever;
    for (const Part& part : block) {
        const PageNumber end = std::min(part.end(), end_of(pages));
        for (PageNumber page = std::max(part.first(), pages.first); page < end; ++page) {
            if (giver(page).rank == 0) {
                continue;
            }
            if (asked != part.pin()) {
                asked = part.pin();
                answer = rank(part.pin());
            }
            if (answer < giver(page).rank) {
                giver(page) = {answer, &part};
            }
        }
    }
    std::uint64_t taken = 0;
    for (PageNumber page = pages.first; page < end_of(pages);) {
        const Part* const part = giver(page).part;
        PageNumber end = page + 1;
        while (end < end_of(pages) && giver(end).part == part) {
            ++end;
        }
        if (part != nullptr) {
            take({page, end - page, part->pin(), part->position() + (page - part->first())}, removed);
            taken += end - page;
        }
        page = end;
    }
    return taken;
}

std::uint64_t ExtentIndex::remove_of(std::uint64_t pin, PageRun within, std::uint64_t limit,
                                     std::vector<Extent>& removed)
{
    std::uint64_t taken = 0;
    Block block;
    for (PageRun left = within; left.count > 0 && taken < limit;) {
        const PageRun pages = next_block(left, block);
        left = {end_of(pages), end_of(within) - end_of(pages)};
        const auto start = [&](const Part& part) { return std::max(part.first(), pages.first); };
        const auto others =
            std::remove_if(block.begin(), block.end(), [&](const Part& part) { return part.pin() != pin; });
        std::sort(block.begin(), others, [&](const Part& one, const Part& two) {
            return std::pair(start(one), one.position()) < std::pair(start(two), two.position());
        });
        for (auto part = block.begin(); part != others && taken < limit; ++part) {
            const PageNumber first = start(*part);
            const std::uint64_t count = std::min(std::min(part->end(), end_of(pages)) - first, limit - taken);
            take({first, count, pin, part->position() + (first - part->first())}, removed);
            taken += count;
        }
    }
    return taken;
}

std::vector<std::uint64_t> ExtentIndex::block_numbers(std::size_t about, std::uint64_t salt) const
{
    const std::size_t one_in = about == 0 ? 1 : std::max<std::size_t>(1, blocks_ / about);
    std::vector<std::uint64_t> numbers;
    numbers.reserve(blocks_ / one_in);
    std::optional<std::uint64_t> last;
    for (const Part& part : parts_) {
        const std::uint64_t number = part.block();
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
    auto part = parts_.lower_bound(least(within.first / kBlockPages));
    for (; part != parts_.end() && part->block() * kBlockPages < end_of(within); ++part) {
        const PageNumber from = std::max(part->first(), within.first);
        const PageNumber to = std::min(part->end(), end_of(within));
        if (from < to && !visitor({from, to - from, part->pin(), part->position() + (from - part->first())})) {
            return;
        }
    }
}

}  // namespace pinwarden
