#include "policy/policy_set.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>

#include "policy/suggest.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

std::uint64_t bit(std::size_t slot)
{
    return std::uint64_t{1} << slot;
}

std::string named(const Policy& policy)
{
    return "policy \"" + policy.name + "\"";
}

// Text read from a file has normalised prefixes; what comes over the API need not. A prefix that cannot be normalised
// stays as it is, for validate() to name.
void normalise(Policy& policy)
{
    for (std::string& prefix : policy.file.path_prefixes) {
        if (auto normal = normalise_path_prefix(prefix)) {
            prefix = std::move(*normal);
        }
    }
}

std::uint32_t flags_of(const Policy& policy)
{
    std::uint32_t flags = 0;
    const auto set_if = [&flags](bool condition, pw_policy_flags flag) {
        if (condition) {
            flags |= static_cast<std::uint32_t>(flag);
        }
    };
    set_if(policy.mode != Mode::kOff, PW_POLICY_IN_USE);
    set_if(policy.mode == Mode::kEnforce, PW_POLICY_ENFORCE);
    set_if(policy.file.path_prefixes.empty(), PW_POLICY_ANY_PATH);
    set_if(policy.selects_pins(), PW_POLICY_SELECTS_PINS);
    set_if(policy.unresolved == Unresolved::kDeny, PW_POLICY_UNRESOLVED_DENY);
    set_if(policy.unresolved == Unresolved::kHold, PW_POLICY_UNRESOLVED_HOLD);
    set_if(policy.hold.has_value(), PW_POLICY_HOLD);
    set_if(policy.when_unattended == Unattended::kKeep, PW_POLICY_KEEP);
    set_if(policy.hold && policy.hold->on_timeout == Outcome::kAllow, PW_POLICY_TIMEOUT_ALLOW);
    set_if(policy.hold && policy.hold->fallback == Outcome::kAllow, PW_POLICY_FALLBACK_ALLOW);
    return flags;
}

pw_operation_kind kind_of(Operation operation)
{
    switch (operation) {
        case Operation::kTruncate: return PW_OPERATION_TRUNCATE;
        case Operation::kPunchHole: return PW_OPERATION_PUNCH_HOLE;
        case Operation::kCollapseRange: return PW_OPERATION_COLLAPSE_RANGE;
        case Operation::kZeroRange: return PW_OPERATION_ZERO_RANGE;
        case Operation::kInsertRange: return PW_OPERATION_INSERT_RANGE;
        case Operation::kMadvRemove: return PW_OPERATION_MADV_REMOVE;
        case Operation::kUmount: return PW_OPERATION_UMOUNT;
    }
    return PW_OPERATION_KINDS;
}

std::uint32_t operations_of(const Policy& policy)
{
    std::uint32_t operations = 0;
    for (const Operation operation : policy.operations) {
        operations |= 1U << static_cast<unsigned>(kind_of(operation));
    }
    return operations;
}

pw_policy compile_one(const Policy& policy)
{
    pw_policy compiled{};
    compiled.flags = flags_of(policy);
    compiled.error = static_cast<__u32>(policy.deny_errno);
    compiled.operations = operations_of(policy);
    // One that denies may hold, too, until all pins are known.
    compiled.hold_nanoseconds = policy.hold.value_or(Hold()).timeout;
    compiled.filesystems = static_cast<__u32>(policy.file.filesystems.size());
    for (std::size_t i = 0; i < policy.file.filesystems.size(); ++i) {
        const std::string& name = policy.file.filesystems[i];
        std::memcpy(compiled.filesystem[i], name.data(), std::min<std::size_t>(name.size(), PW_FILESYSTEM_NAME - 1));
    }
    return compiled;
}

// Resolves the policy's path prefixes into `compiled`; returns what is to be said of those that do not exist.
Result<std::string> compile_prefixes(const Policy& policy, std::size_t slot, PathResolver& resolver,
                                     CompiledPolicies& compiled)
{
    std::vector<std::string> missing;
    for (const std::string& path : policy.file.path_prefixes) {
        const auto resolved = resolver.resolve(path);
        if (!resolved) {
            return std::unexpected(resolved.error().within(named(policy) + ": match.file.path_prefixes"));
        }
        if (resolved->directories.empty()) {
            missing.push_back(path);
            continue;
        }
        compiled.paths[resolved->path] |= bit(slot);
        for (const DirectoryId& directory : resolved->directories) {
            compiled.prefixes[directory] |= bit(slot);
        }
    }
    if (missing.empty()) {
        return std::string();
    }
    return missing.size() == 1 ? "path " + missing.front() + " does not exist yet"
                               : "paths " + join(missing) + " do not exist yet";
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
           any_of(policy.owner.uids, pin.owner.uid) && any_of(policy.owner.comms, pin.owner.comm);
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
    constexpr std::array kRanges{Operation::kPunchHole, Operation::kCollapseRange, Operation::kZeroRange,
                                 Operation::kInsertRange, Operation::kMadvRemove};
    const auto* const found =
        std::ranges::find(kRanges, operation.operation, [](Operation one) { return kind_of(one); });
    return std::string(found == kRanges.end() ? "operation" : to_string(*found)) + " of " +
           std::to_string(operation.length) + " bytes from " + std::to_string(operation.offset);
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
    for (std::size_t slot = 0; slot < decided_by.size() && slot < PW_POLICIES; ++slot) {
        const std::string& name = decided_by[slot].name;
        if (std::ranges::find(policies_, name, &Policy::name) == policies_.end()) {
            continue;
        }
        const bool decided = operation.policy >= 0 && static_cast<std::size_t>(operation.policy) == slot;
        PolicyCounters& counters = counters_[name];
        counters.matched += (operation.matched & bit(slot)) != 0 ? 1U : 0U;
        counters.denied += decided && operation.verdict == PW_VERDICT_DENY ? 1U : 0U;
        counters.would_have_denied += decided && operation.verdict == PW_VERDICT_WOULD_DENY ? 1U : 0U;
        counters.held += decided && operation.verdict == PW_VERDICT_HOLD ? 1U : 0U;
        counters.would_have_held += decided && operation.verdict == PW_VERDICT_WOULD_HOLD ? 1U : 0U;
    }
}

Result<CompiledPolicies> PolicySet::compile(PathResolver& resolver) const
{
    CompiledPolicies compiled;
    compiled.table.count = static_cast<__u32>(policies_.size());
    compiled.pending.resize(policies_.size());
    for (std::size_t slot = 0; slot < policies_.size(); ++slot) {
        const Policy& policy = policies_[slot];
        compiled.table.policy[slot] = compile_one(policy);
        if (policy.mode == Mode::kOff) {
            continue;
        }
        auto pending = compile_prefixes(policy, slot, resolver, compiled);
        if (!pending) {
            return std::unexpected(pending.error());
        }
        compiled.pending[slot] = std::move(*pending);
    }
    return compiled;
}

std::string_view policy_state(const CompiledPolicies& compiled, std::size_t slot)
{
    const std::uint32_t flags = slot < compiled.table.count ? compiled.table.policy[slot].flags : 0;
    if ((flags & PW_POLICY_IN_USE) == 0) {
        return "off";
    }
    const auto of_slot = [slot](const auto& entry) { return (entry.second & bit(slot)) != 0; };
    if ((flags & PW_POLICY_ANY_PATH) == 0 && std::ranges::none_of(compiled.prefixes, of_slot)) {
        return "pending";
    }
    return (flags & PW_POLICY_ENFORCE) != 0 ? "active" : "monitoring";
}

std::uint64_t policies_covering(const CompiledPolicies& compiled, std::string_view path)
{
    std::uint64_t slots = 0;
    for (const auto& [prefix, covering] : compiled.paths) {
        slots |= path.starts_with('/') && at_or_below(path, prefix) ? covering : 0;
    }
    return slots;
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
        case PW_VERDICT_ALLOW:
        case PW_VERDICTS: break;
    }
    return who + " allowed " + what + pins + unresolved;
}

}  // namespace pinwarden
