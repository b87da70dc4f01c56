// The pins of a ledger: by id in no time that depends on how many there are, and in order of id.
//
// Records are large, and stay where they are: only their addresses are moved when pins come and go.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "ledger/extent_index.h"
#include "ledger/listed_pages.h"
#include "ledger/live_positions.h"
#include "ledger/records.h"

namespace pinwarden {

// What goes with a record but is nobody's business but the ledger's.
struct PinDetail {
    LivePositions live;  // pages that were not listed included
    absl::InlinedVector<FileKey, 1> files;
    std::uint64_t longest_range = 0;                            // pages of the longest of the pin's ranges
    std::uint64_t next_position = 0;                            // page lists come in order
    std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;  // positions first .. end - 1 of lists that were lost
    std::vector<Extent> listed;                                 // of a pin without FOLL_LONGTERM
    ListedPages object_pages;  // of a pin for an object; those that were let go may be in it
};

class PinTable {
public:
    struct Entry {
        PinRecord pin;
        PinDetail detail;
    };

private:
    using InOrder = absl::btree_map<PinId, std::unique_ptr<Entry>>;

public:
    // Gives (id, record), in order of id.
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::pair<PinId, const PinRecord&>;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = value_type;

        explicit Iterator(InOrder::const_iterator at) : at_(at) {}
        value_type operator*() const { return {at_->first, at_->second->pin}; }
        Iterator& operator++()
        {
            ++at_;
            return *this;
        }
        friend bool operator==(const Iterator&, const Iterator&) = default;

    private:
        InOrder::const_iterator at_;
    };

    [[nodiscard]] std::size_t size() const { return in_order_.size(); }
    [[nodiscard]] bool empty() const { return in_order_.empty(); }
    [[nodiscard]] Iterator begin() const { return Iterator(in_order_.begin()); }
    [[nodiscard]] Iterator end() const { return Iterator(in_order_.end()); }
    // The first with that id or a greater one, and those after it.
    [[nodiscard]] Iterator from(PinId id) const { return Iterator(in_order_.lower_bound(id)); }
    // Of a table that is not empty.
    [[nodiscard]] PinId first_id() const { return in_order_.begin()->first; }
    [[nodiscard]] PinId last_id() const { return in_order_.rbegin()->first; }

    // nullptr when there is none.
    [[nodiscard]] Entry* find(PinId id)
    {
        const auto found = by_id_.find(id);
        return found == by_id_.end() ? nullptr : found->second;
    }
    [[nodiscard]] const Entry* find(PinId id) const
    {
        const auto found = by_id_.find(id);
        return found == by_id_.end() ? nullptr : found->second;
    }
    // Of a pin that is there.
    [[nodiscard]] Entry& entry(PinId id) { return *by_id_.at(id); }
    [[nodiscard]] PinRecord& at(PinId id) { return by_id_.at(id)->pin; }
    [[nodiscard]] const PinRecord& at(PinId id) const { return by_id_.at(id)->pin; }
    [[nodiscard]] const PinDetail& detail(PinId id) const { return by_id_.at(id)->detail; }

    // An empty entry; nullptr when there is one already.
    Entry* add(PinId id)
    {
        const auto [at, added] = by_id_.try_emplace(id);
        if (!added) {
            return nullptr;
        }
        auto entry = std::make_unique<Entry>();
        at->second = entry.get();
        in_order_.emplace_hint(in_order_.end(), id, std::move(entry));
        return at->second;
    }

    void erase(PinId id)
    {
        by_id_.erase(id);
        in_order_.erase(id);
    }

private:
    InOrder in_order_;
    absl::flat_hash_map<PinId, Entry*> by_id_;
};

}  // namespace pinwarden
