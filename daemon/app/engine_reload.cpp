// Files that were read again, while the engine runs.
#include <algorithm>
#include <utility>

#include "act/policy_change.h"
#include "app/engine.h"

namespace pinwarden {

// What is to be in force with these origins, in order: the files' policies, each replaced by what came over the API
// under its name, then the rest of that.
std::vector<Policy> Engine::policies_by(const PolicyOrigins& origins) const
{
    std::vector<Policy> wanted = origins.of_files();
    const auto& in_force = enforcer_.policies().policies();
    for (const KeptPolicy& kept : origins.all_kept().policies) {
        const auto policy = std::ranges::find(in_force, kept.name, &Policy::name);
        if (origins.all_refused().contains(kept.name) || policy == in_force.end()) {
            continue;
        }
        const auto place = std::ranges::find(wanted, kept.name, &Policy::name);
        if (place == wanted.end()) {
            wanted.push_back(*policy);
        } else {
            *place = *policy;
        }
    }
    return wanted;
}

Result<void> Engine::exchange_policies(const std::vector<Policy>& wanted, const std::vector<PolicyChange>& changes)
{
    flush();
    if (auto replaced = enforcer_.replace(wanted, ledger_, around_.clock.now()); !replaced) {
        return replaced;
    }
    std::vector<std::string> names;
    for (const PolicyChange& change : changes) {
        degraded_.erase(change.name);
        names.push_back(change.name);
    }
    policies_changed(names);
    return {};
}

Result<std::vector<PolicyChange>> Engine::reload(const std::vector<Policy>& files, EngineOptions options)
{
    PolicyOrigins next = origins_;
    const std::vector<std::string> told = next.read_again(files);
    const auto& in_force = enforcer_.policies().policies();
    PolicySet trial;
    if (auto valid = trial.replace(policies_by(next)); !valid) {
        return std::unexpected(valid.error());
    }
    const std::vector<Policy>& wanted = trial.policies();
    const std::vector<PolicyChange> changes = changes_between(in_force, wanted);
    // Without any change their order, or their files' names, may be others.
    if (wanted != in_force) {
        const auto changed = change(entry_for("reload", changes, {}), next, enforces_more(in_force, wanted),
                                    [&] { return exchange_policies(wanted, changes); });
        if (!changed) {
            return std::unexpected(changed.error());
        }
    }
    origins_ = std::move(next);
    for (const std::string& message : told) {
        around_.log_warning(message);
    }
    options.track_short_term = options_.track_short_term;
    revoker_.spare(options.protected_processes);
    options_ = std::move(options);
    return changes;
}

}  // namespace pinwarden
