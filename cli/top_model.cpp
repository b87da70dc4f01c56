#include "cli/top_model.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "cli/cells.h"
#include "cli/fit.h"
#include "cli/render.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

std::string rate_text(double rate)
{
    const double size = std::abs(rate);
    if (size < 1) {
        return "-";
    }
    return (rate < 0 ? "-" : "+") + human_bytes(static_cast<std::uint64_t>(size)) + "/s";
}

std::string state_text(const v1::PinGroup& group)
{
    if (group.leaks() > 0) {
        return "leak";
    }
    return group.orphans() > 0 ? "orphan" : "";
}

std::string drivers_text(const v1::PinGroup& group)
{
    std::string text;
    for (const std::string& driver : group.drivers()) {
        text += (text.empty() ? "" : ",") + visible(driver);
    }
    return text;
}

// Where a column stands among the others, and when it is shown.
struct TopColumn {
    Column column;
    std::function<Cell(const TopRow&)> cell;
    // On narrow screens the highest go first; those of 0 stay.
    int spare = 0;
    bool extra = false;  // on wide screens only
};

std::vector<TopColumn> all_columns(TopSort sort)
{
    const auto title = [sort](TopSort column, const std::string& name) { return sort == column ? "*" + name : name; };
    // What is sorted by is always seen.
    const auto spare = [sort](TopSort column, int rank) { return sort == column ? 0 : rank; };
    const auto unless_empty = [](const std::string& text) { return text.empty() ? "-" : visible(text); };
    return {
        {number_column("PID"),
         [](const TopRow& row) {
             const std::uint32_t pid = row.group.owner().pid();
             return Cell(pid == 0 ? "?" : std::to_string(pid));
         }},
        {number_column(title(TopSort::kBytes, "BYTES")),
         [](const TopRow& row) { return Cell(human_bytes(row.group.bytes())); }},
        {number_column(title(TopSort::kRate, "RATE")), [](const TopRow& row) { return Cell(rate_text(row.rate)); },
         spare(TopSort::kRate, 1)},
        {number_column(title(TopSort::kPins, "PINS")),
         [](const TopRow& row) { return Cell(std::to_string(row.group.pins())); }, spare(TopSort::kPins, 2)},
        {number_column(title(TopSort::kAge, "OLDEST")),
         [](const TopRow& row) { return Cell(human_age(row.group.oldest_age().seconds())); }, spare(TopSort::kAge, 3)},
        {number_column(title(TopSort::kConflicts, "CONFLICTS")),
         [](const TopRow& row) { return Cell(row.conflicts == 0 ? "-" : std::to_string(row.conflicts)); },
         spare(TopSort::kConflicts, 5)},
        {{"STATE"}, [](const TopRow& row) { return Cell(state_text(row.group)); }, 4},
        {name_column("DRIVER"), [](const TopRow& row) { return Cell(drivers_text(row.group)); }, 6},
        {name_column("COMM"),
         [](const TopRow& row) {
             return Cell(row.group.owner().pid() == 0 ? "(not known)" : visible(row.group.owner().comm()));
         }},
        {number_column("UID"),
         [](const TopRow& row) {
             return Cell(row.group.owner().has_uid() ? std::to_string(row.group.owner().uid()) : "-");
         },
         0, true},
        {path_column("PROGRAM"),
         [=](const TopRow& row) {
             return Cell::with_tail(unless_empty(row.group.owner().executable()),
                                    row.group.owner().executable_deleted() ? " (deleted)" : "");
         },
         0, true},
        {path_column("CGROUP"), [=](const TopRow& row) { return Cell(unless_empty(row.group.owner().cgroup_path())); },
         0, true},
        {name_column("CONTAINER", 12),
         [=](const TopRow& row) { return Cell(unless_empty(row.group.owner().container_id())); }, 0, true},
    };
}

// Those that have room, by the least that each takes.
std::vector<TopColumn> chosen_columns(std::vector<TopColumn> columns, const std::vector<TopRow>& rows,
                                      std::size_t width)
{
    constexpr std::size_t kWide = 100;
    constexpr std::size_t kGap = 2;
    const auto least = [&](const TopColumn& column) {
        Table alone({column.column});
        for (const TopRow& row : rows) {
            alone.add_row({column.cell(row)});
        }
        return alone.least_width() + kGap;
    };
    std::vector<TopColumn> chosen;
    std::size_t used = 0;
    for (TopColumn& column : columns) {
        const std::size_t taken = least(column);
        const bool room = width == 0 || (width >= kWide && used + taken - kGap <= width);
        if (!column.extra || room) {
            used += taken;
            chosen.push_back(std::move(column));
        }
    }
    while (width != 0 && used - kGap > width) {
        const auto last = std::ranges::max_element(chosen, {}, &TopColumn::spare);
        if (last->spare == 0) {
            break;
        }
        used -= least(*last);
        chosen.erase(last);
    }
    return chosen;
}

}  // namespace

TopModel::Owner TopModel::owner_of(const v1::Process& process)
{
    constexpr std::int64_t kSecond = 1'000'000'000;
    return {process.pid(), process.start_time().seconds() * kSecond + process.start_time().nanos()};
}

void TopModel::take(const v1::GroupPinsResponse& owners, const v1::ListConflictsResponse& conflicts, double now)
{
    // By pid alone: when a process started is told by two clocks that drift against each other.
    std::map<std::uint32_t, std::uint64_t> met;
    for (const v1::PastConflict& conflict : conflicts.conflicts()) {
        std::set<std::uint32_t> once;
        for (const v1::ConflictOwner& owner : conflict.owners()) {
            if (once.insert(owner.process().pid()).second) {
                ++met[owner.process().pid()];
            }
        }
    }
    const double passed = now - taken_;
    std::map<Owner, std::uint64_t> bytes;
    rows_.clear();
    for (const v1::PinGroup& group : owners.groups()) {
        TopRow row{.group = group};
        const auto found = bytes_.find(owner_of(group.owner()));
        const std::uint64_t before = found == bytes_.end() ? 0 : found->second;
        if (!first_ && passed > 0) {
            row.rate = (static_cast<double>(group.bytes()) - static_cast<double>(before)) / passed;
        }
        const auto conflict = met.find(group.owner().pid());
        row.conflicts = conflict == met.end() ? 0 : conflict->second;
        bytes[owner_of(group.owner())] = group.bytes();
        rows_.push_back(std::move(row));
    }
    bytes_ = std::move(bytes);
    answer_ = owners;
    answer_.clear_groups();
    taken_ = now;
    first_ = false;
}

std::vector<TopRow> TopModel::rows(TopSort sort) const
{
    std::vector<TopRow> sorted = rows_;
    const auto rank = [sort](const TopRow& row) -> double {
        switch (sort) {
            case TopSort::kRate: return std::abs(row.rate);
            case TopSort::kPins: return static_cast<double>(row.group.pins());
            case TopSort::kAge: return static_cast<double>(row.group.oldest_age().seconds());
            case TopSort::kConflicts: return static_cast<double>(row.conflicts);
            case TopSort::kBytes: break;
        }
        return static_cast<double>(row.group.bytes());
    };
    std::ranges::stable_sort(sorted, [&](const TopRow& left, const TopRow& right) {
        return std::tuple(-rank(left), -static_cast<double>(left.group.bytes()), left.group.owner().pid()) <
               std::tuple(-rank(right), -static_cast<double>(right.group.bytes()), right.group.owner().pid());
    });
    return sorted;
}

TopScreen TopModel::screen(TopSort sort, const Style& style, const std::string& clock) const
{
    const std::vector<TopRow> sorted = rows(sort);
    const std::vector<TopColumn> chosen = chosen_columns(all_columns(sort), sorted, style.columns);
    std::vector<Column> columns;
    columns.reserve(chosen.size());
    for (const TopColumn& column : chosen) {
        columns.push_back(column.column);
    }
    Table table(std::move(columns));
    for (const TopRow& row : sorted) {
        std::vector<Cell> cells;
        cells.reserve(chosen.size());
        for (const TopColumn& column : chosen) {
            cells.push_back(column.cell(row));
        }
        table.add_row(std::move(cells));
    }
    const auto cut = [&](const std::string& line) {
        return style.columns == 0 ? line : shortened(line, style.columns, Fit::kEnd, style.ellipsis);
    };
    TopScreen screen;
    screen.head = {cut("pinwarden " + clock + "  " + human_bytes(answer_.total_bytes()) + " in " +
                       counted(answer_.total_pins(), "pin") + " of " +
                       (rows_.size() == 1 ? std::string("1 process") : std::to_string(rows_.size()) + " processes"))};
    std::string trust = answer_.trust().ledger_certain() ? "Ledger certain" : "LEDGER UNCERTAIN, see `pinctl status`";
    if (answer_.more_groups() > 0) {
        trust += "; " + std::to_string(answer_.more_groups()) + " processes not shown";
    }
    screen.head.push_back(cut(trust));
    // A row is one line, however narrow the screen is.
    const std::size_t least = table.least_width();
    const std::size_t room = style.columns == 0 ? 0 : std::max(style.columns, least);
    for (const std::string& line : split_lines(table.text({.columns = room, .ellipsis = style.ellipsis}))) {
        screen.rows.push_back(cut(line));
    }
    screen.head.push_back(screen.rows.front());
    screen.rows.erase(screen.rows.begin());
    return screen;
}

}  // namespace pinwarden::cli
