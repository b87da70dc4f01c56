#include "act/policy_change.h"

#include <algorithm>
#include <iterator>

namespace pinwarden {
namespace {

const Policy* find(const std::vector<Policy>& policies, const std::string& name)
{
    const auto found = std::ranges::find(policies, name, &Policy::name);
    return found == policies.end() ? nullptr : &*found;
}

bool does_the_same(const Policy& one, Policy other)
{
    other.source = one.source;
    return one == other;
}

}  // namespace

std::vector<PolicyChange> changes_by(const std::vector<Policy>& in_force, const std::vector<Policy>& applied)
{
    std::vector<PolicyChange> changes;
    for (const Policy& policy : applied) {
        const Policy* before = find(in_force, policy.name);
        changes.push_back({.name = policy.name,
                           .before = before == nullptr ? std::nullopt : std::optional(before->mode),
                           .after = policy.mode,
                           .source = policy.source});
    }
    return changes;
}

std::vector<PolicyChange> changes_by_removing(const std::vector<Policy>& in_force, const std::string& name)
{
    const Policy* before = find(in_force, name);
    if (before == nullptr) {
        return {};
    }
    return {{.name = name, .before = before->mode, .after = std::nullopt, .source = before->source}};
}

std::vector<PolicyChange> changes_between(const std::vector<Policy>& in_force, const std::vector<Policy>& coming)
{
    std::vector<Policy> others;
    std::ranges::copy_if(coming, std::back_inserter(others), [&](const Policy& policy) {
        const Policy* before = find(in_force, policy.name);
        return before == nullptr || !does_the_same(*before, policy);
    });
    std::vector<PolicyChange> changes = changes_by(in_force, others);
    for (const Policy& policy : in_force) {
        if (find(coming, policy.name) == nullptr) {
            std::ranges::move(changes_by_removing(in_force, policy.name), std::back_inserter(changes));
        }
    }
    return changes;
}

bool sends_signals(const Policy& policy)
{
    return policy.mode == Mode::kEnforce && (policy.signal || (policy.hold && policy.hold->revoke));
}

bool enforces_more(const std::vector<Policy>& in_force, const std::vector<Policy>& coming)
{
    return std::ranges::any_of(coming, [&](const Policy& policy) {
        const Policy* before = find(in_force, policy.name);
        if (policy.mode != Mode::kEnforce) {
            return false;
        }
        return before == nullptr || !does_the_same(*before, policy);
    });
}

}  // namespace pinwarden
