// Which pins hold a page. Pages are grouped in blocks of 64, the same unit as the kernel-side release filter; each
// block has the extents (runs of consecutive pages at consecutive positions of one pin) that lie in it.
//
// A page may be held by several pins, and by one pin at several positions (the same frame mapped twice). An extent
// takes 16 bytes and a block with one extent 33 bytes before the table's load factor (at most 75 after it).
//
// Cost, with E extents in a block (1 for a long run, at most 64 for scattered pages of one pin): insert and remove take
// one table lookup and O(E) for each block touched, whatever the number of pages in it.
#pragma once

#include <pinwarden/abi.h>

#include <absl/container/flat_hash_map.h>
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
    // No more is asked about a page once 0 was the answer.
    static constexpr std::uint32_t kNever = UINT32_MAX;
    using Rank = absl::FunctionRef<std::uint32_t(std::uint64_t pin)>;
    // Return false to stop.
    using Visitor = absl::FunctionRef<bool(const Extent& extent)>;

    // Positions stay below 2^32, and each position of a pin is inserted at most once. Splits at block borders, merges
    // with what is there of the same pin within a block.
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

    // Which blocks have extents, in no order: all of them, or `about` as many, others for each salt.
    [[nodiscard]] std::vector<std::uint64_t> block_numbers(std::size_t about = 0, std::uint64_t salt = 0) const;

    [[nodiscard]] std::size_t extents() const { return extents_; }
    [[nodiscard]] std::size_t blocks() const { return blocks_.size(); }

private:
    static constexpr std::uint32_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

    // An extent within its block. Sorted by pin, then position, so that what can be merged lies side by side.
    struct Part {
        std::uint64_t pin = 0;
        std::uint32_t position = 0;
        std::uint8_t offset = 0;  // of the first page in the block
        std::uint8_t count = 0;

        [[nodiscard]] std::uint32_t end() const { return offset + std::uint32_t{count}; }
        [[nodiscard]] bool continues_as(const Part& next) const;
    };
    static_assert(sizeof(Part) == 16);
    using Block = absl::InlinedVector<Part, 1>;

    // Pages from .. to - 1 of a block.
    struct Window {
        std::uint64_t block = 0;
        std::uint32_t from = 0;
        std::uint32_t to = 0;
    };
    // One part's share of a window: nobody's when `part` is the block's size.
    struct Share {
        std::size_t part = 0;
        std::uint32_t end = 0;
    };

    static Window first_window(PageRun run);
    static bool next_window(PageRun run, Window& window);
    static Share choose(const Block& block, const Window& window, Rank rank);
    static Extent cut(Block& block, std::size_t index, const Window& window);
    static std::uint64_t remove_in_block(Block& block, Window window, Rank rank, std::vector<Extent>& removed);
    static std::uint64_t remove_of_in_block(Block& block, std::uint64_t pin, const Window& window, std::uint64_t limit,
                                            std::vector<Extent>& removed);
    static void insert_part(Block& block, const Part& part);

    absl::flat_hash_map<std::uint64_t, Block> blocks_;
    std::size_t extents_ = 0;
};

}  // namespace pinwarden
