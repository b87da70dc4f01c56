#include "ledger/part_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "ledger/part_arrays.h"

namespace pinwarden {
namespace {

constexpr std::size_t kCacheLine = 64;

// Some 200 to 400 KiB.
constexpr std::size_t kFewParts = 10'000;

// Joined ones are not quite full, so that the next insertion does not part them again.
constexpr std::size_t fit_together(std::size_t capacity)
{
    return capacity - capacity / 8;
}

}  // namespace

PartTable::PartTable()
{
    top_.block.resize(kTopStep, kUnused);
}

PartTable::~PartTable() = default;

PartTable::PartTable(PartTable&& other) noexcept : PartTable()
{
    *this = std::move(other);
}

PartTable& PartTable::operator=(PartTable&& other) noexcept
{
    std::swap(top_, other.top_);
    std::swap(size_, other.size_);
    return *this;
}

// Which entry covers the key: the last whose key is not greater, else the first. `next` is the first entry whose block
// is not less.
std::size_t PartTable::covering(std::size_t next, std::span<const std::uint64_t> blocks, const std::uint64_t* pins,
                                const std::uint32_t* positions, const Key& key)
{
    if (next < blocks.size() && blocks[next] == key.block) {
        // One block's extents begin this one, or fill several.
        const auto behind = std::upper_bound(blocks.begin() + to_difference(next), blocks.end(), key.block);
        for (auto left = static_cast<std::size_t>(behind - blocks.begin()) - next; left > 0;) {
            const std::size_t middle = next + left / 2;
            const bool less = std::tie(key.pin, key.position) < std::tie(pins[middle], positions[middle]);
            next = less ? next : middle + 1;
            left = less ? left / 2 : left - left / 2 - 1;
        }
    }
    return next == 0 ? 0 : next - 1;
}

// The first group whose block is not less.
std::size_t PartTable::first_group(std::uint64_t block) const
{
    std::size_t steps = 0;
    for (std::size_t i = kTopStep - 1; i < top_.group.size(); i += kTopStep) {
        steps += top_.block[i] < block ? 1U : 0U;
    }
    return steps * kTopStep + count_less<kTopStep>(top_.block.data() + steps * kTopStep, block);
}

void PartTable::find_leaf(const Key& key, Place& place) const
{
    place.group = covering(first_group(key.block), std::span(top_.block).first(top_.group.size()), top_.pin.data(),
                           top_.position.data(), key);
    const Group& group = *top_.group[place.group];
    place.leaf = covering(count_less<kGroupLeaves>(group.block.data(), key.block),
                          std::span(group.block).first(group.count), group.pin.data(), group.position.data(), key);
    place.in = group.leaf[place.leaf].get();
}

void PartTable::prefetch(std::uint64_t block) const
{
    if (size_ < kFewParts) {
        return;
    }
    Place place;
    find_leaf({block, 0, 0}, place);
    const auto* const bytes = reinterpret_cast<const char*>(place.in);
    for (std::size_t at = 0; at < sizeof(Leaf); at += kCacheLine) {
        __builtin_prefetch(bytes + at);
    }
}

PartTable::Place PartTable::find_block(std::uint64_t block) const
{
    Place place;
    if (size_ > 0) {
        find_leaf({block, 0, 0}, place);
        place.slot = count_less<kLeafParts>(place.in->where.data(), block << Part::kBlockBits);
    }
    return place;
}

PartTable::Place PartTable::find(const Part& part) const
{
    Place place;
    if (size_ == 0) {
        return place;
    }
    find_leaf({part.block(), part.pin_, part.position_}, place);
    place.slot = slot_of(part, *place.in);
    return place;
}

PartTable::Place PartTable::find(const Part& part, const Place& near) const
{
    if (near.in == nullptr || !in_leaf({part.block(), part.pin_, part.position_}, near)) {
        return find(part);
    }
    Place place = near;
    place.slot = slot_of(part, *place.in);
    return place;
}

// Whether find_leaf() would give the place's leaf. It may be false for what comes before all extents.
bool PartTable::in_leaf(const Key& key, const Place& place) const
{
    const auto comes_before = [&](std::uint64_t block, std::uint64_t pin, std::uint32_t position) {
        return key.block != block ? key.block < block : std::tie(key.pin, key.position) < std::tie(pin, position);
    };
    const Group& group = *top_.group[place.group];
    if (comes_before(group.block[place.leaf], group.pin[place.leaf], group.position[place.leaf])) {
        return false;
    }
    if (const std::size_t next = place.leaf + 1; next < group.count) {
        return comes_before(group.block[next], group.pin[next], group.position[next]);
    }
    const std::size_t next = place.group + 1;
    return next == top_.group.size() || comes_before(top_.block[next], top_.pin[next], top_.position[next]);
}

// The first extent of the leaf that does not come before this one.
std::size_t PartTable::slot_of(const Part& part, const Leaf& leaf)
{
    const std::size_t first = count_less<kLeafParts>(leaf.where.data(), part.block() << Part::kBlockBits);
    const std::size_t end = count_less<kLeafParts>(leaf.where.data(), (part.block() + 1) << Part::kBlockBits);
    const auto less = [&](std::size_t slot) {
        return std::tie(leaf.pin[slot], leaf.position[slot]) < std::tie(part.pin_, part.position_);
    };
    // What is inserted is the newest of its block, mostly.
    if (first == end || less(end - 1)) {
        return end;
    }
    std::size_t slot = first;
    for (std::size_t left = end - 1 - first; left > 0;) {
        const std::size_t half = left / 2;
        const bool behind = less(slot + half);
        slot += behind ? half + 1 : 0;
        left = behind ? left - half - 1 : half;
    }
    return slot;
}

bool PartTable::to_next_leaf(Place& place) const
{
    if (place.in == nullptr) {
        return false;
    }
    if (place.leaf + 1 < top_.group[place.group]->count) {
        ++place.leaf;
    } else if (place.group + 1 < top_.group.size()) {
        ++place.group;
        place.leaf = 0;
    } else {
        return false;
    }
    place.slot = 0;
    place.in = top_.group[place.group]->leaf[place.leaf].get();
    return true;
}

bool PartTable::back(Place& place) const
{
    if (place.in == nullptr) {
        return false;
    }
    if (place.slot == 0) {
        if (place.leaf > 0) {
            --place.leaf;
        } else if (place.group > 0) {
            --place.group;
            place.leaf = top_.group[place.group]->count - 1;
        } else {
            return false;
        }
        place.in = top_.group[place.group]->leaf[place.leaf].get();
        place.slot = place.in->count;
    }
    --place.slot;
    return true;
}

void PartTable::set_key(Group& group, std::size_t at)
{
    const Leaf& leaf = *group.leaf[at];
    group.block[at] = leaf.where[0] >> Part::kBlockBits;
    group.pin[at] = leaf.pin[0];
    group.position[at] = leaf.position[0];
}

void PartTable::set_top_key(std::size_t at)
{
    const Group& group = *top_.group[at];
    top_.block[at] = group.block[0];
    top_.pin[at] = group.pin[0];
    top_.position[at] = group.position[0];
}

// The first extent of the place's leaf is another one now.
void PartTable::set_keys(const Place& place)
{
    set_key(*top_.group[place.group], place.leaf);
    if (place.leaf == 0) {
        set_top_key(place.group);
    }
}

void PartTable::set_pages(const Place& place, PageNumber first, std::uint64_t count)
{
    Part part = at(place);
    part = Part(first, count, part.pin_, part.position() + first - part.first());
    place.in->where[place.slot] = part.where_;
    place.in->position[place.slot] = part.position_;
    if (place.slot == 0) {
        set_keys(place);
    }
}

void PartTable::open(Leaf& leaf, std::size_t slot, std::size_t count)
{
    shift(leaf.where, slot, leaf.count, slot + count);
    shift(leaf.pin, slot, leaf.count, slot + count);
    shift(leaf.position, slot, leaf.count, slot + count);
    leaf.count += static_cast<std::uint32_t>(count);
}

void PartTable::close(Leaf& leaf, std::size_t slot, std::size_t count)
{
    shift(leaf.where, slot + count, leaf.count, slot);
    shift(leaf.pin, slot + count, leaf.count, slot);
    shift(leaf.position, slot + count, leaf.count, slot);
    leaf.count -= static_cast<std::uint32_t>(count);
    std::fill_n(leaf.where.data() + leaf.count, count, kUnused);
}

// Those from `first` on, behind what is there.
void PartTable::move_parts(Leaf& from, std::size_t first, Leaf& to)
{
    const std::size_t count = from.count - first;
    std::copy_n(from.where.data() + first, count, to.where.data() + to.count);
    std::copy_n(from.pin.data() + first, count, to.pin.data() + to.count);
    std::copy_n(from.position.data() + first, count, to.position.data() + to.count);
    std::fill_n(from.where.data() + first, count, kUnused);
    to.count += static_cast<std::uint32_t>(count);
    from.count = static_cast<std::uint32_t>(first);
}

void PartTable::move_leaves(Group& from, std::size_t first, Group& to)
{
    const std::size_t count = from.count - first;
    std::copy_n(from.block.data() + first, count, to.block.data() + to.count);
    std::copy_n(from.pin.data() + first, count, to.pin.data() + to.count);
    std::copy_n(from.position.data() + first, count, to.position.data() + to.count);
    std::move(from.leaf.data() + first, from.leaf.data() + from.count, to.leaf.data() + to.count);
    std::fill_n(from.block.data() + first, count, kUnused);
    to.count += static_cast<std::uint32_t>(count);
    from.count = static_cast<std::uint32_t>(first);
}

void PartTable::add_group(std::size_t at, std::unique_ptr<Group> group)
{
    top_.block.insert(top_.block.begin() + to_difference(at), 0);
    top_.pin.insert(top_.pin.begin() + to_difference(at), 0);
    top_.position.insert(top_.position.begin() + to_difference(at), 0);
    top_.group.insert(top_.group.begin() + to_difference(at), std::move(group));
    set_top_key(at);
}

void PartTable::remove_group(std::size_t at)
{
    top_.block.erase(top_.block.begin() + to_difference(at));
    top_.pin.erase(top_.pin.begin() + to_difference(at));
    top_.position.erase(top_.position.begin() + to_difference(at));
    top_.group.erase(top_.group.begin() + to_difference(at));
}

void PartTable::remove_entry(Group& group, std::size_t at)
{
    shift(group.block, at + 1, group.count, at);
    shift(group.pin, at + 1, group.count, at);
    shift(group.position, at + 1, group.count, at);
    shift(group.leaf, at + 1, group.count, at);
    --group.count;
    group.block[group.count] = kUnused;
    group.leaf[group.count].reset();
}

// Makes room behind the leaf of the place in its group. At the end nothing is moved: leaves that come in order fill
// their groups.
void PartTable::split_group(Place& place)
{
    constexpr std::size_t kHalf = kGroupLeaves / 2;
    if (place.leaf + 1 == kGroupLeaves) {
        return;
    }
    auto next = std::make_unique<Group>();
    move_leaves(*top_.group[place.group], kHalf, *next);
    add_group(place.group + 1, std::move(next));
    if (place.leaf >= kHalf) {
        ++place.group;
        place.leaf -= kHalf;
    }
}

// Behind the leaf of the place, which then is the new one's. Its first extent must be there.
void PartTable::add_leaf(Place& place, std::unique_ptr<Leaf> leaf)
{
    if (top_.group[place.group]->count == kGroupLeaves) {
        split_group(place);
    }
    place.in = leaf.get();
    place.slot = 0;
    if (top_.group[place.group]->count == kGroupLeaves) {
        auto group = std::make_unique<Group>();
        group->leaf[0] = std::move(leaf);
        group->count = 1;
        set_key(*group, 0);
        add_group(++place.group, std::move(group));
        place.leaf = 0;
        return;
    }
    Group& group = *top_.group[place.group];
    ++place.leaf;
    shift(group.block, place.leaf, group.count, place.leaf + 1);
    shift(group.pin, place.leaf, group.count, place.leaf + 1);
    shift(group.position, place.leaf, group.count, place.leaf + 1);
    shift(group.leaf, place.leaf, group.count, place.leaf + 1);
    ++group.count;
    group.leaf[place.leaf] = std::move(leaf);
    set_key(group, place.leaf);
}

void PartTable::put(Leaf& leaf, std::size_t slot, const Part& part)
{
    leaf.where[slot] = part.where_;
    leaf.pin[slot] = part.pin_;
    leaf.position[slot] = part.position_;
}

// Of an empty table.
PartTable::Place PartTable::first_leaf(const Part& part)
{
    auto group = std::make_unique<Group>();
    group->leaf[0] = std::make_unique<Leaf>();
    group->count = 1;
    Leaf* const leaf = group->leaf[0].get();
    put(*leaf, 0, part);
    set_key(*group, 0);
    add_group(0, std::move(group));
    return {0, 0, 0, leaf};
}

// Makes room at the place, which is in a full leaf. Extents that come in order fill their leaves: `next` begins one.
void PartTable::split(Place& place, const Part& next)
{
    constexpr std::size_t kHalf = kLeafParts / 2;
    auto added = std::make_unique<Leaf>();
    if (place.slot == kLeafParts) {
        put(*added, 0, next);
        add_leaf(place, std::move(added));
        return;
    }
    const std::size_t slot = place.slot;
    move_parts(*place.in, kHalf, *added);
    add_leaf(place, std::move(added));
    if (slot > kHalf) {
        place.slot = slot - kHalf;
        return;
    }
    // Back into the first half.
    static_cast<void>(back(place));
    place.slot = slot;
}

std::size_t PartTable::insert(Place& place, std::span<const Part> parts)
{
    if (size_ == 0) {
        place = first_leaf(parts.front());
    } else if (place.in->count == kLeafParts) {
        split(place, parts.front());
    }
    Leaf& leaf = *place.in;
    const std::size_t count = std::min(parts.size(), kLeafParts - leaf.count);
    open(leaf, place.slot, count);
    for (std::size_t i = 0; i < count; ++i) {
        put(leaf, place.slot + i, parts[i]);
    }
    size_ += count;
    if (place.slot == 0) {
        set_keys(place);
    }
    return count;
}

void PartTable::erase(Place place, std::size_t count)
{
    Leaf& leaf = *place.in;
    close(leaf, place.slot, count);
    size_ -= count;
    if (leaf.count == 0) {
        Group& group = *top_.group[place.group];
        remove_entry(group, place.leaf);
        if (group.count == 0) {
            remove_group(place.group);
            return;
        }
        if (place.leaf == 0) {
            set_top_key(place.group);
        }
        join_groups(place.group);
        return;
    }
    if (place.slot == 0) {
        set_keys(place);
    }
    if (leaf.count < kLeafParts / 2) {
        join_leaves(place.group, place.leaf);
    }
}

// With a neighbour in the group, if there is one that both fit into.
void PartTable::join_leaves(std::size_t group_number, std::size_t at)
{
    Group& group = *top_.group[group_number];
    for (const std::size_t right : {at + 1, at}) {
        if (right == 0 || right >= group.count) {
            continue;
        }
        Leaf& left = *group.leaf[right - 1];
        if (left.count + group.leaf[right]->count <= fit_together(kLeafParts)) {
            move_parts(*group.leaf[right], 0, left);
            remove_entry(group, right);
            join_groups(group_number);
            return;
        }
    }
}

void PartTable::join_groups(std::size_t at)
{
    if (top_.group[at]->count >= kGroupLeaves / 2) {
        return;
    }
    for (const std::size_t right : {at + 1, at}) {
        if (right == 0 || right >= top_.group.size()) {
            continue;
        }
        Group& left = *top_.group[right - 1];
        if (left.count + top_.group[right]->count <= fit_together(kGroupLeaves)) {
            move_leaves(*top_.group[right], 0, left);
            remove_group(right);
            return;
        }
    }
}

}  // namespace pinwarden
