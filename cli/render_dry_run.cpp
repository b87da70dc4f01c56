#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "cli/cells.h"
#include "cli/fit.h"
#include "cli/render.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

using google::protobuf::Duration;

constexpr int kMostPinsShown = 20;

std::string duration_text(const Duration& duration)
{
    return human_duration(duration.seconds(), duration.nanos());
}

std::string operation_text(const v1::Conflict& conflict)
{
    const std::string name = visible(conflict.operation());
    if (conflict.operation() == "umount") {
        return name + " of " + file_name(conflict.file());
    }
    if (conflict.operation() == "truncate") {
        return name + " of " + file_name(conflict.file()) + " from " + std::to_string(conflict.old_size()) + " to " +
               std::to_string(conflict.new_size()) + " bytes";
    }
    return name + " of " + std::to_string(conflict.length()) + " bytes from " + std::to_string(conflict.offset()) +
           " of " + file_name(conflict.file());
}

std::string hold_text(const v1::TestPoliciesResponse& answer)
{
    if (!answer.has_hold()) {
        return " until all pins are known";
    }
    const v1::Hold& hold = answer.hold();
    const auto outcome = [&](v1::Outcome one) {
        return one == v1::OUTCOME_ALLOW ? std::string("allow") : "deny with " + visible(hold.error());
    };
    return " for up to " + duration_text(hold.timeout()) + ", then " + outcome(hold.on_timeout()) +
           "; who cannot be held: " + outcome(hold.fallback());
}

std::string verdict_text(const v1::TestPoliciesResponse& answer, const Style& style)
{
    const v1::Conflict& conflict = answer.conflict();
    const std::string& verdict = conflict.verdict();
    if (verdict == "deny") {
        return style.paint("deny", Colour::kRed) + " with " + visible(conflict.error());
    }
    if (verdict == "hold") {
        return style.paint("hold", Colour::kYellow) + hold_text(answer);
    }
    if (verdict == "would_deny") {
        return "allow, because the policy only monitors; would deny with " + visible(conflict.error());
    }
    if (verdict == "would_hold") {
        return "allow, because the policy only monitors; would hold" + hold_text(answer);
    }
    return style.paint("allow", Colour::kGreen);
}

std::string mode_text(v1::Mode mode)
{
    switch (mode) {
        case v1::MODE_MONITOR: return "monitor";
        case v1::MODE_ENFORCE: return "enforce";
        case v1::MODE_OFF: return "off";
        default: return "?";
    }
}

std::string finding_text(const v1::PolicyFinding& finding)
{
    if (finding.decides()) {
        return "decides";
    }
    if (finding.matched()) {
        return "matches, after one that decides";
    }
    std::string text = visible(finding.reason());
    if (finding.has_matches_from()) {
        text +=
            "; matches from " + clock_time(finding.matches_from().seconds(), finding.matches_from().nanos()) + " on";
    }
    return text;
}

std::string findings_text(const v1::TestPoliciesResponse& answer, const Style& style)
{
    if (answer.policies().empty()) {
        return "There are no policies.\n";
    }
    Table table({name_column("POLICY", 16), {"MODE"}, prose_column("FINDING", 24)});
    for (const v1::PolicyFinding& finding : answer.policies()) {
        table.add_row({Cell::with_tail(visible(finding.name()), finding.tested() ? " (not in force)" : ""),
                       {mode_text(finding.mode())},
                       {finding_text(finding), finding.decides() ? Colour::kBold : Colour::kNone}});
    }
    return table.text(style);
}

std::string pins_text(const v1::Conflict& conflict, const Style& style)
{
    if (conflict.pins().empty()) {
        return "";
    }
    Table table({name_column("PIN OF"), number_column("UID"), name_column("DRIVER"), number_column("BYTES"),
                 number_column("AGE")});
    const int shown = std::min(conflict.pins_size(), kMostPinsShown);
    for (int i = 0; i < shown; ++i) {
        const v1::Pin& pin = conflict.pins(i);
        table.add_row({process_cell(pin.owner()),
                       {std::to_string(pin.owner().uid())},
                       {visible(pin.driver())},
                       {human_bytes(pin.bytes())},
                       {human_age(pin.age().seconds())}});
    }
    if (shown < conflict.pins_size()) {
        table.add_line("and " + std::to_string(conflict.pins_size() - shown) + " more");
    }
    return "\n" + table.text(style);
}

Cell owner_name(const v1::Process& process)
{
    return process.pid() == 0 ? Cell{"an owner nobody knows"} : process_cell(process);
}

std::string owner_text(const v1::PreviewedOwner& owner)
{
    std::string text;
    for (const v1::PreviewedSignal& signal : owner.signals()) {
        text += (text.empty() ? "" : ", ") + visible(signal.signal()) + " after " + duration_text(signal.after());
    }
    if (!owner.reason().empty()) {
        text += (text.empty() ? "left alone: " : "; then left alone: ") + visible(owner.reason());
    }
    return text.empty() ? "nothing is sent while the operation is held" : text;
}

std::string owners_text(const v1::TestPoliciesResponse& answer, const Style& style)
{
    if (answer.owners().empty()) {
        return "";
    }
    const bool monitors = answer.conflict().verdict() == "would_hold";
    Table table({name_column(monitors ? "WOULD SIGNAL" : "SIGNALS", 12), prose_column("WHILE IT DOES NOT LET GO", 24)});
    for (const v1::PreviewedOwner& owner : answer.owners()) {
        table.add_row({owner_name(owner.process()), {owner_text(owner)}});
    }
    return "\n" + table.text(style);
}

}  // namespace

std::string render_dry_run(const v1::TestPoliciesResponse& answer, const Style& style)
{
    const v1::Conflict& conflict = answer.conflict();
    std::string text = style.paint(operation_text(conflict), Colour::kBold) + "\n";
    text += "Verdict   " + verdict_text(answer, style) + "\n";
    text += "Policy    " + (conflict.policy().empty() ? std::string("none") : visible(conflict.policy())) + "\n";
    text += "Because   " + visible(conflict.reason()) + "\n";
    if (!answer.note().empty()) {
        text += style.paint("Note      " + visible(answer.note()), Colour::kYellow) + "\n";
    }
    constexpr std::size_t kLabel = 10;
    return wrapped(text, style.columns, kLabel) + "\n" + findings_text(answer, style) + pins_text(conflict, style) +
           owners_text(answer, style);
}

}  // namespace pinwarden::cli
