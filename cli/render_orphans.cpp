#include <algorithm>
#include <string>

#include "cli/cells.h"
#include "cli/render.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

constexpr int kMostHoldersShown = 8;

Cell files_cell(const v1::Pin& pin)
{
    if (pin.ranges().empty()) {
        return {visible(pin.backing())};
    }
    Cell cell = file_cell(pin.ranges(0).file());
    if (pin.ranges_size() > 1) {
        cell.tail += " and " + counted(static_cast<std::uint64_t>(pin.ranges_size() - 1), "more range");
    }
    return cell;
}

std::string object_text(const std::string& object)
{
    std::string text = visible(object);
    std::ranges::replace(text, '_', ' ');
    return text.starts_with("io uring") ? text.replace(0, 8, "io_uring") : text;
}

std::string holders_text(const v1::Pin& pin)
{
    if (pin.object().empty()) {
        return "not known what it was made for, so not who may hold it";
    }
    std::string text = object_text(pin.object()) + ", ";
    if (pin.may_be_held_by().empty()) {
        return text + "no process has such a file open: held by the kernel, or by a mapping";
    }
    text += "may be held by ";
    const int shown = std::min(pin.may_be_held_by_size(), kMostHoldersShown);
    for (int i = 0; i < shown; ++i) {
        const v1::Holder& holder = pin.may_be_held_by(i);
        text += (i == 0 ? "" : ", ") + visible(holder.comm()) + "[" + std::to_string(holder.pid()) + "] through " +
                visible(holder.file());
    }
    if (shown < pin.may_be_held_by_size()) {
        text += " and " + counted(static_cast<std::uint64_t>(pin.may_be_held_by_size() - shown), "other");
    }
    return text;
}

}  // namespace

std::string render_orphans(const v1::ListPinsResponse& pins, const Style& style)
{
    if (pins.pins().empty()) {
        return "None.\n" + certainty_text(pins.trust(), style);
    }
    Table table({number_column("ORPHANED"),
                 {""},
                 number_column("BYTES"),
                 name_column("DRIVER"),
                 name_column("FORMER OWNER"),
                 number_column("UID"),
                 path_column("MEMORY"),
                 function_column("PINNED IN")});
    for (const v1::Pin& pin : pins.pins()) {
        const v1::Process& owner = pin.owner();
        table.add_row({{human_age(pin.orphaned_for().seconds())},
                       pin.leak() ? Cell{"leak", Colour::kRed} : Cell{"orphan", Colour::kYellow},
                       {human_bytes(pin.bytes())},
                       {visible(pin.driver())},
                       process_cell(owner, owner.inferred() ? " (inferred)" : ""),
                       {std::to_string(owner.uid())},
                       files_cell(pin),
                       {pin.driver_frame().empty() ? "-" : visible(pin.driver_frame())}});
        table.add_line("    " + holders_text(pin));
        for (const std::string& frame : pin.stack()) {
            table.add_line("    " + visible(frame));
        }
    }
    std::string text = table.text(style);
    if (!pins.holders_complete()) {
        text += "Not all open files could be looked at: there may be other holders.\n";
    }
    return text + certainty_text(pins.trust(), style);
}

}  // namespace pinwarden::cli
