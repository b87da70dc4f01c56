#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "cli/fit.h"
#include "cli/render.h"
#include "cli/render_signals.h"

namespace pinwarden::cli {
namespace {

std::string pad(std::string text, std::size_t columns)
{
    text.append(columns - std::min(columns, width(text)), ' ');
    return text;
}

std::string where(const v1::Pin& pin)
{
    if (pin.ranges().empty()) {
        return visible(pin.backing());
    }
    const v1::FileRange& first = pin.ranges(0);
    std::string text = file_name(first.file()) + " pages " + std::to_string(first.first_page()) + "-" +
                       std::to_string(first.first_page() + first.pages() - 1);
    if (pin.ranges_size() > 1) {
        text += " and " + counted(static_cast<std::uint64_t>(pin.ranges_size() - 1), "more range");
    }
    return text;
}

std::string pin_text(const v1::Pin& pin)
{
    return process_name(pin.owner()) + " " + visible(pin.driver()) + " " + human_bytes(pin.bytes()) + " of " +
           where(pin);
}

std::string release_text(const v1::WatchEventsResponse& event)
{
    const v1::Pin& pin = event.pin();
    return process_name(pin.owner()) + " " + visible(pin.driver()) + " " + human_bytes(event.released_bytes()) +
           " of " + where(pin) + (event.fully_released() ? ", nothing left" : ", a part") +
           (event.has_time_since_owner_exit()
                ? ", " + human_age(event.time_since_owner_exit().seconds()) + " after its owner"
                : "");
}

// Of addresses, not of a file.
bool is_invalidation(const v1::Conflict& conflict)
{
    return !conflict.has_file();
}

std::string operation_text(const v1::Conflict& conflict)
{
    if (is_invalidation(conflict)) {
        return visible(conflict.operation()) + " of " + hexadecimal(conflict.address()) + "-" +
               hexadecimal(conflict.address() + conflict.length()) + " by " + process_name(conflict.caller()) +
               " uid " + std::to_string(conflict.caller().uid());
    }
    const std::string by = " by " + process_name(conflict.caller()) + " uid " + std::to_string(conflict.caller().uid());
    if (conflict.operation() == "umount") {
        const v1::File& file = conflict.file();
        const std::string device = std::to_string(file.device_major()) + ":" + std::to_string(file.device_minor());
        return "umount of " + visible(file.filesystem()) +
               (file.path().empty() ? " on device " + device : " at " + visible(file.path())) + by;
    }
    const std::string range =
        conflict.operation() == "truncate"
            ? human_bytes(conflict.old_size()) + " to " + human_bytes(conflict.new_size())
            : "byte " + std::to_string(conflict.offset()) + " on, " + human_bytes(conflict.length());
    return visible(conflict.operation()) + " of " + file_name(conflict.file()) + " from " + range + by;
}

std::string conflict_text(const v1::Conflict& conflict)
{
    std::string text = operation_text(conflict) + " meets ";
    if (conflict.pins().empty()) {
        return text + "pins the ledger does not have";
    }
    const v1::Pin& first = conflict.pins(0);
    text += human_bytes(is_invalidation(conflict) ? conflict.pinned_bytes() : first.bytes()) + " pinned by " +
            process_name(first.owner()) + " through " + visible(first.driver());
    if (conflict.pins_size() > 1) {
        text += " and " + counted(static_cast<std::uint64_t>(conflict.pins_size() - 1), "more pin");
    }
    return text;
}

std::string verdict_text(const v1::Conflict& conflict, const Style& style)
{
    Colour colour = Colour::kNone;
    std::string verdict = visible(conflict.verdict());
    if (conflict.verdict() == "deny") {
        colour = Colour::kRed;
    } else if (conflict.verdict() == "hold") {
        colour = Colour::kYellow;
        verdict += conflict.hold() != 0 ? " " + std::to_string(conflict.hold()) : "";
    } else if (conflict.verdict() == "signal" || conflict.verdict() == "notify") {
        colour = Colour::kYellow;
    } else if (conflict.verdict().starts_with("would_")) {
        colour = Colour::kYellow;
        std::ranges::replace(verdict, '_', ' ');
    }
    if (!conflict.error().empty()) {
        verdict += " " + visible(conflict.error());
    }
    std::string text = style.paint(verdict, colour) + " " + operation_text(conflict);
    if (!conflict.policy().empty()) {
        text += ", policy " + visible(conflict.policy());
    }
    return conflict.reason().empty() ? text : text + ": " + visible(conflict.reason());
}

std::string outcome_text(const std::string& outcome)
{
    constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kTexts{
        {{"pins_gone", "the pins are gone, it goes on"},
         {"allowed", "an operator let it go on"},
         {"denied", "an operator failed it"},
         {"timed_out_allow", "its time was up, it goes on"},
         {"timed_out_deny", "its time was up, it fails"},
         {"decided", "the policies decide otherwise now"},
         {"abandoned", "the caller is gone, or gave up"},
         {"let_go_allow", "it could be held no longer, it goes on"},
         {"let_go_deny", "it could be held no longer, it fails"}}};
    const auto* const found = std::ranges::find(kTexts, outcome, [](const auto& entry) { return entry.first; });
    return found == kTexts.end() ? visible(outcome) : std::string(found->second);
}

std::string hold_end_text(const v1::WatchEventsResponse& event)
{
    const v1::HeldOperation& hold = event.hold();
    std::string text = "hold " + std::to_string(hold.id()) + " of " + operation_text(hold.conflict()) + " after " +
                       human_duration(hold.held().seconds(), hold.held().nanos());
    if (!hold.conflict().policy().empty()) {
        text += ", policy " + visible(hold.conflict().policy());
    }
    return text + ": " + outcome_text(event.outcome());
}

std::string failure_text(const v1::PinFailure& failure)
{
    return process_name(failure.owner()) + " " + visible(failure.driver()) + " could not pin " +
           human_bytes(failure.bytes()) + " for " + (failure.writable() ? "writing" : "reading") + ": " +
           visible(failure.error());
}

// In red what somebody should look at.
Colour signal_colour(const std::string& outcome)
{
    return outcome == "limited" || outcome == "failed" ? Colour::kRed : Colour::kYellow;
}

Colour revocation_colour(const std::string& end)
{
    if (end == "answered" || end == "released") {
        return Colour::kNone;
    }
    return end == "limited" ? Colour::kRed : Colour::kYellow;
}

std::string what(const v1::WatchEventsResponse& event, const Style& style)
{
    switch (event.kind()) {
        case v1::EVENT_KIND_PIN: return pad("pin", 8) + "  " + pin_text(event.pin());
        case v1::EVENT_KIND_RELEASE: return pad("release", 8) + "  " + release_text(event);
        case v1::EVENT_KIND_CONFLICT:
            return style.paint("conflict", Colour::kYellow) + "  " + conflict_text(event.conflict());
        case v1::EVENT_KIND_VERDICT: return pad("verdict", 8) + "  " + verdict_text(event.conflict(), style);
        case v1::EVENT_KIND_FAILURE:
            return style.paint(pad("failure", 8), Colour::kYellow) + "  " + failure_text(event.failure());
        case v1::EVENT_KIND_ORPHAN:
            return style.paint(pad("orphan", 8), Colour::kYellow) + "  " + pin_text(event.pin()) +
                   ", its owner has exited";
        case v1::EVENT_KIND_LEAK:
            return style.paint(pad("leak", 8), Colour::kRed) + "  " + pin_text(event.pin()) + ", its owner exited " +
                   human_age(event.pin().orphaned_for().seconds()) + " ago";
        case v1::EVENT_KIND_HOLD_END: return pad("hold end", 8) + "  " + hold_end_text(event);
        case v1::EVENT_KIND_SIGNAL:
            return style.paint(pad("signal", 8), signal_colour(event.signal().outcome())) + "  " +
                   signal_text(event.signal());
        case v1::EVENT_KIND_REVOCATION:
            return style.paint(pad("revoked", 8), revocation_colour(event.revocation().end())) + "  " +
                   revocation_text(event.revocation());
        default: return "an event this pinctl does not know; is it older than pinwardend?";
    }
}

}  // namespace

std::string render_event(const v1::WatchEventsResponse& event, const Style& style)
{
    std::string text;
    if (event.lost_before() > 0) {
        text = style.paint(counted(event.lost_before(), "event") + " lost: this pinctl was too slow to take them",
                           Colour::kYellow) +
               "\n";
    }
    // Below what happened, beside the time and the kind.
    constexpr std::size_t kHang = 24;
    text += clock_time(event.time().seconds(), event.time().nanos()) + "  " + what(event, style) + "\n";
    return wrapped(text, style.columns, kHang);
}

}  // namespace pinwarden::cli
