#include "act/revocation_preview.h"

#include <algorithm>
#include <utility>

namespace pinwarden {
namespace {

// Far below the shortest wait of a policy.
constexpr Nanoseconds kStep = 10'000'000;

PreviewedOwner* find(RevocationPreview& preview, const ProcessId& process)
{
    const auto found =
        std::ranges::find(preview.owners, process, [](const PreviewedOwner& owner) { return owner.who.process; });
    return found == preview.owners.end() ? nullptr : &*found;
}

void note(RevocationPreview& preview, const Act& act, ActReport report, Nanoseconds after)
{
    PreviewedOwner* owner = find(preview, act.process);
    if (owner == nullptr || owner->spared) {
        return;
    }
    if (report.victim) {
        owner->known = std::move(report.victim);
    }
    // One that could not be sent would be tried again and again; here one answer is as good as the next.
    if (report.outcome != ActOutcome::kSent) {
        owner->spared = report.outcome;
        owner->reason = std::move(report.reason);
        return;
    }
    owner->signals.push_back({.signal = act.signal, .after = after, .rule = act.rule});
}

}  // namespace

RevocationPreview preview(RevocationOrder order, Nanoseconds lasts, const LookAt& look_at,
                          const RevocationLimits& limits)
{
    const auto nobody_lets_go = [](const ProcessId&) { return true; };
    Revocation played(std::move(order), limits);
    RevocationPreview preview;
    for (const Revocation::Victim& victim : played.victims()) {
        preview.owners.push_back({.who = victim.who,
                                  .known = {},
                                  .signals = {},
                                  .spared = victim.spared,
                                  .reason = victim.spared ? why_spared(*victim.spared) : ""});
    }
    const std::size_t signals = played.order().plan.signals.size();
    const auto done_with = [&](const PreviewedOwner& owner) { return owner.spared || owner.signals.size() == signals; };
    for (Nanoseconds now = 0; now < lasts && !std::ranges::all_of(preview.owners, done_with);) {
        for (const Act& act : played.step(now, nobody_lets_go)) {
            ActReport report = look_at(act);
            const ActOutcome outcome = report.outcome;
            note(preview, act, std::move(report), now);
            played.done(act, outcome, now);
        }
        const auto next = played.next();
        if (!next) {
            break;
        }
        now = std::max(*next, now + kStep);
    }
    preview.too_many = played.end() == RevocationEnd::kTooManyOwners;
    if (preview.too_many) {
        for (PreviewedOwner& owner : preview.owners) {
            owner.reason = owner.spared ? owner.reason
                                        : "more than " + std::to_string(limits.processes) +
                                              " processes would have to be signalled, so none is";
        }
    }
    return preview;
}

}  // namespace pinwarden
