// Keeps the kernel's side of the policies in step with the ledger.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "act/verdict_sink.h"
#include "base/clock.h"

namespace pinwarden {

// Owned by the pipeline thread. Every method that fails leaves what was in force before.
class Enforcer {
public:
    Enforcer(VerdictSink& sink, PathResolver& resolver) : sink_(sink), resolver_(resolver) {}

    // All or none, see PolicySet::apply. Each success makes a new generation, the first is 1, also of an empty list;
    // generation 0 says that nothing was installed yet.
    Result<void> apply(const std::vector<Policy>& policies, const Ledger& ledger, Nanoseconds now);
    // These and no others, in one generation: who is decided by one that stays does not notice.
    Result<void> replace(const std::vector<Policy>& policies, const Ledger& ledger, Nanoseconds now);
    Result<void> remove(const std::string& name, const Ledger& ledger, Nanoseconds now);
    // Mounts or directories came or went: resolve what policies select anew. Installs only if that changed anything.
    Result<void> mounts_changed(const Ledger& ledger, Nanoseconds now);
    // The same for cgroups, of which some were made since the last time.
    Result<void> cgroups_changed(const Ledger& ledger, Nanoseconds now);
    [[nodiscard]] bool cgroups_were_made() const { return sink_.cgroups_made() != known_cgroups_; }

    // The pinned set of these files changed: renew the verdicts of policies that select pins, then acknowledge. Files
    // without any pin left are acknowledged as empty. A file that fails does not keep the others from being done; the
    // first error is returned, and tick() tries the failed ones again. Until then the kernel takes their newest pins as
    // not yet seen, which is what each policy's `unresolved` is for.
    Result<void> update(const std::vector<FileKey>& files, const Ledger& ledger, Nanoseconds now);
    // Renews the verdicts that depend on a pin's age and are due, and those that failed.
    Result<void> tick(const Ledger& ledger, Nanoseconds now);
    // When tick() has something to do next, if ever.
    [[nodiscard]] std::optional<Nanoseconds> next_tick() const;

    void count(const OperationEvent& operation);
    // Of the policies in force.
    void tally(const Decided& decided) { set_.tally(decided, set_.policies()); }
    // The policy that sat in `slot` of that generation, if it is still known. Valid until the next apply or remove.
    [[nodiscard]] const Policy* deciding(const OperationEvent& operation) const;

    [[nodiscard]] const PolicySet& policies() const { return set_; }
    [[nodiscard]] const CompiledPolicies& compiled() const { return compiled_; }
    [[nodiscard]] std::uint32_t generation() const { return generation_; }

private:
    using Schedule = absl::btree_map<Nanoseconds, absl::flat_hash_set<FileKey>>;
    // One half of the kernel's double table of verdicts: the keys (file, slot) that are in it.
    using Armed = absl::flat_hash_set<std::pair<FileKey, std::uint32_t>>;

    Result<void> install(PolicySet next, const Ledger& ledger, Nanoseconds now);
    Result<void> update_file(const FileKey& file, const Ledger& ledger, Nanoseconds now);
    Result<void> acknowledge(const FileKey& file, const Ledger& ledger, const CompiledPolicies& compiled,
                             std::uint32_t generation);
    // Sets, or takes back, the file's verdicts for every policy of that generation that selects pins.
    Result<void> renew_verdicts(const FileKey& file, const std::vector<Policy>& policies, std::uint32_t generation,
                                const Ledger& ledger, Nanoseconds now, Schedule& due);
    Result<void> clear_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation);
    // Empties the half that belongs to the generation. On error what could not be cleared stays known.
    Result<void> clear_verdicts(std::uint32_t generation);
    // The same where there is nobody to tell: before a half is used again, it is cleared once more.
    void try_clear_verdicts(std::uint32_t generation) { [[maybe_unused]] const auto ok = clear_verdicts(generation); }
    // The policies whose slots that generation speaks of; nullptr when they are no longer known.
    [[nodiscard]] const std::vector<Policy>* policies_of(std::uint32_t generation) const;
    Armed& armed(std::uint32_t generation) { return armed_[generation & 1U]; }

    VerdictSink& sink_;
    PathResolver& resolver_;
    PolicySet set_;
    std::vector<Policy> previous_;  // of the generation before
    CompiledPolicies compiled_;
    std::uint32_t generation_ = 0;
    std::uint64_t known_cgroups_ = 0;
    std::array<Armed, 2> armed_;
    Schedule due_;
};

}  // namespace pinwarden
