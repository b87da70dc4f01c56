// The one way back: what user space tells the kernel. The real one writes BPF maps; tests record the calls.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "ledger/ledger.h"
#include "policy/policy_set.h"

namespace pinwarden {

class VerdictSink {
public:
    VerdictSink() = default;
    VerdictSink(const VerdictSink&) = delete;
    VerdictSink& operator=(const VerdictSink&) = delete;
    virtual ~VerdictSink() = default;

    // Puts a policy table in force, as a whole; `generation` decides which half of the double table it goes to.
    virtual Result<void> install(const CompiledPolicies& policies, std::uint32_t generation) = 0;
    // Says what of a file is pinned, as far as `state.sequence` (when state.complete; else the range is withheld and
    // the file stays unresolved), and which policies of `generation` cover (bit per slot) the path it was pinned
    // through; what was said of the generation before stays. A file the kernel has meanwhile forgotten is no error.
    virtual Result<void> acknowledge(const FileKey& file, const FileState& state, std::uint64_t policies,
                                     std::uint32_t generation) = 0;
    // Says which part of the file the pins concerned by the policy in `slot` cover; first == end: none.
    virtual Result<void> set_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation,
                                         const FileState& state) = 0;
    // Takes that back: the file has no pins left, or the policy is gone.
    virtual Result<void> clear_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation) = 0;
    // How many cgroups were made so far. Cheap.
    [[nodiscard]] virtual std::uint64_t cgroups_made() const = 0;
    // The table in force has all that policies select of these. Until that is said of all, it is not known which
    // policies by cgroup a caller suits: each decides by its `unresolved`.
    virtual void know_cgroups(std::uint64_t made) = 0;
    // How many losses the kernel's side has counted after which the ledger may be wrong.
    [[nodiscard]] virtual std::uint64_t losses() const = 0;
    // Says that the ledger is right although so many were lost, or, with nothing, that it may be wrong. Whenever more
    // were lost than that, or it may be wrong, no pin is known for certain, and what was said by the calls above counts
    // for nothing: each policy decides by its `unresolved`.
    virtual void trust_ledger(std::optional<std::uint64_t> after_losses) = 0;
    // Whether releases are to be told by folio: from a loss or an adoption on it is not known which pages of a large
    // folio the ledger's pins are on, until none of those is left.
    virtual void tell_by_folio(bool on) = 0;
    // How many pins of no object that is followed are gone, of all there ever were. When none is left, the kernel tells
    // of no page that is let go, but of objects.
    virtual void forget_unfollowed(std::uint64_t pins) = 0;
    // How many of these there ever were. Cheap.
    [[nodiscard]] virtual std::uint64_t unfollowed_made() const = 0;
    // How often pages were, or may have been, let go of which the kernel told nothing, because releases of pages were
    // not heard. Cheap.
    [[nodiscard]] virtual std::uint64_t unheard() const = 0;
    // Whether the functions that release pages are listened to: needed by all but those pins that are followed, and by
    // these as well while releases are told by folio. At first they are. On error it may be that only some are.
    virtual Result<void> hear_releases(bool on) = 0;
    // Pages the ledger let go of: lowers their block counters.
    virtual void untrack(const std::vector<PageRun>& pages) = 0;
};

}  // namespace pinwarden
