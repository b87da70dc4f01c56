#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <expected>
#include <iostream>

#include "cli/commands.h"
#include "cli/fit.h"
#include "cli/pin_list.h"
#include "cli/recorded.h"
#include "cli/render.h"
#include "cli/user_symbols.h"

namespace pinwarden::cli {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// Of lines that are broken for having no room.
constexpr std::size_t kHang = 4;

// Of a file that was cut off the daemon's last word may be about less than what is in it.
std::string agreement(const v1::RecordingReport& report)
{
    if (report.agrees()) {
        return "as the daemon had";
    }
    return report.damage().empty() ? "which is NOT what the daemon had" : "as far as the file goes";
}

std::string head_text(const v1::RecordingReport& report)
{
    const v1::RecordingHead& head = report.head();
    std::string text = "Recorded " + google::protobuf::util::TimeUtil::ToString(head.started()) + " for " +
                       human_duration(static_cast<std::int64_t>(report.lasted() / kSecond),
                                      static_cast<std::int32_t>(report.lasted() % kSecond)) +
                       " on kernel " + visible(head.kernel_release()) + " " + visible(head.machine());
    if (!head.kernel_build_id().empty()) {
        text += " (build " + visible(head.kernel_build_id()) + ")";
    }
    return text + " by pinwarden " + visible(head.pinwarden_version()) + "\n" + counted(report.records(), "record") +
           ", " + std::to_string(report.lost_records()) + " lost; " + counted(report.pins(), "pin") + " with " +
           human_bytes(report.pinned_bytes()) + " at the end, " + agreement(report) + "\n";
}

// The file was read, and the pins of its end are added up. What is wrong with it is said on `err`.
std::expected<v1::RecordingReport, int> report_on(const std::string& recording, const LeaksCommand& groups,
                                                  const Arguments& arguments, const Streams& streams,
                                                  const Style& style)
{
    const auto recorded = Recorded::open(recording);
    if (!recorded) {
        streams.err << "pinctl: " << visible(recorded.error()) << "\n";
        return std::unexpected(kFailed);
    }
    v1::RecordingReport report = (*recorded)->report();
    Session session(arguments, (*recorded)->channel(), streams, style);
    const grpc::Status status =
        session.pins->GroupPins(Session::with_deadline().get(), group_request(groups), report.mutable_groups());
    if (!status.ok()) {
        return std::unexpected(session.failed(session.message(status)));
    }
    if (groups.user_stack) {
        UserSymbols().name(*report.mutable_groups());
    }
    return report;
}

// A recording that is damaged is shown as far as it goes; the status tells.
int status_of(const v1::RecordingReport& report, const Streams& streams)
{
    if (report.damage().empty()) {
        return 0;
    }
    streams.err << "pinctl: " << visible(report.damage()) << "\n";
    return kFailed;
}

}  // namespace

int perform(const ReportCommand& command, const Arguments& arguments, const Streams& streams, const Style& style)
{
    const auto report = report_on(command.recording, command.groups, arguments, streams, style);
    if (!report) {
        return report.error();
    }
    if (arguments.json) {
        streams.out << to_json(*report, true);
    } else if (command.groups.folded) {
        streams.out << render_folded(report->groups());
    } else {
        streams.out << wrapped(head_text(*report) + "\n" +
                                   render_groups(report->groups(), command.groups.by, nullptr, style) +
                                   (command.groups.user_stack ? user_stacks_text(report->groups()) : ""),
                               style.columns, kHang);
    }
    streams.out << std::flush;
    return status_of(*report, streams);
}

int perform(const DiffCommand& command, const Arguments& arguments, const Streams& streams, const Style& style)
{
    // All groups of the first: what is among the largest of the other may be small there.
    LeaksCommand all = command.groups;
    all.folded = true;
    const auto before = report_on(command.before, all, arguments, streams, style);
    if (!before) {
        return before.error();
    }
    const auto after = report_on(command.after, command.groups, arguments, streams, style);
    if (!after) {
        return after.error();
    }
    if (arguments.json) {
        v1::RecordingDiff diff;
        *diff.mutable_before() = *before;
        *diff.mutable_after() = *after;
        streams.out << to_json(diff, true);
    } else if (command.groups.folded) {
        streams.out << render_folded_difference(before->groups(), after->groups());
    } else {
        streams.out << wrapped("Before: " + head_text(*before) + "After:  " + head_text(*after) + "\n" +
                                   render_groups(after->groups(), command.groups.by, &before->groups(), style),
                               style.columns, kHang);
    }
    streams.out << std::flush;
    const int first = status_of(*before, streams);
    return std::max(first, status_of(*after, streams));
}

}  // namespace pinwarden::cli
