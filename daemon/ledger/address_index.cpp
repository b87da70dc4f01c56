#include "ledger/address_index.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace pinwarden {

// Makes a piece begin at `at`, if one lies across it.
void AddressIndex::split(Space& space, std::uint64_t at)
{
    auto after = space.upper_bound(at);
    if (after == space.begin()) {
        return;
    }
    const auto across = std::prev(after);
    if (across->first == at || across->second.end <= at) {
        return;
    }
    Piece rest = across->second;
    for (Holder& holder : rest.holders) {
        holder.position += at - across->first;
    }
    across->second.end = at;
    space.emplace(at, std::move(rest));
    ++pieces_;
}

// Makes one piece of the two that meet at `at`, if they hold the same.
void AddressIndex::join(Space& space, std::uint64_t at)
{
    const auto right = space.find(at);
    if (right == space.end() || right == space.begin()) {
        return;
    }
    const auto left = std::prev(right);
    const std::uint64_t pages = at - left->first;
    const auto goes_on = [&](const Holder& before, const Holder& after) {
        return before.pin == after.pin && before.position + pages == after.position;
    };
    if (left->second.end != at || !std::ranges::equal(left->second.holders, right->second.holders, goes_on)) {
        return;
    }
    left->second.end = right->second.end;
    space.erase(right);
    --pieces_;
}

void AddressIndex::insert(std::uint64_t space_number, const MappedPages& mapped)
{
    if (mapped.pages == 0) {
        return;
    }
    Space& space = spaces_[space_number];
    const std::uint64_t end = mapped.first + mapped.pages;
    split(space, mapped.first);
    split(space, end);
    std::uint64_t at = mapped.first;
    while (at < end) {
        auto piece = space.lower_bound(at);
        const Holder holder{mapped.pin, mapped.position + (at - mapped.first)};
        if (piece == space.end() || piece->first > at) {
            const std::uint64_t gap_end = piece == space.end() ? end : std::min(end, piece->first);
            space.emplace(at, Piece{gap_end, {holder}});
            ++pieces_;
            at = gap_end;
            continue;
        }
        auto& holders = piece->second.holders;
        holders.insert(std::upper_bound(holders.begin(), holders.end(), holder), holder);
        at = piece->second.end;
    }
    join(space, mapped.first);
    join(space, end);
    remember(mapped.pin, {space_number, mapped.first, end});
}

// Places that touch become one: what is taken and put back leaves no trace.
void AddressIndex::remember(std::uint64_t pin, Place place)
{
    auto& places = places_[pin];
    const auto touches = [&](const Place& other) {
        return other.space == place.space && (other.end == place.first || other.first == place.end);
    };
    for (auto other = std::ranges::find_if(places, touches); other != places.end();
         other = std::ranges::find_if(places, touches)) {
        place.first = std::min(place.first, other->first);
        place.end = std::max(place.end, other->end);
        places.erase(other);
    }
    places.push_back(place);
}

std::vector<MappedPages> AddressIndex::take(std::uint64_t space_number, std::uint64_t first, std::uint64_t pages)
{
    std::vector<MappedPages> taken;
    const auto found = spaces_.find(space_number);
    if (found == spaces_.end() || pages == 0) {
        return taken;
    }
    Space& space = found->second;
    const std::uint64_t end = first + pages;
    split(space, first);
    split(space, end);
    auto piece = space.lower_bound(first);
    while (piece != space.end() && piece->first < end) {
        for (const Holder& holder : piece->second.holders) {
            taken.push_back({piece->first, piece->second.end - piece->first, holder.pin, holder.position});
        }
        piece = space.erase(piece);
        --pieces_;
    }
    if (space.empty()) {
        spaces_.erase(found);
    }
    std::ranges::sort(taken, {}, [](const MappedPages& one) { return std::tuple(one.pin, one.position); });
    std::vector<MappedPages> joined;
    for (const MappedPages& one : taken) {
        MappedPages* last = joined.empty() ? nullptr : &joined.back();
        if (last != nullptr && last->pin == one.pin && last->position + last->pages == one.position &&
            last->first + last->pages == one.first) {
            last->pages += one.pages;
        } else {
            joined.push_back(one);
        }
    }
    for (const MappedPages& one : joined) {
        forget(space_number, one);
    }
    return joined;
}

// Cuts what was taken out of the places of its pin.
void AddressIndex::forget(std::uint64_t space, const MappedPages& mapped)
{
    const auto found = places_.find(mapped.pin);
    if (found == places_.end()) {
        return;
    }
    const std::uint64_t end = mapped.first + mapped.pages;
    absl::InlinedVector<Place, 1> left;
    for (const Place& place : found->second) {
        if (place.space != space || place.end <= mapped.first || place.first >= end) {
            left.push_back(place);
            continue;
        }
        if (place.first < mapped.first) {
            left.push_back({space, place.first, mapped.first});
        }
        if (end < place.end) {
            left.push_back({space, end, place.end});
        }
    }
    if (left.empty()) {
        places_.erase(found);
    } else {
        found->second = std::move(left);
    }
}

void AddressIndex::erase(std::uint64_t pin)
{
    const auto found = places_.find(pin);
    if (found == places_.end()) {
        return;
    }
    for (const Place& place : found->second) {
        erase(place, pin);
    }
    places_.erase(found);
}

void AddressIndex::erase(const Place& place, std::uint64_t pin)
{
    const auto found = spaces_.find(place.space);
    if (found == spaces_.end()) {
        return;
    }
    Space& space = found->second;
    split(space, place.first);
    split(space, place.end);
    auto piece = space.lower_bound(place.first);
    while (piece != space.end() && piece->first < place.end) {
        auto& holders = piece->second.holders;
        holders.erase(std::remove_if(holders.begin(), holders.end(), [&](const Holder& one) { return one.pin == pin; }),
                      holders.end());
        if (holders.empty()) {
            piece = space.erase(piece);
            --pieces_;
        } else {
            ++piece;
        }
    }
    join(space, place.first);
    join(space, place.end);
    if (space.empty()) {
        spaces_.erase(found);
    }
}

}  // namespace pinwarden
