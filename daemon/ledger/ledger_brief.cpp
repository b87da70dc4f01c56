// Pins without FOLL_LONGTERM: brief ones, and those that turn out not to be.
#include <algorithm>

#include "ledger/ledger.h"

namespace pinwarden {

std::vector<PinId> Ledger::take_long_lived(Nanoseconds latest)
{
    std::vector<PinId> taken;
    while (!brief_.empty() && brief_.begin()->first <= latest) {
        const PinId id = brief_.begin()->second;
        brief_.erase(brief_.begin());
        PinRecord& pin = pins_.at(id);
        pin.long_lived = true;
        pinned_bytes_ += pin.bytes;
        if (pin.owner_exited) {
            orphans_.add(id, pin.orphaned);
        }
        taken.push_back(id);
    }
    return taken;
}

void Ledger::identify(PinId id, std::string driver, std::shared_ptr<const TaskNames> names)
{
    PinRecord& pin = pins_.at(id);
    pin.driver = std::move(driver);
    pin.owner.names = std::move(names);
}

std::optional<Nanoseconds> Ledger::oldest_brief() const
{
    return brief_.empty() ? std::nullopt : std::optional(brief_.begin()->first);
}

std::vector<Extent> Ledger::listed_pages(PinId id) const
{
    const PinDetail& detail = pins_.detail(id);
    std::vector<Extent> pages;
    std::ranges::copy_if(detail.listed, std::back_inserter(pages), [&](const Extent& extent) {
        return detail.live.bounds(extent.position, extent.position + extent.count).has_value();
    });
    return pages;
}

}  // namespace pinwarden
