#include "act/revocations.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

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

// After the last signal to a caller: how long until it is looked at a last time.
constexpr Nanoseconds kCallerSettles = 1'000'000'000;

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

RevocationOrder signal_order(const Policy& policy, std::uint32_t generation, MetOperation operation,
                             const std::vector<const PinRecord*>& pins)
{
    const bool to_caller = policy.signal->target == SignalTarget::kCaller;
    std::vector<SignalVictim> victims = victims_of(pins);
    if (to_caller) {
        SignalVictim caller{.process = operation.caller.process, .held = {}};
        for (SignalVictim& victim : victims) {
            caller.held.pins.insert(caller.held.pins.end(), victim.held.pins.begin(), victim.held.pins.end());
            caller.held.bytes += victim.held.bytes;
            caller.held.drivers.merge(victim.held.drivers);
        }
        victims = {std::move(caller)};
    }
    return {.policy = policy.name,
            .generation = generation,
            .plan = plan_of(*policy.signal, to_caller ? kCallerSettles : kSettle),
            .victims = std::move(victims),
            .operation = std::move(operation)};
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
        order->id = ++last_id_;
        all_.insert_or_assign(key, UnderWay{.revocation = Revocation(std::move(*order))});
    }
}

void Revocations::signal(const Policy& policy, std::uint32_t generation, MetOperation operation, const FileKey& file,
                         const std::vector<const PinRecord*>& pins)
{
    const bool to_caller = policy.signal->target == SignalTarget::kCaller;
    const bool of_file = file != FileKey();
    const Key key{policy.name, file, to_caller || !of_file ? operation.caller.process : ProcessId()};
    if (const auto found = all_.find(key); found != all_.end() && !found->second.told) {
        return;
    }
    RevocationOrder order = signal_order(policy, generation, std::move(operation), pins);
    order.id = ++last_id_;
    all_.insert_or_assign(key, UnderWay{.revocation = Revocation(std::move(order)), .went_ahead = true});
}

void Revocations::drop_signals(const std::string& policy)
{
    absl::erase_if(all_, [&](const auto& entry) { return entry.first.policy == policy && entry.second.went_ahead; });
}

// A process that is signalled for its pins, as long as it has them; a caller, as long as it runs. The first look at one
// that has ended tells that it has.
bool Revocations::still_concerned(const UnderWay& one, const Ledger& ledger, const ProcessId& process) const
{
    if (one.revocation.order().plan.target == SignalTarget::kOwners) {
        return still_pins(one.revocation, ledger, process);
    }
    return !one.revocation.begun() || revoker_.runs(process);
}

void Revocations::send(const Key& key, UnderWay& one, const Revocation::StillPinning& still, RevocationNews& news)
{
    const bool begins = !one.revocation.begun() && one.revocation.order().plan.target == SignalTarget::kOwners;
    std::vector<ActReport> reports = revoker_.step(one.revocation, still);
    if (begins) {
        news.begun.push_back(one.revocation);
    }
    for (ActReport& report : reports) {
        if (report.outcome == ActOutcome::kLimited) {
            news.limited.push_back(key.policy);
        }
        if (report.victim) {
            one.known.insert_or_assign(report.act.process, *report.victim);
        }
        news.acts.emplace_back(one.revocation.order(), std::move(report));
    }
}

RevocationNews Revocations::step(const Ledger& ledger, Nanoseconds now)
{
    RevocationNews news;
    for (auto entry = all_.begin(); entry != all_.end();) {
        UnderWay& one = entry->second;
        const bool pursued = one.wanted || one.went_ahead;
        const bool to_caller = one.revocation.order().plan.target == SignalTarget::kCaller;
        const bool due = !pursued || one.revocation.next().value_or(now) <= now;
        const auto still = [&](const ProcessId& process) { return still_concerned(one, ledger, process); };
        // Without anything due, to see who let go.
        if (!one.told && (due || (one.revocation.begun() && !to_caller))) {
            if (pursued) {
                send(entry->first, one, still, news);
            } else {
                // Nobody waits any more, so nothing is sent any more.
                [[maybe_unused]] const auto unsent = one.revocation.step(now, still);
            }
        }
        if (one.revocation.end() && !one.told) {
            one.told = true;
            news.ended.push_back({one.revocation, one.known});
        }
        const bool over = one.went_ahead ? one.told : !one.wanted;
        one.wanted = false;
        entry = over ? all_.erase(entry) : std::next(entry);
    }
    return news;
}

Result<std::optional<AcknowledgementEntry>> Revocations::acknowledge(std::uint64_t id, std::uint32_t pid,
                                                                     RevocationIntent intent, Nanoseconds now)
{
    const auto found = std::ranges::find_if(all_, [id](const auto& entry) {
        const Revocation& revocation = entry.second.revocation;
        return revocation.order().id == id && revocation.begun() && !revocation.end() &&
               revocation.order().plan.target == SignalTarget::kOwners;
    });
    if (found == all_.end()) {
        return fail("there is no revocation " + std::to_string(id) + "; it has ended, or never was", ENOENT);
    }
    UnderWay& one = found->second;
    const auto& victims = one.revocation.victims();
    // A number alone may be that of another process by now.
    const auto victim = std::ranges::find_if(victims, [&](const Revocation::Victim& each) {
        return each.who.process.pid == pid && revoker_.runs(each.who.process);
    });
    if (victim == victims.end()) {
        return fail("process " + std::to_string(pid) + " is none of those that revocation " + std::to_string(id) +
                        " asks to let go",
                    EPERM);
    }
    const ProcessId process = victim->who.process;
    const auto news = one.revocation.answer(process, intent, now);
    if (!news) {
        return std::unexpected(news.error());
    }
    if (!*news) {
        return std::nullopt;
    }
    const RevocationOrder& order = one.revocation.order();
    ProcessFacts owner;
    owner.process = process;
    if (const auto known = one.known.find(process); known != one.known.end()) {
        owner = known->second;
    }
    return AcknowledgementEntry{.revocation = id,
                                .policy = order.policy,
                                .generation = order.generation,
                                .intent = intent,
                                .owner = std::move(owner),
                                .operation = order.operation,
                                .held = victim->who.held};
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
