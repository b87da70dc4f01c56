// The extents of an ExtentIndex, in order of block, pin and position: a B-tree of three levels, made so that a look-up
// anywhere in millions of extents waits for memory once or twice.
//
// Extents lie in leaves of up to 64, field by field: what is searched, the pages, lies together. Up to 64 leaves are
// listed in a group, with the key of the first extent of each, and all groups in the top in the same way. Ten million
// extents are some 5,000 groups: the top stays in the processor's near caches, and mostly the groups of a million do.
//
// Cost, with N extents: two steps of a search, independent of N, in a leaf and in a group; in the top one comparison
// for each 64 groups, N / 125,000. To insert or to erase moves what is behind it in the leaf, and now and then in the
// group; one insertion in some 2,000 adds a group and moves what is behind it in the top, N / 4,000 entries on average.
// Leaves and groups that are less than half full are joined with a neighbour when both fill at most 7/8 of one: after
// any removals leaves are nearly half full on average, and 69 % after insertions in random order. Insertions in order
// fill them.
#pragma once

#include <pinwarden/abi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "decode/event.h"

namespace pinwarden {

// An extent within its block, 20 bytes of it in a table.
class Part {
public:
    Part() = default;
    Part(PageNumber first, std::uint64_t count, std::uint64_t pin, std::uint64_t position)
        : pin_(pin), where_(first << kCountBits | count), position_(static_cast<std::uint32_t>(position))
    {
    }

    [[nodiscard]] std::uint64_t block() const { return where_ >> kBlockBits; }
    [[nodiscard]] std::uint64_t pin() const { return pin_; }
    [[nodiscard]] std::uint64_t position() const { return position_; }
    [[nodiscard]] PageNumber first() const { return where_ >> kCountBits; }
    [[nodiscard]] std::uint64_t count() const { return where_ & ((1U << kCountBits) - 1); }
    [[nodiscard]] PageNumber end() const { return first() + count(); }
    [[nodiscard]] bool comes_before(const Part& other) const
    {
        return block() != other.block() ? block() < other.block()
                                        : std::tie(pin_, position_) < std::tie(other.pin_, other.position_);
    }
    // Whether the two are one extent, if they lie in the same block.
    [[nodiscard]] bool continues_as(const Part& next) const
    {
        return pin_ == next.pin_ && block() == next.block() && end() == next.first() &&
               position() + count() == next.position();
    }

private:
    friend class PartTable;

    static constexpr unsigned kCountBits = 8;
    static constexpr unsigned kBlockBits = kCountBits + PW_BLOCK_PAGES_SHIFT;

    std::uint64_t pin_ = 0;
    std::uint64_t where_ = 0;  // first page << 8 | how many
    std::uint32_t position_ = 0;
};

class PartTable {
    static constexpr std::size_t kLeafParts = 64;
    static constexpr std::size_t kGroupLeaves = 64;
    static constexpr std::uint64_t kUnused = ~std::uint64_t{0};  // behind those that are there, so that all is sorted

    struct Leaf {
        Leaf() { where.fill(kUnused); }

        std::uint32_t count = 0;
        std::array<std::uint64_t, kLeafParts> where;
        std::array<std::uint64_t, kLeafParts> pin;
        std::array<std::uint32_t, kLeafParts> position;
    };
    // By which an entry's first extent is told from the one before: always exactly that extent's.
    struct Key {
        std::uint64_t block = 0;
        std::uint64_t pin = 0;
        std::uint32_t position = 0;
    };
    struct Group {
        Group() { block.fill(kUnused); }

        std::uint32_t count = 0;
        std::array<std::uint64_t, kGroupLeaves> block;
        std::array<std::uint64_t, kGroupLeaves> pin;
        std::array<std::uint32_t, kGroupLeaves> position;
        std::array<std::unique_ptr<Leaf>, kGroupLeaves> leaf;
    };
    static constexpr std::size_t kTopStep = 64;
    struct Top {
        // With so many unused ones behind those of the groups.
        std::vector<std::uint64_t> block;
        std::vector<std::uint64_t> pin;
        std::vector<std::uint32_t> position;
        std::vector<std::unique_ptr<Group>> group;
    };

public:
    // A place in the table. One that is before an extent may also be the end of the leaf before it: where an extent is
    // to be read, forward() comes first. Any insertion or removal makes all places invalid.
    struct Place {
        std::size_t group = 0;
        std::size_t leaf = 0;
        std::size_t slot = 0;
        Leaf* in = nullptr;  // nullptr: the table is empty
    };

    PartTable();
    ~PartTable();
    PartTable(const PartTable&) = delete;
    PartTable& operator=(const PartTable&) = delete;
    // What is moved from has what the other had.
    PartTable(PartTable&& other) noexcept;
    PartTable& operator=(PartTable&& other) noexcept;

    [[nodiscard]] std::size_t size() const { return size_; }

    // Before the first extent of the block, or of one behind it.
    [[nodiscard]] Place find_block(std::uint64_t block) const;
    // Before the first extent that does not come before this one.
    [[nodiscard]] Place find(const Part& part) const;
    // The same, and soon found when it lies in the leaf of `near`, a place that is valid.
    [[nodiscard]] Place find(const Part& part, const Place& near) const;
    [[nodiscard]] Place begin() const { return find_block(0); }
    // Has the processor fetch what find_block() will look at, and what is changed there. Nothing of a table that its
    // near caches have as a whole.
    void prefetch(std::uint64_t block) const;

    // To the extent the place is before; false at the end of all.
    bool forward(Place& place) const
    {
        return (place.in != nullptr && place.slot < place.in->count) || to_next_leaf(place);
    }
    // To the extent in front of the place; false when there is none.
    bool back(Place& place) const;
    // The extent at a place that forward() or back() gave.
    [[nodiscard]] static Part at(const Place& place)
    {
        Part part;
        part.where_ = place.in->where[place.slot];
        part.pin_ = place.in->pin[place.slot];
        part.position_ = place.in->position[place.slot];
        return part;
    }
    // How many extents there are from the place to the end of its leaf.
    [[nodiscard]] static std::size_t left_in_leaf(const Place& place) { return place.in->count - place.slot; }

    // Other pages, and another position, for an extent that stays where it is in the order.
    void set_pages(const Place& place, PageNumber first, std::uint64_t count);
    // Where find() of the first said, as far as there is room in one step; returns how many of them. All come before
    // what is behind the place, which becomes the first one's.
    std::size_t insert(Place& place, std::span<const Part> parts);
    // The extent at the place and those behind it in the same leaf.
    void erase(Place place, std::size_t count);

private:
    bool to_next_leaf(Place& place) const;
    [[nodiscard]] static std::size_t covering(std::size_t next, std::span<const std::uint64_t> blocks,
                                              const std::uint64_t* pins, const std::uint32_t* positions,
                                              const Key& key);
    [[nodiscard]] std::size_t first_group(std::uint64_t block) const;
    void find_leaf(const Key& key, Place& place) const;
    [[nodiscard]] bool in_leaf(const Key& key, const Place& place) const;
    [[nodiscard]] static std::size_t slot_of(const Part& part, const Leaf& leaf);
    static void put(Leaf& leaf, std::size_t slot, const Part& part);
    [[nodiscard]] Place first_leaf(const Part& part);
    void split(Place& place, const Part& next);
    static void open(Leaf& leaf, std::size_t slot, std::size_t count);
    static void close(Leaf& leaf, std::size_t slot, std::size_t count);
    static void move_parts(Leaf& from, std::size_t first, Leaf& to);
    static void set_key(Group& group, std::size_t at);
    void set_keys(const Place& place);
    void set_top_key(std::size_t at);
    void add_leaf(Place& place, std::unique_ptr<Leaf> leaf);
    void split_group(Place& place);
    void add_group(std::size_t at, std::unique_ptr<Group> group);
    static void remove_entry(Group& group, std::size_t at);
    void remove_group(std::size_t at);
    static void move_leaves(Group& from, std::size_t first, Group& to);
    void join_leaves(std::size_t group_number, std::size_t at);
    void join_groups(std::size_t at);

    Top top_;
    std::size_t size_ = 0;
};

}  // namespace pinwarden
