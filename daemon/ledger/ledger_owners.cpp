// The ledger by owner: who is gone, and what is left of them.
#include "ledger/ledger.h"
#include "ledger/owner_search.h"

namespace pinwarden {

std::vector<PinId> Ledger::exit(const ExitEvent& event)
{
    std::vector<PinId> orphaned;
    const ProcessId& process = event.process;
    orphan_pins_of(process, event.time, orphaned);
    if (const Nanoseconds beyond = process.start_time % kInferredGrain; beyond != 0) {
        orphan_pins_of({process.pid, process.start_time - beyond}, event.time, orphaned);
    }
    return orphaned;
}

void Ledger::orphan_pins_of(const ProcessId& process, Nanoseconds time, std::vector<PinId>& orphaned)
{
    const auto owned = by_owner_.find(process);
    if (owned == by_owner_.end()) {
        return;
    }
    for (const PinId id : owned->second) {
        PinRecord& pin = pins_.at(id);
        if (!pin.owner_exited) {
            pin.owner_exited = true;
            pin.orphaned = time;
            if (pin.shown()) {
                orphans_.add(id, time);
                orphaned.push_back(id);
            }
        }
    }
}

std::vector<PinId> Ledger::take_leaks(Nanoseconds latest)
{
    std::vector<PinId> leaks = orphans_.take_leaks(latest);
    for (const PinId id : leaks) {
        pins_.at(id).leak = true;
    }
    return leaks;
}

absl::btree_map<std::string, OrphanTotals> Ledger::orphan_totals() const
{
    absl::btree_map<std::string, OrphanTotals> totals;
    orphans_.visit([&](PinId id) {
        const PinRecord& pin = pins_.at(id);
        OrphanTotals& total = totals[pin.driver];
        for (PinTotals* one : {&total.orphans, pin.leak ? &total.leaks : nullptr}) {
            if (one != nullptr) {
                ++one->pins;
                one->bytes += pin.bytes;
            }
        }
    });
    return totals;
}

std::vector<ProcessId> Ledger::live_owners_after(const ProcessId& owner, std::size_t most) const
{
    std::vector<ProcessId> owners;
    for (auto next = by_owner_.upper_bound(owner); next != by_owner_.end() && owners.size() < most; ++next) {
        // All pins of a process are orphaned together.
        if (next->first.pid != 0 && !pins_.at(*next->second.begin()).owner_exited) {
            owners.push_back(next->first);
        }
    }
    return owners;
}

}  // namespace pinwarden
