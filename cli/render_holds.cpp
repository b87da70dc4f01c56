#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/cells.h"
#include "cli/render.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

using google::protobuf::Duration;
using google::protobuf::util::TimeUtil;

constexpr std::size_t kMostOwnersShown = 4;

std::string duration_text(const Duration& duration)
{
    return human_duration(duration.seconds(), duration.nanos());
}

// By the daemon's clock: what is left when it answered.
Duration left(const v1::HeldOperation& hold)
{
    const std::int64_t nanoseconds = TimeUtil::DurationToNanoseconds(hold.deadline() - hold.since() - hold.held());
    return TimeUtil::NanosecondsToDuration(std::max<std::int64_t>(nanoseconds, 0));
}

// How many, and whose, each owner once.
std::string pins_text(const v1::Conflict& conflict)
{
    std::vector<std::string> owners;
    for (const v1::Pin& pin : conflict.pins()) {
        std::string owner = process_name(pin.owner());
        if (std::ranges::find(owners, owner) == owners.end()) {
            owners.push_back(std::move(owner));
        }
    }
    std::string text = std::to_string(conflict.pins_size());
    for (std::size_t i = 0; i < std::min(owners.size(), kMostOwnersShown); ++i) {
        text += (i == 0 ? " of " : ", ") + owners[i];
    }
    if (owners.size() > kMostOwnersShown) {
        text += " and " + counted(owners.size() - kMostOwnersShown, "other");
    }
    return text;
}

}  // namespace

std::string render_holds(const v1::ListHoldsResponse& holds, const Style& style)
{
    if (holds.holds().empty()) {
        return "No operation is held.\n";
    }
    Table table({number_column("ID"),
                 number_column("HELD"),
                 number_column("LEFT"),
                 name_column("CALLER", 12),
                 {"OPERATION"},
                 path_column("FILE", 12),
                 name_column("POLICY"),
                 prose_column("PINS")});
    for (const v1::HeldOperation& hold : holds.holds()) {
        const v1::Conflict& conflict = hold.conflict();
        table.add_row({{std::to_string(hold.id())},
                       {duration_text(hold.held())},
                       {duration_text(left(hold))},
                       process_cell(conflict.caller()),
                       {visible(conflict.operation())},
                       file_cell(conflict.file()),
                       {visible(conflict.policy())},
                       {pins_text(conflict)}});
        if (!hold.verdict().empty()) {
            table.add_line("    released: " + visible(hold.verdict()) + "; the caller has not gone on yet");
        }
    }
    return table.text(style);
}

}  // namespace pinwarden::cli
