// How extents get into their index.
#include <algorithm>
#include <span>

#include "ledger/extent_index.h"
#include "ledger/page_blocks.h"

namespace pinwarden {

void ExtentIndex::insert(std::span<const Extent> extents)
{
    constexpr std::uint64_t kAtOnce = 512;  // parts, which are short of memory of their own
    for (const Extent& extent : extents) {
        const PageNumber end = extent.first + extent.count;
        for (PageNumber from = extent.first; from < end;) {
            const PageNumber to = std::min(end, (from / kBlockPages + kAtOnce) * kBlockPages);
            add_parts(extent, {from, to - from});
            from = to;
            if (new_parts_.size() >= kAtOnce) {
                insert_parts();
            }
        }
    }
    insert_parts();
}

// One for each block of the run, which is a part of the extent.
void ExtentIndex::add_parts(const Extent& extent, PageRun run)
{
    for (PageNumber page = run.first; page < end_of(run);) {
        const Part part(page, within_block(run, page).count, extent.pin, extent.position + (page - extent.first));
        page = part.end();
        if (!new_parts_.empty() && new_parts_.back().continues_as(part)) {
            const Part& before = new_parts_.back();
            new_parts_.back() = Part(before.first(), before.count() + part.count(), part.pin(), before.position());
        } else {
            new_parts_.push_back(part);
        }
    }
}

void ExtentIndex::insert_parts()
{
    // They come by position, which is the order within a block.
    constexpr unsigned kNumberBits = 22;
    const std::size_t count = new_parts_.size();
    order_.resize(count);
    ordered_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        order_[i] = new_parts_[i].block() << kNumberBits | i;
    }
    std::sort(order_.begin(), order_.end());
    for (std::size_t i = 0; i < count; ++i) {
        ordered_[i] = new_parts_[order_[i] & ((1U << kNumberBits) - 1)];
    }
    PartTable::Place last;
    for (std::span<const Part> left(ordered_); !left.empty(); left = left.subspan(insert_some(left, last))) {
        if (left.size() > kAhead) {
            parts_.prefetch(left[kAhead].block());
        }
    }
    new_parts_.clear();
}

// The first of the parts, and with it those behind it that go in at the same place; returns how many. `last` is where
// something was inserted last, and then where this was.
std::size_t ExtentIndex::insert_some(std::span<const Part> parts, PartTable::Place& last)
{
    const Part& part = parts.front();
    PartTable::Place place = parts_.find(part, last);
    PartTable::Place next = place;
    PartTable::Place previous = place;
    const bool has_next = parts_.forward(next);
    const bool has_previous = parts_.back(previous);
    const Part behind = has_next ? PartTable::at(next) : Part();
    const Part before = has_previous ? PartTable::at(previous) : Part();
    const bool joins_next = has_next && part.continues_as(behind);
    if (has_previous && before.continues_as(part)) {
        parts_.set_pages(previous, before.first(), before.count() + part.count() + (joins_next ? behind.count() : 0));
        last = previous;
        if (joins_next) {
            parts_.erase(next, 1);
            last = {};
        }
        return 1;
    }
    if (joins_next) {
        parts_.set_pages(next, part.first(), part.count() + behind.count());
        last = next;
        return 1;
    }
    std::size_t count = 1;
    while (count < parts.size() &&
           (!has_next || (parts[count].comes_before(behind) && !parts[count].continues_as(behind)))) {
        ++count;
    }
    count = parts_.insert(place, parts.first(count));
    last = place;
    std::uint64_t block = has_previous ? before.block() : kNoBlock;
    for (const Part& inserted : parts.first(count)) {
        blocks_ += inserted.block() != block ? 1U : 0U;
        block = inserted.block();
    }
    // The block of the last one was there before, if what is behind lies in it. Then it was counted for nothing, unless
    // what is before lies in it as well.
    if (has_next && behind.block() == block && (!has_previous || before.block() != block)) {
        --blocks_;
    }
    return count;
}

}  // namespace pinwarden
