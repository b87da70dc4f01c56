#include "policy/policy_set.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <set>

#include "correlate/conflict.h"
#include "ledger/owner_names.h"
#include "policy/suggest.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

std::string named(const Policy& policy)
{
    return "policy \"" + policy.name + "\"";
}

template <typename Value>
bool any_of(const std::vector<Value>& accepted, const Value& value)
{
    return accepted.empty() || std::ranges::find(accepted, value) != accepted.end();
}

// When the pin reaches the policy's minimum age. Without one that is always: `now` may have been read before the pin's
// event was.
Nanoseconds of_age(const Policy& policy, const PinRecord& pin)
{
    if (policy.pin.min_age == 0) {
        return 0;
    }
    constexpr Nanoseconds kNever = std::numeric_limits<Nanoseconds>::max();
    return pin.acquired > kNever - policy.pin.min_age ? kNever : pin.acquired + policy.pin.min_age;
}

bool concerns_at_some_age(const Policy& policy, const PinRecord& pin)
{
    return any_of(policy.pin.drivers, pin.driver) && pin.bytes >= policy.pin.min_bytes &&
           policy.pin.long_term.value_or(pin.long_term) == pin.long_term && suits(policy.owner, pin.owner);
}

// A container's cgroup may have others below, and those other containers in them.
bool is_in_container(std::string_view cgroup, const std::vector<std::string>& containers)
{
    for (std::size_t end = cgroup.size(); end != 0 && end != std::string_view::npos; end = cgroup.rfind('/', end - 1)) {
        if (const std::string id = container_of_cgroup(cgroup.substr(0, end));
            !id.empty() && std::ranges::find(containers, id) != containers.end()) {
            return true;
        }
    }
    return false;
}

std::string pins_overlap(std::size_t pins)
{
    if (pins == 0) {
        return "pins overlap that the daemon does not know";
    }
    return std::to_string(pins) + (pins == 1 ? " pin overlaps" : " pins overlap");
}

// A policy that denies holds only until all pins are known.
std::string how_long(const Policy* policy)
{
    if (policy == nullptr) {
        return "";
    }
    return policy->hold ? " for up to " + format_duration(policy->hold->timeout) : " until all pins are known";
}

std::string describe(const OperationEvent& operation)
{
    if (operation.operation == PW_OPERATION_TRUNCATE) {
        return "truncate to " + std::to_string(operation.offset) + " bytes";
    }
    if (operation.operation == PW_OPERATION_UMOUNT) {
        return "umount";
    }
    return std::string(to_string(operation.operation)) + " of " + std::to_string(operation.length) + " bytes from " +
           std::to_string(operation.offset);
}

}  // namespace

Result<void> PolicySet::apply(const std::vector<Policy>& policies)
{
    std::vector<Policy> next = policies_;
    std::set<std::string> given;
    for (Policy policy : policies) {
        normalise(policy);
        if (auto valid = validate(policy); !valid) {
            return std::unexpected(valid.error().within(named(policy)));
        }
        if (!given.insert(policy.name).second) {
            return fail(named(policy) + ": name: given twice in one request; rename one", EINVAL);
        }
        const auto same = std::ranges::find(next, policy.name, &Policy::name);
        if (same == next.end()) {
            next.push_back(std::move(policy));
        } else {
            *same = std::move(policy);
        }
    }
    if (next.size() > PW_POLICIES) {
        return fail("that would make " + std::to_string(next.size()) + " policies; at most " +
                        std::to_string(PW_POLICIES) + " can be in force, delete some first",
                    EINVAL);
    }
    policies_ = std::move(next);
    return {};
}

Result<void> PolicySet::replace(const std::vector<Policy>& policies)
{
    PolicySet next;
    if (auto applied = next.apply(policies); !applied) {
        return applied;
    }
    policies_ = std::move(next.policies_);
    std::erase_if(counters_, [this](const auto& entry) {
        return std::ranges::find(policies_, entry.first, &Policy::name) == policies_.end();
    });
    return {};
}

Result<void> PolicySet::remove(const std::string& name)
{
    const auto found = std::ranges::find(policies_, name, &Policy::name);
    if (found == policies_.end()) {
        std::vector<std::string> names;
        names.reserve(policies_.size());
        for (const Policy& policy : policies_) {
            names.push_back(policy.name);
        }
        return unknown(name, names);
    }
    policies_.erase(found);
    counters_.erase(name);
    return {};
}

std::unexpected<Error> PolicySet::unknown(const std::string& name, const std::vector<std::string>& known)
{
    // Of very short names every other is near.
    const std::string near = name.size() < 3 ? "" : nearest(name, known);
    return fail("no policy is named \"" + shorten(name) + "\"; " +
                    (near.empty() || near == name ? "" : "did you mean \"" + near + "\"? ") +
                    (known.empty() ? "there are none" : "there are: " + join(known)),
                ENOENT);
}

const PolicyCounters& PolicySet::counters(const std::string& name) const
{
    static const PolicyCounters none;
    const auto found = counters_.find(name);
    return found == counters_.end() ? none : found->second;
}

void PolicySet::count(const OperationEvent& operation, const std::vector<Policy>& decided_by)
{
    // One that was held before it went ahead has been counted as matched.
    const bool again = operation.hold != 0 && operation.verdict != PW_VERDICT_HOLD;
    tally({.matched = again ? 0 : operation.matched, .policy = operation.policy, .verdict = operation.verdict},
          decided_by);
}

void PolicySet::tally(const Decided& decided, const std::vector<Policy>& decided_by)
{
    constexpr std::array kCounters{std::pair(PW_VERDICT_DENY, &PolicyCounters::denied),
                                   std::pair(PW_VERDICT_WOULD_DENY, &PolicyCounters::would_have_denied),
                                   std::pair(PW_VERDICT_HOLD, &PolicyCounters::held),
                                   std::pair(PW_VERDICT_WOULD_HOLD, &PolicyCounters::would_have_held),
                                   std::pair(PW_VERDICT_SIGNAL, &PolicyCounters::signalled),
                                   std::pair(PW_VERDICT_WOULD_SIGNAL, &PolicyCounters::would_have_signalled),
                                   std::pair(PW_VERDICT_NOTIFY, &PolicyCounters::notified),
                                   std::pair(PW_VERDICT_WOULD_NOTIFY, &PolicyCounters::would_have_notified)};
    for (std::size_t slot = 0; slot < decided_by.size() && slot < PW_POLICIES; ++slot) {
        const std::string& name = decided_by[slot].name;
        if (std::ranges::find(policies_, name, &Policy::name) == policies_.end()) {
            continue;
        }
        PolicyCounters& counters = counters_[name];
        counters.matched += (decided.matched >> slot) & 1U;
        if (decided.policy < 0 || static_cast<std::size_t>(decided.policy) != slot) {
            continue;
        }
        for (const auto& [verdict, counter] : kCounters) {
            counters.*counter += verdict == decided.verdict ? 1U : 0U;
        }
    }
}

pw_verdict ahead(const Policy& policy)
{
    const bool enforces = policy.mode == Mode::kEnforce;
    if (policy.signal) {
        return enforces ? PW_VERDICT_SIGNAL : PW_VERDICT_WOULD_SIGNAL;
    }
    return enforces ? PW_VERDICT_NOTIFY : PW_VERDICT_WOULD_NOTIFY;
}

bool suits(const ProcessSelector& selector, const Task& task)
{
    if (!any_of(selector.uids, task.uid) || !any_of(selector.comms, task.comm)) {
        return false;
    }
    static const TaskNames unknown;
    const TaskNames& names = task.names ? *task.names : unknown;
    const auto below = [&](const std::string& cgroup) { return at_or_below(names.cgroup, cgroup); };
    return any_of(selector.binaries, names.executable) &&
           (selector.cgroups.empty() || (!names.cgroup.empty() && std::ranges::any_of(selector.cgroups, below))) &&
           (selector.containers.empty() || is_in_container(names.cgroup, selector.containers));
}

bool concerns(const Policy& policy, const PinRecord& pin, Nanoseconds now)
{
    return concerns_at_some_age(policy, pin) && now >= of_age(policy, pin);
}

ConcernedRange concerned_range(const Policy& policy, const Ledger& ledger, const FileKey& file, Nanoseconds now)
{
    ConcernedRange concerned;
    const FileRecord* record = ledger.find_file(file);
    if (record == nullptr) {
        return concerned;
    }
    for (const PinId id : record->pins) {
        const PinRecord* pin = ledger.find(id);
        if (pin == nullptr || !concerns_at_some_age(policy, *pin)) {
            continue;
        }
        const auto pages = ledger.live_file_range(*pin, file);
        if (!pages) {
            continue;
        }
        if (const Nanoseconds change = of_age(policy, *pin); change > now) {
            concerned.next_change = std::min(concerned.next_change.value_or(change), change);
            continue;
        }
        const auto [first, end] = concerned.pages.value_or(*pages);
        concerned.pages = {std::min(first, pages->first), std::max(end, pages->second)};
    }
    return concerned;
}

std::string explain(const OperationEvent& operation, const Policy* policy, std::size_t pins_hit)
{
    const std::string what = describe(operation);
    const std::string pins = ": " + pins_overlap(pins_hit);
    const std::string unresolved = operation.unresolved ? "; decided while not all pins were known" : "";
    if (operation.policy < 0) {
        return "no policy matched " + what + pins + unresolved;
    }
    const std::string who = policy == nullptr ? "a policy that is gone" : named(*policy);
    const std::string error = " with " + errno_name(operation.error);
    switch (operation.verdict) {
        case PW_VERDICT_DENY: return who + " denied " + what + error + pins + unresolved;
        case PW_VERDICT_WOULD_DENY: return who + " (monitor) would have denied " + what + error + pins + unresolved;
        case PW_VERDICT_HOLD: return who + " holds " + what + how_long(policy) + pins + unresolved;
        case PW_VERDICT_WOULD_HOLD:
            return who + " (monitor) would have held " + what + how_long(policy) + pins + unresolved;
        case PW_VERDICT_SIGNAL: return who + " let " + what + " go ahead, and signals" + pins + unresolved;
        case PW_VERDICT_WOULD_SIGNAL:
            return who + " (monitor) would have let " + what + " go ahead, and signalled" + pins + unresolved;
        case PW_VERDICT_NOTIFY: return who + " lets " + what + " go ahead, and tells" + pins + unresolved;
        case PW_VERDICT_WOULD_NOTIFY:
            return who + " (monitor) would have let " + what + " go ahead, and told" + pins + unresolved;
        case PW_VERDICT_ALLOW:
        case PW_VERDICTS: break;
    }
    return who + " allowed " + what + pins + unresolved;
}

}  // namespace pinwarden
