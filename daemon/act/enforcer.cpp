#include "act/enforcer.h"

#include <tuple>

namespace pinwarden {
namespace {

// A map that is full or a kernel out of memory may recover; asking more often than this would not help it.
constexpr Nanoseconds kRetryAfter = 1'000'000'000;

bool nothing_pinned(const FileState& state)
{
    return state.first_page == state.end_page;
}

// What the kernel needs a verdict of its own for: others it decides by the file's acknowledged range.
bool needs_verdicts(const Policy& policy)
{
    return policy.mode != Mode::kOff && policy.selects_pins();
}

void keep_first(Result<void>& first, const Result<void>& next)
{
    if (first && !next) {
        first = next;
    }
}

}  // namespace

Result<void> Enforcer::apply(const std::vector<Policy>& policies, const Ledger& ledger, Nanoseconds now)
{
    PolicySet next = set_;
    if (auto applied = next.apply(policies); !applied) {
        return applied;
    }
    return install(std::move(next), ledger, now);
}

Result<void> Enforcer::replace(const std::vector<Policy>& policies, const Ledger& ledger, Nanoseconds now)
{
    PolicySet next = set_;
    if (auto replaced = next.replace(policies); !replaced) {
        return replaced;
    }
    return install(std::move(next), ledger, now);
}

Result<void> Enforcer::remove(const std::string& name, const Ledger& ledger, Nanoseconds now)
{
    PolicySet next = set_;
    if (auto removed = next.remove(name); !removed) {
        return removed;
    }
    return install(std::move(next), ledger, now);
}

Result<void> Enforcer::mounts_changed(const Ledger& ledger, Nanoseconds now)
{
    if (set_.policies().empty()) {
        return {};
    }
    auto compiled = set_.compile(resolver_);
    if (!compiled) {
        return std::unexpected(compiled.error());
    }
    if (compiled->resolves_to_the_same(compiled_)) {
        compiled_.pending = std::move(compiled->pending);
        compiled_.waiting = compiled->waiting;
        return {};
    }
    return install(set_, ledger, now);
}

// What was made while policies were compiled counts as unknown still, and is looked at again.
Result<void> Enforcer::cgroups_changed(const Ledger& ledger, Nanoseconds now)
{
    const std::uint64_t made = sink_.cgroups_made();
    if (compiled_.table.by_cgroup != 0) {
        if (auto resolved = mounts_changed(ledger, now); !resolved) {
            return resolved;
        }
    }
    known_cgroups_ = made;
    sink_.know_cgroups(made);
    return {};
}

Result<void> Enforcer::install(PolicySet next, const Ledger& ledger, Nanoseconds now)
{
    const std::uint64_t made = sink_.cgroups_made();
    auto compiled = next.compile(resolver_);
    if (!compiled) {
        return std::unexpected(compiled.error());
    }
    const std::uint32_t generation = generation_ + 1;
    // Verdicts and coverage first: the moment the new table is in force, they must be there, and none from two
    // generations ago.
    Result<void> prepared = clear_verdicts(generation);
    Schedule due;
    for (const FileKey& file : ledger.files()) {
        if (!prepared) {
            break;
        }
        prepared = renew_verdicts(file, next.policies(), generation, ledger, now, due);
        if (prepared && !nothing_pinned(ledger.file_state(file))) {
            prepared = acknowledge(file, ledger, *compiled, generation);
        }
    }
    if (prepared) {
        prepared = sink_.install(*compiled, generation);
    }
    if (!prepared) {
        try_clear_verdicts(generation);
        return prepared;
    }
    previous_ = set_.policies();
    set_ = std::move(next);
    compiled_ = std::move(*compiled);
    generation_ = generation;
    known_cgroups_ = made;
    sink_.know_cgroups(made);
    // What was due stays due: among it are files that failed and are to be tried again.
    for (auto& [time, files] : due) {
        due_[time].merge(files);
    }
    try_clear_verdicts(generation - 1);
    return {};
}

Result<void> Enforcer::renew_verdicts(const FileKey& file, const std::vector<Policy>& policies,
                                      std::uint32_t generation, const Ledger& ledger, Nanoseconds now, Schedule& due)
{
    const FileState state = ledger.file_state(file);
    Result<void> first;
    for (std::uint32_t slot = 0; slot < policies.size(); ++slot) {
        if (!needs_verdicts(policies[slot])) {
            continue;
        }
        if (nothing_pinned(state)) {
            keep_first(first, clear_verdict(file, slot, generation));
            continue;
        }
        const ConcernedRange concerned = concerned_range(policies[slot], ledger, file, now);
        // With a range missing, the pins that are known still are what they are; sequence 0 says that there are others.
        FileState verdict{.sequence = state.complete ? state.sequence : 0, .complete = state.complete};
        if (concerned.pages) {
            std::tie(verdict.first_page, verdict.end_page) = *concerned.pages;
        }
        // Known as armed before it is: a call that failed may still have come through.
        armed(generation).insert({file, slot});
        keep_first(first, sink_.set_pin_verdict(file, slot, generation, verdict));
        if (concerned.next_change) {
            due[*concerned.next_change].insert(file);
        }
    }
    return first;
}

Result<void> Enforcer::clear_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation)
{
    if (!armed(generation).contains({file, slot})) {
        return {};
    }
    auto cleared = sink_.clear_pin_verdict(file, slot, generation);
    if (cleared) {
        armed(generation).erase({file, slot});
    }
    return cleared;
}

Result<void> Enforcer::clear_verdicts(std::uint32_t generation)
{
    Result<void> first;
    const Armed keys = armed(generation);
    for (const auto& [file, slot] : keys) {
        keep_first(first, clear_verdict(file, slot, generation));
    }
    return first;
}

Result<void> Enforcer::update(const std::vector<FileKey>& files, const Ledger& ledger, Nanoseconds now)
{
    Result<void> first;
    for (const FileKey& file : files) {
        const auto updated = update_file(file, ledger, now);
        if (!updated) {
            due_[now + kRetryAfter].insert(file);
        }
        keep_first(first, updated);
    }
    return first;
}

// In this order: once the kernel finds the file's newest pin acknowledged, it takes the verdicts, or that there is
// none, for the whole truth.
Result<void> Enforcer::update_file(const FileKey& file, const Ledger& ledger, Nanoseconds now)
{
    if (auto renewed = renew_verdicts(file, set_.policies(), generation_, ledger, now, due_); !renewed) {
        return renewed;
    }
    return acknowledge(file, ledger, compiled_, generation_);
}

Result<void> Enforcer::acknowledge(const FileKey& file, const Ledger& ledger, const CompiledPolicies& compiled,
                                   std::uint32_t generation)
{
    const FileRecord* record = ledger.find_file(file);
    const std::uint64_t covering = policies_covering(compiled, file, record == nullptr ? "" : record->pinned_path);
    return sink_.acknowledge(file, ledger.file_state(file), covering, generation);
}

Result<void> Enforcer::tick(const Ledger& ledger, Nanoseconds now)
{
    absl::flat_hash_set<FileKey> files;
    while (!due_.empty() && due_.begin()->first <= now) {
        files.merge(due_.begin()->second);
        due_.erase(due_.begin());
    }
    return update({files.begin(), files.end()}, ledger, now);
}

std::optional<Nanoseconds> Enforcer::next_tick() const
{
    return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

void Enforcer::count(const OperationEvent& operation)
{
    if (const std::vector<Policy>* policies = policies_of(operation.generation)) {
        set_.count(operation, *policies);
    }
}

const Policy* Enforcer::deciding(const OperationEvent& operation) const
{
    const std::vector<Policy>* policies = policies_of(operation.generation);
    if (policies == nullptr || operation.policy < 0 || static_cast<std::size_t>(operation.policy) >= policies->size()) {
        return nullptr;
    }
    return &(*policies)[static_cast<std::size_t>(operation.policy)];
}

const std::vector<Policy>* Enforcer::policies_of(std::uint32_t generation) const
{
    if (generation == generation_) {
        return &set_.policies();
    }
    return generation + 1 == generation_ ? &previous_ : nullptr;
}

}  // namespace pinwarden
