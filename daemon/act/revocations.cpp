#include "act/revocations.h"

#include <algorithm>

#include "act/in_the_way.h"
#include "correlate/conflict.h"

namespace pinwarden {
namespace {

std::vector<SignalVictim> victims_of(const std::vector<const PinRecord*>& pins)
{
    absl::btree_map<std::pair<ProcessId, bool>, HeldPins> by_owner;
    for (const PinRecord* pin : pins) {
        HeldPins& held = by_owner[{pin->owner.process, pin->inferred}];
        held.pins.push_back(pin->id);
        held.bytes += pin->bytes;
        held.drivers.insert(pin->driver);
    }
    std::vector<SignalVictim> victims;
    for (auto& [owner, held] : by_owner) {
        victims.push_back({.process = owner.first, .inferred = owner.second, .held = std::move(held)});
    }
    return victims;
}

// A process that has ended holds its pins until the kernel has let go of them.
bool still_pins(const Revocation& revocation, const Ledger& ledger, const ProcessId& process)
{
    return std::ranges::any_of(revocation.victims(), [&](const Revocation::Victim& victim) {
        return victim.who.process == process &&
               std::ranges::any_of(victim.who.held.pins, [&](PinId id) { return ledger.find(id) != nullptr; });
    });
}

}  // namespace

std::optional<RevocationOrder> revocation_order(const OperationEvent& operation, const Policy& policy,
                                                const Ledger& ledger, const std::function<std::string()>& path,
                                                Nanoseconds now)
{
    if (!policy.hold || !policy.hold->revoke) {
        return std::nullopt;
    }
    const auto pins = pins_in_the_way(policy, ledger, operation, now);
    if (pins.empty()) {
        return std::nullopt;
    }
    const pw_page_range pages = pages_taken(operation);
    return RevocationOrder{.policy = policy.name,
                           .generation = operation.generation,
                           .plan = plan_of(*policy.hold->revoke),
                           .victims = victims_of(pins),
                           .operation = {.operation = std::string(to_string(operation.operation)),
                                         .file = path(),
                                         .first_page = pages.first,
                                         .end_page = pages.end,
                                         .caller = operation.caller}};
}

void Revocations::want(const HeldOperation& held, const Policy& policy, const Ledger& ledger,
                       const std::function<std::string()>& path, Nanoseconds now)
{
    if (!policy.hold || !policy.hold->revoke) {
        return;
    }
    const OperationEvent& operation = held.operation;
    const Key key{policy.name, operation.file};
    const auto found = all_.find(key);
    if (found != all_.end()) {
        found->second.wanted = true;
        const auto end = found->second.revocation.end();
        // Others may be in the way now.
        if (end != RevocationEnd::kAnswered && end != RevocationEnd::kReleased) {
            return;
        }
    }
    if (auto order = revocation_order(operation, policy, ledger, path, now)) {
        all_.insert_or_assign(key, UnderWay{Revocation(std::move(*order))});
    }
}

RevocationNews Revocations::step(const Ledger& ledger, Nanoseconds now)
{
    RevocationNews news;
    for (auto entry = all_.begin(); entry != all_.end();) {
        UnderWay& one = entry->second;
        const bool due = !one.wanted || one.revocation.next().value_or(now) <= now;
        const auto still = [&](const ProcessId& process) { return still_pins(one.revocation, ledger, process); };
        // Without anything due, to see who let go.
        if (!one.told && (due || one.revocation.begun())) {
            if (one.wanted) {
                for (ActReport& report : revoker_.step(one.revocation, still)) {
                    if (report.outcome == ActOutcome::kLimited) {
                        news.limited.push_back(entry->first.policy);
                    }
                    if (report.victim) {
                        one.known.insert_or_assign(report.act.process, *report.victim);
                    }
                    news.acts.emplace_back(one.revocation.order(), std::move(report));
                }
            } else {
                // Nobody waits any more, so nothing is sent any more.
                [[maybe_unused]] const auto unsent = one.revocation.step(now, still);
            }
        }
        if (one.revocation.end() && !one.told) {
            one.told = true;
            news.ended.push_back({one.revocation, one.known});
        }
        if (one.wanted) {
            one.wanted = false;
            ++entry;
        } else {
            entry = all_.erase(entry);
        }
    }
    return news;
}

std::optional<Nanoseconds> Revocations::next() const
{
    std::optional<Nanoseconds> next;
    for (const auto& [key, one] : all_) {
        if (const auto due = one.revocation.next(); due && !one.told) {
            next = std::min(next.value_or(*due), *due);
        }
    }
    return next;
}

}  // namespace pinwarden
