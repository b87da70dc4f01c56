// Pins that were added up.
#include <algorithm>
#include <map>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "cli/cells.h"
#include "cli/fit.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/user_symbols.h"

namespace pinwarden::cli {
namespace {

constexpr std::uint64_t kPageBytes = 4096;

std::string pages_text(std::uint64_t bytes)
{
    return counted(bytes / kPageBytes, "page");
}

std::string lower_bound_text(int age_class)
{
    return age_class == 0 ? "<1s" : human_age(std::int64_t{1} << (age_class - 1));
}

// "<1s 3, 4s 1": how many are at least so old, and younger than twice that.
std::string ages_text(const v1::PinGroup& group)
{
    std::string text;
    for (int i = 0; i < group.ages_size(); ++i) {
        if (group.ages(i) != 0) {
            text += (text.empty() ? "" : ", ") + lower_bound_text(i) + " " + std::to_string(group.ages(i));
        }
    }
    return text;
}

std::string drivers_text(const v1::PinGroup& group)
{
    std::string text;
    for (const std::string& driver : group.drivers()) {
        text += (text.empty() ? "" : ",") + visible(driver);
    }
    return text;
}

std::string name_or_none(const std::string& name)
{
    return name.empty() ? "-" : visible(name);
}

std::string group_name(const v1::PinGroup& group, v1::PinGrouping by)
{
    switch (by) {
        case v1::PIN_GROUPING_OWNER: return process_name(group.owner()) + (group.owner().exited() ? " (exited)" : "");
        case v1::PIN_GROUPING_FILE: return group.has_file() ? file_name(group.file()) : "-";
        case v1::PIN_GROUPING_UID: return group.has_uid() ? std::to_string(group.uid()) : "-";
        default: return name_or_none(group.name());
    }
}

Cell group_cell(const v1::PinGroup& group, v1::PinGrouping by)
{
    if (by == v1::PIN_GROUPING_OWNER) {
        return process_cell(group.owner(), group.owner().exited() ? " (exited)" : "");
    }
    if (by == v1::PIN_GROUPING_FILE && group.has_file()) {
        return file_cell(group.file());
    }
    return group_name(group, by);
}

Column group_column(v1::PinGrouping by)
{
    switch (by) {
        case v1::PIN_GROUPING_OWNER: return name_column("OWNER");
        case v1::PIN_GROUPING_COMM: return name_column("COMM");
        case v1::PIN_GROUPING_DRIVER: return name_column("DRIVER");
        case v1::PIN_GROUPING_FILE: return path_column("FILE");
        case v1::PIN_GROUPING_CGROUP: return path_column("CGROUP");
        case v1::PIN_GROUPING_CONTAINER: return {"CONTAINER"};
        default: return {"UID"};
    }
}

std::string orphans_text(const v1::PinGroup& group)
{
    if (group.orphans() == 0) {
        return "-";
    }
    return counted(group.orphans(), "orphan") + (group.leaks() == 0 ? "" : ", " + counted(group.leaks(), "leak"));
}

Colour orphans_colour(const v1::PinGroup& group)
{
    if (group.leaks() > 0) {
        return Colour::kRed;
    }
    return group.orphans() > 0 ? Colour::kYellow : Colour::kNone;
}

std::string stack_key(const v1::PinGroup& group)
{
    std::string key;
    for (const std::string& frame : group.stack()) {
        key += frame + "\n";
    }
    for (const v1::UserFrame& frame : group.user_stack()) {
        key += user_frame_text(frame) + "\n";
    }
    return key;
}

std::string group_key(const v1::PinGroup& group, v1::PinGrouping by)
{
    return by == v1::PIN_GROUPING_STACK ? stack_key(group) : group_name(group, by);
}

// Calls of what was shown before, by key; nothing when nothing was.
using Before = std::optional<std::map<std::string, std::uint64_t>>;

Before calls_of(const v1::GroupPinsResponse* groups, v1::PinGrouping by)
{
    if (groups == nullptr) {
        return std::nullopt;
    }
    std::map<std::string, std::uint64_t> calls;
    for (const v1::PinGroup& group : groups->groups()) {
        calls[group_key(group, by)] += group.calls();
    }
    return calls;
}

// "+3", "-1", "0"
std::string signed_change(std::uint64_t calls, std::uint64_t before)
{
    return calls > before ? "+" + std::to_string(calls - before)
                          : (calls < before ? "-" : "") + std::to_string(before - calls);
}

std::string table_text(const v1::GroupPinsResponse& groups, v1::PinGrouping by, Before& before, const Style& style)
{
    std::vector<Column> columns{number_column("BYTES"), number_column("PINS"), number_column("CALLS")};
    if (before) {
        columns.push_back(number_column("CHANGE"));
    }
    columns.insert(
        columns.end(),
        {number_column("OWNERS"), number_column("OLDEST"), {"ORPHANED"}, name_column("DRIVERS"), group_column(by)});
    Table table(std::move(columns));
    for (const v1::PinGroup& group : groups.groups()) {
        std::vector<Cell> row{
            {human_bytes(group.bytes())}, {std::to_string(group.pins())}, {std::to_string(group.calls())}};
        if (before) {
            row.emplace_back(signed_change(group.calls(), (*before)[group_key(group, by)]));
        }
        row.insert(row.end(), {{std::to_string(group.owners())},
                               {human_age(group.oldest_age().seconds())},
                               {orphans_text(group), orphans_colour(group)},
                               {drivers_text(group)},
                               group_cell(group, by)});
        table.add_row(std::move(row));
    }
    return table.text(style);
}

std::string change_text(std::uint64_t calls, std::uint64_t before)
{
    if (calls == before) {
        return ", as before";
    }
    return calls > before ? ", " + std::to_string(calls - before) + " more"
                          : ", " + std::to_string(before - calls) + " fewer";
}

std::string stacks_text(const v1::GroupPinsResponse& groups, Before& before, const Style& style)
{
    std::string text;
    for (const v1::PinGroup& group : groups.groups()) {
        std::string head =
            human_bytes(group.bytes()) + " in " + pages_text(group.bytes()) + ", " + counted(group.calls(), "call");
        if (before) {
            head += change_text(group.calls(), (*before)[stack_key(group)]);
        }
        text += style.paint(head, Colour::kBold) + ", by " + drivers_text(group) + " for " +
                (group.owners() == 1 ? std::string("1 process") : std::to_string(group.owners()) + " processes");
        if (group.orphans() > 0) {
            text += ", " + style.paint(orphans_text(group), orphans_colour(group));
        }
        text += "\n    oldest " + human_age(group.oldest_age().seconds()) + "; pins by age: " + ages_text(group) + "\n";
        if (group.stack().empty()) {
            text += "    the call stack is not known\n";
        }
        for (const std::string& frame : group.stack()) {
            text += "    " + visible(frame) + "\n";
        }
        for (const v1::UserFrame& frame : group.user_stack()) {
            text += "    " + visible(user_frame_text(frame)) + "\n";
        }
    }
    return text;
}

// What was there before and is in none of all groups now.
std::string gone_text(const v1::GroupPinsResponse& groups, const v1::GroupPinsResponse* before, v1::PinGrouping by)
{
    // Where groups are left out it cannot be told.
    if (before == nullptr || groups.more_groups() > 0) {
        return {};
    }
    const Before now = calls_of(&groups, by);
    std::uint64_t gone = 0;
    std::uint64_t calls = 0;
    for (const v1::PinGroup& group : before->groups()) {
        if (!now->contains(group_key(group, by))) {
            ++gone;
            calls += group.calls();
        }
    }
    return gone == 0 ? std::string()
                     : counted(gone, "group") + " of before with " + counted(calls, "call") + " no more\n";
}

std::string left_out_text(const v1::GroupPinsResponse& groups)
{
    std::string text;
    if (groups.more_groups() > 0) {
        text += "and " + counted(groups.more_groups(), "more group") + "\n";
    }
    if (groups.ungrouped_pins() > 0) {
        text +=
            counted(groups.ungrouped_pins(), "pin") + " in no group: there are too many groups; ask for fewer pins\n";
    }
    return text;
}

// "ib_umem_get+0x2d2/0x5b0 [ib_uverbs]" → "ib_umem_get [ib_uverbs]": calls from different places are one in a graph.
std::string folded_frame(const std::string& frame)
{
    const auto plus = frame.find('+');
    const auto space = frame.find(' ', plus == std::string::npos ? 0 : plus);
    std::string name = frame.substr(0, plus);
    if (plus != std::string::npos && space != std::string::npos) {
        name += frame.substr(space);
    }
    std::ranges::replace(name, ';', ':');
    return visible(name);
}

std::map<std::string, std::uint64_t> folded_pages(const v1::GroupPinsResponse& groups)
{
    std::map<std::string, std::uint64_t> pages;
    for (const v1::PinGroup& group : groups.groups()) {
        std::string line;
        for (const v1::UserFrame& frame : std::views::reverse(group.user_stack())) {
            line += (line.empty() ? "" : ";") + folded_frame(user_frame_text(frame));
        }
        for (const std::string& frame : std::views::reverse(group.stack())) {
            line += (line.empty() ? "" : ";") + folded_frame(frame);
        }
        pages[line.empty() ? "[unknown]" : line] += group.bytes() / kPageBytes;
    }
    return pages;
}

}  // namespace

std::string trust_text(const v1::Trust& trust, const Style& style)
{
    const std::string numbers = "lost " + std::to_string(trust.lost()) + ", ambiguous " +
                                counted(trust.ambiguous_pages(), "page") + ", adopted " +
                                counted(trust.adopted_pins(), "pin");
    if (trust.ledger_certain()) {
        return "Trust: certain; " + numbers + "\n";
    }
    return style.paint("Trust: uncertain: pins may be missing or already gone; " + numbers + ". See `pinctl status`.",
                       Colour::kYellow) +
           "\n";
}

std::string render_groups(const v1::GroupPinsResponse& groups, v1::PinGrouping by, const v1::GroupPinsResponse* before,
                          const Style& style)
{
    std::string text = human_bytes(groups.total_bytes()) + " in " + counted(groups.total_pins(), "pin") + "\n";
    Before calls = calls_of(before, by);
    if (!groups.groups().empty()) {
        text += by == v1::PIN_GROUPING_STACK ? stacks_text(groups, calls, style) : table_text(groups, by, calls, style);
    }
    return text + gone_text(groups, before, by) + left_out_text(groups) + trust_text(groups.trust(), style);
}

std::string user_stacks_text(const v1::GroupPinsResponse& groups)
{
    const bool any =
        std::ranges::any_of(groups.groups(), [](const v1::PinGroup& group) { return group.user_stack_size() > 0; });
    return any || groups.groups().empty()
               ? ""
               : "Of none of these is it known what of the program asked for it: pinwardend records that with "
                 "--user-stacks (user_stacks: true), for pins that are made from then on.\n";
}

std::string render_folded(const v1::GroupPinsResponse& groups)
{
    std::string text;
    for (const auto& [line, count] : folded_pages(groups)) {
        text += line + " " + std::to_string(count) + "\n";
    }
    return text;
}

std::string render_folded_difference(const v1::GroupPinsResponse& before, const v1::GroupPinsResponse& after)
{
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> both;
    for (const auto& [line, count] : folded_pages(before)) {
        both[line].first = count;
    }
    for (const auto& [line, count] : folded_pages(after)) {
        both[line].second = count;
    }
    std::string text;
    for (const auto& [line, counts] : both) {
        text += line + " " + std::to_string(counts.first) + " " + std::to_string(counts.second) + "\n";
    }
    return text;
}

}  // namespace pinwarden::cli
