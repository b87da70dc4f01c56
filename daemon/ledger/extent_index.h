// Which pins hold a page. Pages are grouped in blocks of 64, the same unit as the kernel-side release filter; an extent
// is a run of consecutive pages at consecutive positions of one pin, and is cut at block borders. All extents lie in
// one B-tree, in order of block, pin and position.
//
// A page may be held by several pins, and by one pin at several positions (the same frame mapped twice).
//
// An extent takes 20 bytes, and with the tree's share 23 (inserted in order) to 29 (in random order), at any number of
// them, crowded or far apart: docs/adr/0004-extents-in-a-b-tree.md has what was measured and says why a tree.
//
// Cost, with N extents and E of them in a block (1 for a long run, at most 64 for scattered pages of one pin): for each
// block with extents that is touched, O(log N) to insert, O(log N + E) to visit, and O(log N) more for each extent that
// a removal takes or cuts. Blocks without extents cost nothing, however many a run spans.
#pragma once

#include <pinwarden/abi.h>

#include <absl/container/btree_set.h>
#include <absl/container/inlined_vector.h>
#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "decode/event.h"

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
    // A pin is asked at most once for each block, and not at all when the answer was 0 for all pages it has there.
    static constexpr std::uint32_t kNever = UINT32_MAX;
    using Rank = absl::FunctionRef<std::uint32_t(std::uint64_t pin)>;
    // Return false to stop.
    using Visitor = absl::FunctionRef<bool(const Extent& extent)>;

    // Positions stay below 2^32, page numbers below 2^48, and each position of a pin is inserted at most once. Splits
    // at block borders, merges with what is there of the same pin within a block.
    void insert(const Extent& extent);

    // Takes one holding of every page of the run and appends what was taken to `removed`, joined where it is
    // consecutive. Returns how many pages nobody held, or nobody gave up.
    std::uint64_t remove(PageRun run, Rank rank, std::vector<Extent>& removed);

    // Takes up to `limit` holdings of one pin on the pages of `within`, extents that start lowest first. Returns how
    // many.
    std::uint64_t remove_of(std::uint64_t pin, PageRun within, std::uint64_t limit, std::vector<Extent>& removed);

    // Every extent that touches `within`, cut to it and to block borders; blocks ascend, extents of a block come by
    // pin.
    void visit(PageRun within, Visitor visitor) const;

    // Which blocks have extents, ascending: all of them, or `about` as many, others for each salt.
    [[nodiscard]] std::vector<std::uint64_t> block_numbers(std::size_t about = 0, std::uint64_t salt = 0) const;

    [[nodiscard]] std::size_t extents() const { return parts_.size(); }
    [[nodiscard]] std::size_t blocks() const { return blocks_; }

private:
    static constexpr std::uint32_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

    // An extent within its block, packed: there may be millions.
    class [[gnu::packed, gnu::aligned(4)]] Part {
    public:
        Part(PageNumber first, std::uint64_t count, std::uint64_t pin, std::uint64_t position)
            : pin_(pin), where_(first << 8U | count), position_(static_cast<std::uint32_t>(position))
        {
        }

        [[nodiscard]] std::uint64_t block() const { return where_ >> (8U + PW_BLOCK_PAGES_SHIFT); }
        [[nodiscard]] std::uint64_t pin() const { return pin_; }
        [[nodiscard]] std::uint64_t position() const { return position_; }
        [[nodiscard]] PageNumber first() const { return where_ >> 8U; }
        [[nodiscard]] std::uint64_t count() const { return where_ & 0xffU; }
        [[nodiscard]] PageNumber end() const { return first() + count(); }
        [[nodiscard]] bool continues_as(const Part& next) const;

        // Of an element of the tree. What is before and behind it there must stay so.
        void set_pages(PageNumber first, std::uint64_t count) const;

    private:
        std::uint64_t pin_;
        mutable std::uint64_t where_;  // first page << 8 | how many
        mutable std::uint32_t position_;
    };
    static_assert(sizeof(Part) == 20);

    // What can be merged lies side by side.
    struct InOrder {
        bool operator()(const Part& left, const Part& right) const;
    };
    using Parts = absl::btree_set<Part, InOrder>;
    using Block = absl::InlinedVector<Part, 4>;

    static Part least(std::uint64_t block, std::uint64_t pin = 0) { return {block * kBlockPages, 0, pin, 0}; }
    [[nodiscard]] PageRun next_block(PageRun run, Block& block) const;
    void insert_part(const Part& part);
    std::uint64_t remove_in_block(PageRun pages, const Block& block, Rank rank, std::vector<Extent>& removed);
    void take(const Extent& extent, std::vector<Extent>& removed);
    [[nodiscard]] bool alone(Parts::const_iterator part) const;

    Parts parts_;
    std::size_t blocks_ = 0;
};

}  // namespace pinwarden
