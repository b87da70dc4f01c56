// Which pins hold a page. Pages are grouped in blocks of 64, the same unit as the kernel-side release filter; an extent
// is a run of consecutive pages at consecutive positions of one pin, and is cut at block borders. All extents lie in
// one B-tree, in order of block, pin and position.
//
// A page may be held by several pins, and by one pin at several positions (the same frame mapped twice).
//
// An extent takes 20 bytes, and with the tree's share 21 (inserted in order) to 31 (in random order), at any number of
// them, crowded or far apart: docs/adr/0004-extents-in-a-b-tree.md has what was measured and says why a tree, and why
// this one.
//
// Cost, with N extents and E of them in a block (1 for a long run, at most 64 for scattered pages of one pin): for each
// block with extents that is touched, O(log N) to insert, O(log N + E) to visit, and O(log N) more for each extent that
// a removal takes or cuts. What is inserted together is put in order first: what lies between two neighbours goes in at
// once, and what lies in one leaf of the tree is looked up from there. Of a run of many blocks, and of a pin that is
// let go as a whole, what lies in one leaf comes out at once. Blocks without extents cost nothing, however many a run
// spans.
#pragma once

#include <pinwarden/abi.h>

#include <absl/container/inlined_vector.h>
#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "decode/event.h"
#include "ledger/part_table.h"

namespace pinwarden {

// A run of pages of one pin: page `first` + i is at position `position` + i of the pin.
struct Extent {
    PageNumber first = 0;
    std::uint64_t count = 0;
    std::uint64_t pin = 0;
    std::uint64_t position = 0;

    friend bool operator==(const Extent&, const Extent&) = default;
};

class ExtentIndex {
public:
    // How gladly a pin gives up a page: the least rank goes first, among equals the least pin, and kNever not at all.
    // A pin is asked at most once for each block, and not at all when the answer was 0 for all pages it has there; the
    // answer is the same throughout a call.
    static constexpr std::uint32_t kNever = UINT32_MAX;
    using Rank = absl::FunctionRef<std::uint32_t(std::uint64_t pin)>;
    // Return false to stop.
    using Visitor = absl::FunctionRef<bool(const Extent& extent)>;

    // Extents of one pin, in order of position. Positions stay below 2^32, page numbers below 2^48, and each position
    // of a pin is inserted at most once. Splits at block borders, merges with what is there of the same pin within a
    // block.
    void insert(std::span<const Extent> extents);
    void insert(const Extent& extent) { insert(std::span(&extent, 1)); }

    // Takes one holding of every page of the run and appends what was taken to `removed`, joined where it is
    // consecutive. Returns how many pages nobody held, or nobody gave up.
    std::uint64_t remove(PageRun run, Rank rank, std::vector<Extent>& removed);

    // Whether so many extents touch the block of the page that asking each of them takes long: the same memory can be
    // pinned again and again. Looks at 64 of them at most.
    [[nodiscard]] bool crowded(PageNumber page) const;

    // Takes one holding of this pin, the one of least position, of every page of the run that it holds, and appends the
    // others' runs to `without`. How many other pins there are does not matter.
    void remove_once(std::uint64_t pin, PageRun run, std::vector<Extent>& removed, std::vector<PageRun>& without);

    // Takes up to `limit` holdings of one pin on the pages of `within`, extents that start lowest first. Returns how
    // many. How many other pins there are does not matter.
    std::uint64_t remove_of(std::uint64_t pin, PageRun within, std::uint64_t limit, std::vector<Extent>& removed);

    // Of a pin that is let go as a whole: takes at least what it has on the blocks of the run. Returns up to which page
    // nothing of it is left, and adds to `pages` how many were taken.
    PageNumber remove_all_of(std::uint64_t pin, PageRun run, std::uint64_t& pages);

    // Soon something will be asked or changed there: spares that call most of the wait for memory. Who has a list of
    // pages says so kAhead runs ahead, by when memory has answered.
    static constexpr std::size_t kAhead = 8;
    void prefetch(PageNumber page) const { parts_.prefetch(page / kBlockPages); }

    // Every extent that touches `within`, cut to it and to block borders; blocks ascend, extents of a block come by
    // pin.
    void visit(PageRun within, Visitor visitor) const;

    // Which blocks have extents, ascending: all of them, or `about` as many, others for each salt.
    [[nodiscard]] std::vector<std::uint64_t> block_numbers(std::size_t about = 0, std::uint64_t salt = 0) const;

    [[nodiscard]] std::size_t extents() const { return parts_.size(); }
    [[nodiscard]] std::size_t blocks() const { return blocks_; }

private:
    static constexpr std::uint32_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

    // The parts of one block that touch a run.
    using Block = absl::InlinedVector<Part, 4>;
    // What pins' ranks are; a pin is asked once as long as no other is.
    class Ranks;
    // What a removal has taken so far.
    class Taken;

    void add_parts(const Extent& extent, PageRun run);
    void insert_parts();
    std::size_t insert_some(std::span<const Part> parts, PartTable::Place& last);
    std::uint64_t remove_stretch(const PartTable::Place& first, std::uint64_t& pages);
    PageRun next_block(PageRun run, Block& block, PartTable::Place& last) const;
    PageRun next_block_of(std::uint64_t pin, PageRun run, Block& block) const;
    PageNumber remove_only(const PartTable::Place& place, PageRun pages, PageRun run, Ranks& ranks, Taken& taken);
    PageNumber remove_whole(const PartTable::Place& place, PageRun run, Ranks& ranks, Taken& taken);
    void remove_in_block(PageRun pages, const Block& block, Ranks& ranks, Taken& taken);
    void take(const Extent& extent, Taken& taken);
    void take_at(const PartTable::Place& place, const Extent& extent, Taken& taken);
    [[nodiscard]] bool alone(PartTable::Place place) const;

    PartTable parts_;
    std::size_t blocks_ = 0;
    // Of insertions, so that each finds the memory of the last: parts in order of position, which of them comes when
    // in the table, and they in that order. The first is empty between two insertions.
    std::vector<Part> new_parts_;
    std::vector<std::uint64_t> order_;
    std::vector<Part> ordered_;
};

}  // namespace pinwarden
