#include <algorithm>
#include <cstddef>
#include <string>

#include "cli/cells.h"
#include "cli/render.h"
#include "cli/render_conflicts.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

constexpr int kMostOwnersShown = 2;

Cell verdict_cell(const v1::PastConflict& past)
{
    const v1::Conflict& conflict = past.conflict();
    std::string verdict = visible(conflict.verdict());
    std::ranges::replace(verdict, '_', ' ');
    if (!conflict.error().empty()) {
        verdict += " " + visible(conflict.error());
    }
    if (conflict.verdict() == "hold") {
        verdict += past.hold_outcome().empty() ? ", waits"
                                               : ", " + visible(past.hold_outcome()) + " after " +
                                                     human_duration(past.held().seconds(), past.held().nanos());
    }
    if (conflict.verdict() == "deny") {
        return {verdict, Colour::kRed};
    }
    return {verdict, conflict.verdict() == "allow" ? Colour::kNone : Colour::kYellow};
}

std::string range_text(const v1::Conflict& conflict)
{
    if (conflict.operation() == "truncate") {
        return " to " + human_bytes(conflict.new_size());
    }
    return conflict.length() == 0 || !conflict.has_file()
               ? ""
               : " " + std::to_string(conflict.offset()) + "+" + std::to_string(conflict.length());
}

Cell place_cell(const v1::Conflict& conflict)
{
    if (conflict.has_file()) {
        return file_cell(conflict.file());
    }
    return Cell::with_tail("",
                           hexadecimal(conflict.address()) + "-" + hexadecimal(conflict.address() + conflict.length()));
}

std::string owners_text(const v1::PastConflict& past)
{
    if (past.pin_count() == 0) {
        return "not in the ledger";
    }
    std::string text = human_bytes(past.pinned_bytes());
    const int shown = std::min(past.owners_size(), kMostOwnersShown);
    for (int i = 0; i < shown; ++i) {
        const v1::ConflictOwner& owner = past.owners(i);
        text += (i == 0 ? " of " : ", ") + process_name(owner.process()) + " " + visible(owner.driver());
    }
    const auto more = static_cast<std::uint64_t>(past.owners_size() - shown);
    if (past.pins_of_others() > 0) {
        return text + " and others";
    }
    return more == 0 ? text : text + " and " + counted(more, "other");
}

}  // namespace

std::string render_conflicts(const v1::ListConflictsResponse& list, const Style& style)
{
    std::string text;
    if (list.remembered() == 0) {
        return "No conflict since pinwardend started.\n";
    }
    if (list.conflicts().empty()) {
        text = "None of the " + std::to_string(list.remembered()) + " that are remembered.\n";
    } else {
        Table table({number_column("AGE"), prose_column("VERDICT", 10), prose_column("OPERATION", 15),
                     name_column("CALLER", 12), prose_column("PINS", 36), name_column("POLICY"),
                     path_column("FILE OR ADDRESSES", 20)});
        for (const v1::PastConflict& past : list.conflicts()) {
            const v1::Conflict& conflict = past.conflict();
            table.add_row({{human_age(past.age().seconds())},
                           verdict_cell(past),
                           {visible(conflict.operation()) + range_text(conflict)},
                           process_cell(conflict.caller()),
                           {owners_text(past)},
                           {conflict.policy().empty() ? "-" : visible(conflict.policy())},
                           place_cell(conflict)});
        }
        text = table.text(style);
    }
    const auto shown = static_cast<std::uint64_t>(list.conflicts_size());
    if (list.matched() > shown) {
        text += counted(list.matched() - shown, "older one") + " not shown, see --last.\n";
    }
    if (list.forgotten() > 0) {
        text += style.paint(counted(list.forgotten(), "older one") + " fell out of memory, of whatever kind; `pinctl " +
                                "audit-log` goes further back.",
                            Colour::kYellow) +
                "\n";
    }
    return text;
}

}  // namespace pinwarden::cli
