#include "policy/decide.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pinwarden {
namespace {

constexpr std::array kKinds{std::pair(PW_INVALIDATION_MUNMAP, Operation::kMunmap),
                            std::pair(PW_INVALIDATION_MMAP_FIXED, Operation::kMmapFixed),
                            std::pair(PW_INVALIDATION_MREMAP, Operation::kMremap),
                            std::pair(PW_INVALIDATION_MADV_DONTNEED, Operation::kMadvDontneed),
                            std::pair(PW_INVALIDATION_MADV_GUARD, Operation::kMadvGuard),
                            std::pair(PW_INVALIDATION_NOTIFIER_UNMAP, Operation::kInvalidate),
                            std::pair(PW_INVALIDATION_NOTIFIER_CLEAR, Operation::kInvalidate)};

bool is_about(const Policy& policy, pw_invalidation_kind kind)
{
    return std::ranges::any_of(kKinds, [&](const auto& entry) {
        return entry.first == kind && std::ranges::find(policy.operations, entry.second) != policy.operations.end();
    });
}

bool suits_file(const Policy& policy, std::size_t slot, const CompiledPolicies& compiled, const FileRecord& file)
{
    const std::vector<std::string>& filesystems = policy.file.filesystems;
    const bool on_filesystem =
        filesystems.empty() || std::ranges::find(filesystems, file.filesystem) != filesystems.end();
    const auto there = [&](const std::string& path) {
        return ((policies_covering(compiled, file.key, path) >> slot) & 1U) != 0;
    };
    return on_filesystem && (policy.file.anywhere() || there(file.pinned_path) || there(file.path));
}

// Whether pages of such a file were mapped where the addresses lost theirs.
bool has_such_file(const Policy& policy, std::size_t slot, const CompiledPolicies& compiled, const PinRecord& pin,
                   const AddressRange& range, const Ledger& ledger)
{
    if (policy.file == FileSelector()) {
        return true;
    }
    const std::uint64_t begin = std::max(range.first, pin.address);
    const std::uint64_t first = (begin - pin.address) >> PW_PAGE_SHIFT;
    const std::uint64_t end =
        (range.first + range.bytes - std::min(range.first + range.bytes, pin.address)) >> PW_PAGE_SHIFT;
    return std::ranges::any_of(pin.ranges, [&](const PinnedFileRange& part) {
        const FileRecord* file = ledger.find_file(part.file);
        return pw_overlaps(part.position, part.position + part.pages, first, end) && file != nullptr &&
               suits_file(policy, slot, compiled, *file);
    });
}

}  // namespace

InvalidationDecision decide(const PoliciesInForce& in_force, const InvalidationConflict& conflict, const Ledger& ledger,
                            Nanoseconds now)
{
    InvalidationDecision decision;
    for (std::size_t slot = 0; slot < in_force.policies.size(); ++slot) {
        const Policy& policy = in_force.policies[slot];
        if (policy.mode == Mode::kOff || !is_about(policy, conflict.event.operation) ||
            !suits(policy.caller, conflict.event.caller)) {
            continue;
        }
        std::vector<PinRecord> pins;
        std::ranges::copy_if(conflict.pins, std::back_inserter(pins), [&](const PinRecord& pin) {
            return concerns(policy, pin, now) &&
                   has_such_file(policy, slot, in_force.compiled, pin, conflict.range, ledger);
        });
        if (pins.empty()) {
            continue;
        }
        decision.decided.matched |= std::uint64_t{1} << slot;
        if (decision.decided.policy < 0) {
            decision.decided.policy = static_cast<int>(slot);
            decision.decided.verdict = ahead(policy);
            decision.pins = std::move(pins);
        }
    }
    return decision;
}

std::string explain(const InvalidationConflict& conflict, const Policy& policy, pw_verdict verdict)
{
    const bool would = verdict == PW_VERDICT_WOULD_SIGNAL || verdict == PW_VERDICT_WOULD_NOTIFY;
    std::string what = would ? "would tell" : "tells";
    if (policy.signal) {
        what = would ? "would signal" : "signals";
    }
    return explain(conflict) + "; policy \"" + policy.name + "\"" + (would ? " (monitor) " : " ") + what;
}

}  // namespace pinwarden
