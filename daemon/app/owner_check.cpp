#include "app/owner_check.h"

namespace pinwarden {

std::vector<ProcessId> OwnerCheck::look(const Ledger& ledger, Nanoseconds now)
{
    std::vector<ProcessId> gone;
    for (auto suspect = suspected_.begin(); suspect != suspected_.end();) {
        if (now < suspect->second + kBelieveAfter) {
            ++suspect;
            continue;
        }
        if (processes_.gone(suspect->first)) {
            gone.push_back(suspect->first);
        }
        suspect = suspected_.erase(suspect);
    }
    const std::vector<ProcessId> next = ledger.live_owners_after(last_, kAtOnce);
    for (const ProcessId& owner : next) {
        if (!suspected_.contains(owner) && processes_.gone(owner)) {
            suspected_.emplace(owner, now);
        }
    }
    last_ = next.size() < kAtOnce ? ProcessId{} : next.back();
    return gone;
}

}  // namespace pinwarden
