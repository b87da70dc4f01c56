#include <algorithm>
#include <string>

#include "cli/cells.h"
#include "cli/render.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

Cell memory_cell(const std::string& backing, const v1::File& file)
{
    if (backing == "file") {
        return file_cell(file);
    }
    return {backing == "none" ? "no file (any more)" : visible(backing)};
}

std::string took(const google::protobuf::Duration& duration)
{
    const std::int64_t milliseconds = duration.seconds() * 1000 + duration.nanos() / 1'000'000;
    return std::to_string(milliseconds) + " ms";
}

std::string holders_text(const v1::AuditDifference& difference)
{
    std::string text;
    for (const v1::AuditHolder& holder : difference.holders()) {
        text += text.empty() ? "" : ", ";
        text +=
            visible(holder.driver()) + " of " +
            (holder.owner().pid() == 0 ? std::string("an unknown process")
                                       : visible(holder.owner().comm()) + " " + std::to_string(holder.owner().pid()));
    }
    return text;
}

std::string differences_text(const v1::RunAuditResponse& audit, const Style& style)
{
    Table table({path_column("MEMORY"), number_column("PAGE"), number_column("PAGES"), number_column("LEDGER"),
                 number_column("KERNEL"), prose_column("IN THE LEDGER", 16)});
    for (const v1::AuditDifference& difference : audit.differences()) {
        const bool of_file = difference.backing() == "file";
        table.add_row({memory_cell(difference.backing(), difference.file()),
                       {of_file ? std::to_string(difference.first_page()) : "-"},
                       {std::to_string(difference.pages())},
                       {std::to_string(difference.ledger_pins())},
                       {std::to_string(difference.kernel_pins())},
                       {holders_text(difference)}});
    }
    std::uint64_t listed = 0;
    for (const v1::AuditDifference& difference : audit.differences()) {
        listed += difference.pages() / std::max<std::uint64_t>(difference.folio_pages(), 1);
    }
    if (listed < audit.differing_folios()) {
        table.add_line("and " + counted(audit.differing_folios() - listed, "more folio"));
    }
    return table.text(style);
}

}  // namespace

std::string render_audit(const v1::RunAuditResponse& audit, const Style& style)
{
    std::string text;
    if (audit.differences_size() > 0) {
        text += differences_text(audit, style) + "\n";
    }
    text += "Compared " + counted(audit.ledger_pages(), "page") + " of the ledger, looked at " +
            counted(audit.scanned_pages(), "page") + " of memory, in " + took(audit.duration()) + ".\n";
    if (audit.unsettled_folios() > 0) {
        text += style.paint(counted(audit.unsettled_folios(), "page") + " changed too often to say anything about.",
                            Colour::kYellow) +
                "\n";
    }
    if (audit.adopted_pins() + audit.dropped_pins() > 0) {
        text += "Repaired: " + std::to_string(audit.adopted_pins()) + " adopted, " +
                std::to_string(audit.dropped_pins()) + " dropped.\n";
    }
    const std::string differences = std::to_string(audit.missing_pins() + audit.surplus_pins()) + " differences";
    if (audit.missing_pins() + audit.surplus_pins() == 0) {
        return text + style.paint(differences, audit.exact() ? Colour::kGreen : Colour::kYellow) + "\n";
    }
    return text +
           style.paint(differences + ": " + counted(audit.missing_pins(), "pin") + " the ledger did not have, " +
                           std::to_string(audit.surplus_pins()) + " the kernel has not",
                       Colour::kRed) +
           "\n";
}

std::string render_census(const v1::RunCensusResponse& census, const Style& style)
{
    Table table({path_column("MEMORY"), number_column("SIZE"), number_column("FOLIOS"), number_column("PINS"),
                 number_column("IN LEDGER")});
    const auto add = [&](const v1::CensusEntry& entry) {
        table.add_row({memory_cell(entry.backing(), entry.file()),
                       {human_bytes(entry.bytes())},
                       {std::to_string(entry.folios())},
                       {std::to_string(entry.pins())},
                       {std::to_string(entry.ledger_pins()),
                        entry.ledger_pins() == entry.pins() ? Colour::kNone : Colour::kYellow}});
    };
    for (const v1::CensusEntry& entry : census.entries()) {
        if (entry.folios() > 0) {
            add(entry);
        }
    }
    std::string text = census.total().folios() > 0 ? table.text(style) + "\n" : std::string();
    text += "Looked at " + counted(census.scanned_pages(), "page") + " of memory in " + took(census.duration()) +
            "; adopted " + std::to_string(census.adopted_pins()) + " of " + counted(census.missing_pins(), "pin") +
            " the ledger did not have, inferred the owner of " + std::to_string(census.inferred_pins()) + ".\n";
    text += "The kernel's own sums since boot (approximate, brief pins included): " +
            std::to_string(census.kernel_pins_acquired()) + " acquired, " +
            std::to_string(census.kernel_pins_released()) + " released.\n";
    return text +
           style.paint("Total: " + counted(census.total().pins(), "pin") + " on " +
                           human_bytes(census.total().bytes()) + " in " + counted(census.total().folios(), "folio") +
                           ", " + std::to_string(census.total().ledger_pins()) + " in the ledger",
                       Colour::kBold) +
           "\n";
}

}  // namespace pinwarden::cli
