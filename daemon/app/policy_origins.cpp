#include "app/policy_origins.h"

#include <algorithm>
#include <utility>

#include "policy/policy_yaml.h"

namespace pinwarden {

void PolicyOrigins::given(const std::vector<Policy>& files)
{
    for (const Policy& policy : files) {
        files_[policy.name] = policy;
        file_order_.push_back(policy.name);
    }
}

std::vector<std::string> PolicyOrigins::read_again(const std::vector<Policy>& files)
{
    std::map<std::string, Policy> before = std::exchange(files_, {});
    file_order_.clear();
    given(files);
    std::vector<std::string> told;
    for (const auto& [name, policy] : files_) {
        const auto old = before.find(name);
        const bool changed = old == before.end() || to_yaml(old->second) != to_yaml(policy);
        if (const auto mode = modes_.find(name); mode != modes_.end() && !is_for(mode->second, policy)) {
            modes_.erase(mode);
            told.push_back("the mode that was set for policy \"" + name +
                           "\" is dropped: its file says something else");
        }
        if (changed && kept(name) != nullptr) {
            told.push_back(
                "policy \"" + name + "\" of " + policy.source +
                " is not in force: one that was applied over the API stands in its place until it is deleted");
        }
        if (changed) {
            removed_.erase(name);
        }
    }
    std::erase_if(removed_, [this](const std::string& name) { return !files_.contains(name); });
    for (const std::string& name : removed_) {
        told.push_back("policy \"" + name + "\" of " + files_.at(name).source +
                       " is not in force: an operator deleted it; it is again when its file changes, or at the next "
                       "start");
    }
    return told;
}

std::vector<std::string> PolicyOrigins::take_up(KeptPolicies kept)
{
    std::vector<std::string> dropped;
    kept_ = std::move(kept.policies);
    for (KeptMode& mode : kept.modes) {
        const auto file = files_.find(mode.name);
        // For one whose file is not given this time it is kept: the file may be given again.
        if (file != files_.end() && !is_for(mode, file->second)) {
            dropped.push_back(mode.name);
            continue;
        }
        std::string name = mode.name;
        modes_[std::move(name)] = std::move(mode);
    }
    return dropped;
}

void PolicyOrigins::applied(const Policy& policy)
{
    removed_.erase(policy.name);
    const auto found = std::ranges::find(kept_, policy.name, &KeptPolicy::name);
    // One that was not in force has no place in the order yet.
    const bool in_place = found != kept_.end() && refused_.erase(policy.name) == 0;
    if (in_place) {
        *found = kept_policy(policy);
        return;
    }
    if (found != kept_.end()) {
        kept_.erase(found);
    }
    kept_.push_back(kept_policy(policy));
}

void PolicyOrigins::mode_set(const Policy& policy, const std::string& degraded)
{
    if (kept(policy.name) != nullptr) {
        applied(policy);
        std::ranges::find(kept_, policy.name, &KeptPolicy::name)->degraded = degraded;
        return;
    }
    const auto file = files_.find(policy.name);
    if (file == files_.end()) {
        return;
    }
    if (file->second.mode == policy.mode) {
        modes_.erase(policy.name);
        return;
    }
    modes_[policy.name] = {
        .name = policy.name, .mode = policy.mode, .text = to_yaml(file->second), .degraded = degraded};
}

void PolicyOrigins::removed(const std::string& name)
{
    std::erase_if(kept_, [&](const KeptPolicy& policy) { return policy.name == name; });
    refused_.erase(name);
    modes_.erase(name);
    if (files_.contains(name)) {
        removed_.insert(name);
    }
}

const KeptPolicy* PolicyOrigins::kept(std::string_view name) const
{
    const auto found = std::ranges::find(kept_, name, &KeptPolicy::name);
    return found == kept_.end() ? nullptr : &*found;
}

std::vector<Policy> PolicyOrigins::of_files() const
{
    std::vector<Policy> policies;
    policies.reserve(file_order_.size());
    for (const std::string& name : file_order_) {
        if (removed_.contains(name)) {
            continue;
        }
        policies.push_back(files_.at(name));
        if (const auto set = modes_.find(name); set != modes_.end()) {
            policies.back().mode = set->second.mode;
        }
    }
    return policies;
}

std::optional<std::string> PolicyOrigins::mode_reason(const Policy& policy) const
{
    const auto file = files_.find(policy.name);
    if (kept(policy.name) != nullptr || file == files_.end() || file->second.mode == policy.mode) {
        return std::nullopt;
    }
    return "an operator set this mode; its file says " + std::string(to_string(file->second.mode));
}

KeptPolicies PolicyOrigins::all_kept() const
{
    KeptPolicies all{.policies = kept_, .modes = {}};
    all.modes.reserve(modes_.size());
    for (const auto& [name, mode] : modes_) {
        all.modes.push_back(mode);
    }
    return all;
}

}  // namespace pinwarden
