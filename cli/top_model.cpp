#include "cli/top_model.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

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

// The first columns of it; a character is one column wide.
std::string cut(const std::string& line, std::size_t columns)
{
    std::size_t at = 0;
    for (std::size_t seen = 0; at < line.size(); ++at) {
        const bool begins = (static_cast<unsigned char>(line[at]) & 0xc0U) != 0x80U;
        if (begins && seen++ == columns) {
            break;
        }
    }
    return line.substr(0, at);
}

std::vector<std::string> split(const std::string& text)
{
    std::vector<std::string> lines;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = std::min(text.find('\n', from), text.size());
        lines.push_back(text.substr(from, end - from));
        from = end + 1;
    }
    return lines;
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

TopScreen TopModel::screen(TopSort sort, std::size_t width, const std::string& clock) const
{
    const auto title = [sort](TopSort column, const std::string& name) { return sort == column ? "*" + name : name; };
    Table table({{"PID", Align::kRight},
                 {title(TopSort::kBytes, "BYTES"), Align::kRight},
                 {title(TopSort::kRate, "RATE"), Align::kRight},
                 {title(TopSort::kPins, "PINS"), Align::kRight},
                 {title(TopSort::kAge, "OLDEST"), Align::kRight},
                 {title(TopSort::kConflicts, "CONFLICTS"), Align::kRight},
                 {"STATE"},
                 {"DRIVER"},
                 {"COMM"}});
    for (const TopRow& row : rows(sort)) {
        const v1::PinGroup& group = row.group;
        table.add_row({{group.owner().pid() == 0 ? "?" : std::to_string(group.owner().pid())},
                       {human_bytes(group.bytes())},
                       {rate_text(row.rate)},
                       {std::to_string(group.pins())},
                       {human_age(group.oldest_age().seconds())},
                       {row.conflicts == 0 ? "-" : std::to_string(row.conflicts)},
                       {state_text(group)},
                       {drivers_text(group)},
                       {group.owner().pid() == 0 ? "(not known)" : visible(group.owner().comm())}});
    }
    TopScreen screen;
    screen.head = {
        cut("pinwarden " + clock + "  " + human_bytes(answer_.total_bytes()) + " in " +
                counted(answer_.total_pins(), "pin") + " of " +
                (rows_.size() == 1 ? std::string("1 process") : std::to_string(rows_.size()) + " processes"),
            width),
        cut(answer_.trust().ledger_certain() ? "Ledger certain" : "LEDGER UNCERTAIN, see `pinctl status`", width)};
    if (answer_.more_groups() > 0) {
        screen.head[1] =
            cut(screen.head[1] + "; " + std::to_string(answer_.more_groups()) + " processes not shown", width);
    }
    for (const std::string& line : split(table.text(Style{}))) {
        screen.rows.push_back(cut(line, width));
    }
    screen.head.push_back(screen.rows.front());
    screen.rows.erase(screen.rows.begin());
    return screen;
}

}  // namespace pinwarden::cli
