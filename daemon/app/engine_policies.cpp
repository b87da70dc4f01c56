// What the engine does with policies: where they come from, what becomes of them, what of them is kept.
#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "act/audit_records.h"
#include "act/policy_change.h"
#include "app/engine.h"
#include "app/views.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

// What of a policy whose text is not understood can be shown.
Policy nameless_but_for(const KeptPolicy& kept)
{
    Policy policy;
    policy.name = kept.name;
    policy.mode = Mode::kOff;
    policy.source = kept.source;
    return policy;
}

}  // namespace

void Engine::add_notice(std::string notice)
{
    if (std::ranges::find(notices_, notice) == notices_.end()) {
        notices_.push_back(std::move(notice));
    }
}

void Engine::tell_operator(const std::string& what)
{
    around_.log_warning(what);
    add_notice(what);
}

Result<void> Engine::keep(const PolicyOrigins& origins) const
{
    return around_.policies == nullptr ? Result<void>() : around_.policies->save(origins.all_kept());
}

// Where nothing better can be done than to say so.
void Engine::keep_anyway(const PolicyOrigins& origins, const std::string& what)
{
    if (auto saved = keep(origins); !saved) {
        tell_operator(what + " could not be kept, and is forgotten at the next start: " + saved.error().message);
    }
}

Result<void> Engine::put_in_force(const std::vector<Policy>& policies)
{
    // What the records so far changed is told under the policies in force, before any are exchanged: installing
    // acknowledges every file.
    flush();
    if (auto applied = enforcer_.apply(policies, ledger_, around_.clock.now()); !applied) {
        return applied;
    }
    std::vector<std::string> names;
    for (const Policy& policy : policies) {
        degraded_.erase(policy.name);
        names.push_back(policy.name);
    }
    policies_changed(names);
    return {};
}

PolicyEntry Engine::entry_for(const std::string& action, std::vector<PolicyChange> changes,
                              std::optional<Requester> asked_by) const
{
    return {
        .action = action, .policies = std::move(changes), .generation = enforcer_.generation(), .asked_by = asked_by};
}

// At the start. What was protected before is protected again, also where that cannot be recorded; but nobody is
// signalled without a record.
Result<void> Engine::put_on_record(const std::vector<Policy>& policies)
{
    const auto put = [&] { return put_in_force(policies); };
    const auto& in_force = enforcer_.policies().policies();
    return policies.empty() ? put()
                            : on_record(entry_for("apply", changes_by(in_force, policies), {}),
                                        std::ranges::any_of(policies, sends_signals), put);
}

Result<void> Engine::keep_and_put(const PolicyOrigins& next, bool more, const std::function<Result<void>()>& put)
{
    const bool kept_changes = next.all_kept() != origins_.all_kept();
    const auto saved = kept_changes ? keep(next) : Result<void>();
    if (!saved && more) {
        return fail("nothing was changed, because it could not be kept for the next start: " + saved.error().message +
                        "; make room or mend that folder, or start pinwardend with --no-state",
                    EIO);
    }
    if (auto done = put(); !done) {
        if (kept_changes && saved) {
            keep_anyway(origins_, "that a change of policies was taken back");
        }
        return done;
    }
    if (!saved) {
        tell_operator(
            "the last change of policies is in force and could not be kept, so the next start does not know of "
            "it: " +
            saved.error().message);
    }
    return {};
}

// `next`: where the policies come from once `put` has put them in force. `more`: whether they enforce more then. The
// record is begun first and completed last, so that it tells also what could not be kept.
Result<std::uint64_t> Engine::change(const PolicyEntry& entry, PolicyOrigins next, bool more,
                                     const std::function<Result<void>()>& put)
{
    if (auto done = on_record(entry, more, [&] { return keep_and_put(next, more, put); }); !done) {
        return std::unexpected(done.error());
    }
    origins_ = std::move(next);
    return enforcer_.generation();
}

Result<void> Engine::expect_generation(std::optional<std::uint64_t> wanted) const
{
    if (!wanted || *wanted == enforcer_.generation()) {
        return {};
    }
    return std::unexpected(
        Error{"generation " + std::to_string(enforcer_.generation()) + " of the policies is in " + "force, not " +
                  std::to_string(*wanted) +
                  ": they were changed since, or mean other files by now; nothing was changed now, " +
                  "look at them again and decide anew",
              ESTALE, "if_generation"});
}

Result<std::uint64_t> Engine::apply(const std::vector<Policy>& policies, bool validate_only,
                                    std::optional<Requester> asked_by, std::optional<std::uint64_t> if_generation)
{
    if (auto same = expect_generation(if_generation); !same) {
        return std::unexpected(same.error());
    }
    // What can be told without the kernel is told before anything is written.
    PolicySet trial = enforcer_.policies();
    if (auto applied = trial.apply(policies); !applied) {
        return std::unexpected(applied.error());
    }
    if (validate_only) {
        return enforcer_.generation();
    }
    PolicyOrigins next = origins_;
    for (const Policy& policy : policies) {
        next.applied(policy);
    }
    if (policies.empty()) {
        if (auto applied = put_in_force(policies); !applied) {
            return std::unexpected(applied.error());
        }
        return enforcer_.generation();
    }
    const auto& in_force = enforcer_.policies().policies();
    return change(entry_for("apply", changes_by(in_force, policies), asked_by), std::move(next),
                  enforces_more(in_force, trial.policies()), [&] { return put_in_force(policies); });
}

Result<std::uint64_t> Engine::remove(const std::string& name, std::optional<Requester> asked_by,
                                     std::optional<std::uint64_t> if_generation)
{
    if (auto same = expect_generation(if_generation); !same) {
        return std::unexpected(same.error());
    }
    const auto known = find_policy(name);
    const bool refused = origins_.all_refused().contains(name);
    if (!known && !refused) {
        return std::unexpected(known.error());
    }
    PolicyOrigins next = origins_;
    next.removed(name);
    const auto remove = [&]() -> Result<void> {
        if (refused) {
            return {};
        }
        flush();
        if (auto removed = enforcer_.remove(name, ledger_, around_.clock.now()); !removed) {
            return removed;
        }
        degraded_.erase(name);
        policies_changed({name});
        return {};
    };
    auto changes = changes_by_removing(enforcer_.policies().policies(), name);
    if (changes.empty()) {
        changes.push_back({.name = name, .before = std::nullopt, .after = std::nullopt, .source = "refused"});
    }
    return change(entry_for("delete", std::move(changes), asked_by), std::move(next), false, remove);
}

std::vector<std::string> Engine::policy_names() const
{
    std::vector<std::string> names;
    for (const Policy& policy : enforcer_.policies().policies()) {
        names.push_back(policy.name);
    }
    for (const auto& [name, why] : origins_.all_refused()) {
        names.push_back(name);
    }
    return names;
}

Result<Policy> Engine::find_policy(const std::string& name) const
{
    if (const auto refused = origins_.all_refused().find(name); refused != origins_.all_refused().end()) {
        auto policy = policy_of(*origins_.kept(name));
        if (!policy) {
            return fail("policy \"" + name + "\" is refused, and its text must be mended first: " +
                            policy.error().message + "; apply it anew, or delete it",
                        EINVAL);
        }
        return policy;
    }
    const auto& policies = enforcer_.policies().policies();
    const auto found = std::ranges::find(policies, name, &Policy::name);
    if (found == policies.end()) {
        return PolicySet::unknown(name, policy_names());
    }
    return *found;
}

Result<std::uint64_t> Engine::set_mode(const std::string& name, Mode mode, std::optional<Requester> asked_by,
                                       std::optional<std::uint64_t> if_generation)
{
    if (auto same = expect_generation(if_generation); !same) {
        return std::unexpected(same.error());
    }
    auto policy = find_policy(name);
    if (!policy) {
        return std::unexpected(policy.error());
    }
    policy->mode = mode;
    PolicySet trial = enforcer_.policies();
    if (auto applied = trial.apply({*policy}); !applied) {
        return std::unexpected(applied.error());
    }
    PolicyOrigins next = origins_;
    next.mode_set(*policy);
    const auto& in_force = enforcer_.policies().policies();
    return change(entry_for("mode", changes_by(in_force, {*policy}), asked_by), std::move(next),
                  enforces_more(in_force, trial.policies()), [&] { return put_in_force({*policy}); });
}

// A policy that kills and kills may be wrong: from here on it only tells what it would do.
void Engine::degrade(const std::string& name)
{
    const auto& policies = enforcer_.policies().policies();
    const auto found = std::ranges::find(policies, name, &Policy::name);
    if (found == policies.end() || found->mode != Mode::kEnforce) {
        return;
    }
    Policy monitored = *found;
    monitored.mode = Mode::kMonitor;
    const Nanoseconds now = around_.clock.now();
    const std::string since = format_utc(now + around_.clock.boot_to_unix());
    degraded_[name] = "too many signals were sent; in monitor mode since " + since +
                      ", until its mode is set to enforce or it is applied again";
    around_.log_warning("policy " + name + ": " + degraded_[name]);
    PolicyEntry entry = entry_for("degrade", changes_by(policies, {monitored}), {});
    entry.reason = "too many signals were sent";
    warn(on_record(entry, false, [&] { return enforcer_.apply({monitored}, ledger_, now); }));
    policies_changed({name});
    origins_.mode_set(monitored, degraded_[name]);
    keep_anyway(origins_, "that policy " + name + " is degraded");
}

Result<void> Engine::start_files(const std::vector<Policy>& files)
{
    const std::vector<Policy> with_modes = origins_.of_files();
    auto applied = put_on_record(with_modes);
    if (applied || with_modes == files) {
        return applied;
    }
    // A mode that somebody set once must not keep the daemon from starting.
    if (auto as_written = put_on_record(files); !as_written) {
        return as_written;
    }
    tell_operator(
        "the modes that were set for policies of files could not be used, so these have the modes of their "
        "files: " +
        applied.error().message);
    origins_.drop_modes();
    return {};
}

void Engine::start_kept()
{
    std::vector<Policy> readable;
    const auto refuse = [this](const std::string& name, const Error& why) {
        origins_.refused(name, why.message);
        tell_operator("policy \"" + name + "\" was kept and is not in force: " + why.message);
    };
    for (const KeptPolicy& kept : origins_.all_kept().policies) {
        auto policy = policy_of(kept);
        if (policy) {
            readable.push_back(std::move(*policy));
        } else {
            refuse(kept.name, policy.error());
        }
    }
    if (readable.empty() || put_on_record(readable)) {
        return;
    }
    // One by one, to find out which it is.
    for (const Policy& policy : readable) {
        if (auto applied = put_on_record({policy}); !applied) {
            refuse(policy.name, applied.error());
        }
    }
}

Result<void> Engine::start_policies(const std::vector<Policy>& files)
{
    origins_.given(files);
    if (around_.policies != nullptr) {
        PolicyStore::Loaded loaded = around_.policies->load();
        if (!loaded.problem.empty()) {
            tell_operator(loaded.problem);
        }
        for (const std::string& name : origins_.take_up(std::move(loaded.kept))) {
            tell_operator("the mode that was set for policy \"" + name +
                          "\" is dropped: its file says something else by now");
        }
    }
    if (auto started = start_files(files); !started) {
        return started;
    }
    start_kept();
    for (const auto& [name, mode] : origins_.modes()) {
        if (!mode.degraded.empty()) {
            degraded_[name] = mode.degraded;
        }
    }
    for (const KeptPolicy& kept : origins_.all_kept().policies) {
        if (!kept.degraded.empty() && !origins_.all_refused().contains(kept.name)) {
            degraded_[kept.name] = kept.degraded;
        }
    }
    return {};
}

std::vector<PolicyState> Engine::policy_states() const
{
    std::vector<PolicyState> states;
    const auto& policies = enforcer_.policies().policies();
    for (std::size_t slot = 0; slot < policies.size(); ++slot) {
        const Policy& policy = policies[slot];
        const auto degraded = degraded_.find(policy.name);
        const bool is_degraded = degraded != degraded_.end();
        std::string reason = is_degraded ? degraded->second : enforcer_.compiled().pending.at(slot);
        if (const auto mode = is_degraded ? std::nullopt : origins_.mode_reason(policy)) {
            reason += (reason.empty() ? "" : "; ") + *mode;
        }
        states.push_back({policy, is_degraded ? "degraded" : std::string(policy_state(enforcer_.compiled(), slot)),
                          std::move(reason), enforcer_.policies().counters(policy.name)});
    }
    for (const auto& [name, why] : origins_.all_refused()) {
        const KeptPolicy& kept = *origins_.kept(name);
        states.push_back({policy_of(kept).value_or(nameless_but_for(kept)), "refused", why, {}});
    }
    return states;
}

}  // namespace pinwarden
