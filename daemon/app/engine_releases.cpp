// Whether the functions that release pages are listened to. Each costs every call of it some 130 instructions, also
// when there is nothing to tell: while each pin is followed by the object it was made for, none is needed.
#include <algorithm>
#include <string>

#include "app/engine.h"

namespace pinwarden {
namespace {

constexpr Nanoseconds kHearAgainAfter = 10'000'000'000;

}  // namespace

void Engine::follow()
{
    follows_ = true;
    quiet_since_ = around_.clock.now();
}

bool Engine::repairs() const
{
    return std::ranges::any_of(audits_, [](const AuditRequest& request) { return request.options.repair; });
}

bool Engine::pages_are_told() const
{
    return options_.quiet_after == 0 || options_.track_short_term || by_folio_ || !ledger_.certain() || repairs() ||
           around_.verdicts.unfollowed_made() != ledger_.unfollowed_gone() || around_.verdicts.unheard() != unheard_;
}

// To be called before the kernel is told what is pinned: what it decides by must not be gone unheard.
void Engine::look_after_releases()
{
    if (!follows_) {
        return;
    }
    const Nanoseconds now = around_.clock.now();
    if (pages_are_told()) {
        quiet_since_ = now;
        hear_releases();
    } else if (heard_ && now >= quiet_since_ + options_.quiet_after) {
        heard_ = false;
        warn(around_.verdicts.hear_releases(false));
    }
}

// What was let go before they are heard is found by asking the kernel about what the ledger has.
void Engine::hear_releases()
{
    const Nanoseconds now = around_.clock.now();
    if (!heard_ && now >= next_hearing_) {
        const auto hearing = around_.verdicts.hear_releases(true);
        heard_ = hearing.has_value();
        if (!heard_) {
            next_hearing_ = now + kHearAgainAfter;
            around_.log_warning("releases of pages are not heard: " + hearing.error().message);
        }
        doubt_ledger();
    }
    if (const std::uint64_t unheard = around_.verdicts.unheard(); heard_ && unheard != unheard_) {
        unheard_ = unheard;
        doubt_ledger();
    }
}

void Engine::doubt_ledger()
{
    ledger_.doubt();
    if (ledger_.complete()) {
        next_repair_ = around_.clock.now();
    }
}

}  // namespace pinwarden
