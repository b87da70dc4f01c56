// Three ways to know which pins hold a page, behind the same few functions.
#pragma once

#include <boost/icl/interval_map.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ledger/extent_index.h"

namespace pinwarden::bench {

class Ours {
public:
    static constexpr const char* kName = "ExtentIndex";

    void insert(const Extent& extent) { index_.insert(extent); }

    // How many pins hold the page.
    [[nodiscard]] std::size_t holders(PageNumber page) const
    {
        std::size_t count = 0;
        index_.visit({page, 1}, [&](const Extent&) {
            ++count;
            return true;
        });
        return count;
    }

    void remove(const Extent& extent)
    {
        removed_.clear();
        index_.remove({extent.first, extent.count}, [](std::uint64_t) { return 0U; }, removed_);
    }

    [[nodiscard]] bool empty() const { return index_.extents() == 0; }

private:
    ExtentIndex index_;
    std::vector<Extent> removed_;
};

// Knows of several pins on a page. A pin's position minus the page is the same all along an extent, which makes
// neighbours join where ExtentIndex has one extent.
class BoostIcl {
public:
    static constexpr const char* kName = "boost::icl::interval_map";

    void insert(const Extent& extent) { map_.add({interval(extent), holder(extent)}); }

    [[nodiscard]] std::size_t holders(PageNumber page) const
    {
        const auto found = map_.find(page);
        return found == map_.end() ? 0 : found->second.size();
    }

    void remove(const Extent& extent) { map_.subtract({interval(extent), holder(extent)}); }

    [[nodiscard]] bool empty() const { return map_.empty(); }

private:
    using Holders = std::set<std::pair<std::uint64_t, std::uint64_t>>;
    using Map = boost::icl::interval_map<PageNumber, Holders>;

    static Map::interval_type interval(const Extent& extent)
    {
        return Map::interval_type::right_open(extent.first, extent.first + extent.count);
    }
    static Holders holder(const Extent& extent) { return {{extent.pin, extent.position - extent.first}}; }

    Map map_;
};

// The least that such a thing can be: extents by first page, which may not overlap, and are only removed as inserted.
class StdMap {
public:
    static constexpr const char* kName = "std::map";

    void insert(const Extent& extent) { map_[extent.first] = {extent.count, extent.pin, extent.position}; }

    [[nodiscard]] std::size_t holders(PageNumber page) const
    {
        auto found = map_.upper_bound(page);
        if (found == map_.begin()) {
            return 0;
        }
        --found;
        return page < found->first + found->second.count ? 1 : 0;
    }

    void remove(const Extent& extent) { map_.erase(extent.first); }

    [[nodiscard]] bool empty() const { return map_.empty(); }

private:
    struct Value {
        std::uint64_t count = 0;
        std::uint64_t pin = 0;
        std::uint64_t position = 0;
    };

    std::map<PageNumber, Value> map_;
};

}  // namespace pinwarden::bench
