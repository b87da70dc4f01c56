#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "cli/fit.h"
#include "cli/render.h"

namespace pinwarden::cli {
namespace {

// Local: "2026-11-26 14:03:07.123".
std::string date_time(std::int64_t seconds, std::int32_t nanoseconds)
{
    const std::time_t time = seconds;
    std::tm parts{};
    localtime_r(&time, &parts);
    std::array<char, 16> date{};
    const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%d", &parts);
    return std::string(date.data(), length) + " " + clock_time(seconds, nanoseconds);
}

std::string with_uid(const v1::Process& process)
{
    return process_name(process) + (process.has_uid() ? " uid " + std::to_string(process.uid()) : "");
}

std::string by_policy(const v1::AuditRecord& record)
{
    return record.policy().empty() ? ", by a policy that is gone" : ", policy " + visible(record.policy());
}

std::string asked_by(const v1::AuditRecord& record, const std::string& otherwise)
{
    if (!record.has_asked_by()) {
        return otherwise;
    }
    const v1::AuditRequester& who = record.asked_by();
    if (!who.certificate().empty()) {
        return ", asked by " + visible(who.certificate()) + " from " + visible(who.address());
    }
    return ", asked by uid " + std::to_string(who.uid()) +
           (who.pid() == 0 ? " in another pid namespace" : " pid " + std::to_string(who.pid()));
}

std::string operation_text(const v1::AuditRecord& record)
{
    std::string text = visible(record.operation()) + " of " + (record.file().empty() ? "?" : visible(record.file()));
    if (record.operation() != "umount" && record.end_page() > record.first_page()) {
        text += record.end_page() - record.first_page() == 1 ? " page " + std::to_string(record.first_page())
                                                             : " from page " + std::to_string(record.first_page());
    }
    return text + " by " + with_uid(record.caller());
}

std::string pins_text(const v1::AuditRecord& record)
{
    return counted(record.pin_count(), "pin") + " of " + human_bytes(record.pinned_bytes());
}

std::string mode_text(const std::string& mode)
{
    return mode.empty() ? "none" : visible(mode);
}

// "keep: monitor to enforce, from /etc/keep.yaml"
std::string change_text(const v1::AuditRecord& record)
{
    std::string text = visible(record.action());
    for (int i = 0; i < record.policies_size(); ++i) {
        const v1::AuditPolicyChange& policy = record.policies(i);
        text += (i == 0 ? " " : "; ") + visible(policy.name()) + ": " + mode_text(policy.mode_before()) + " to " +
                mode_text(policy.mode()) + (policy.source().empty() ? "" : ", from " + visible(policy.source()));
    }
    return text;
}

std::string outcome_text(const v1::AuditRecord& record)
{
    std::string text = visible(record.outcome());
    for (char& letter : text) {
        letter = letter == '_' ? ' ' : letter;
    }
    text += record.error().empty() ? "" : " " + visible(record.error());
    return record.reason().empty() ? text : text + ": " + visible(record.reason());
}

std::string after(const v1::AuditRecord& record)
{
    return record.has_took() ? " after " + human_duration(record.took().seconds(), record.took().nanos()) : "";
}

std::string signal_record(const v1::AuditRecord& record)
{
    if (record.phase() != "begin") {
        return outcome_text(record) + by_policy(record);
    }
    return visible(record.action()) + " to " + with_uid(record.victim()) + " with " + pins_text(record) + ", for " +
           operation_text(record) + by_policy(record) + ": " + visible(record.rule()) + asked_by(record, "");
}

std::string policy_record(const v1::AuditRecord& record)
{
    if (record.phase() != "begin") {
        return outcome_text(record) + ": " + change_text(record) + "; generation " +
               std::to_string(record.generation_before()) + " to " + std::to_string(record.generation());
    }
    return change_text(record) + (record.reason().empty() ? "" : ", because " + visible(record.reason())) +
           asked_by(record, ", by pinwardend itself");
}

std::string hold_name(const v1::AuditRecord& record)
{
    return "hold " + std::to_string(record.hold());
}

std::string hold_record(const v1::AuditRecord& record)
{
    if (record.phase() == "begin") {
        return hold_name(record) + ": " + operation_text(record) + " waits for " + pins_text(record) +
               by_policy(record);
    }
    return hold_name(record) + (record.phase() == "done" ? ": " + operation_text(record) : "") + ": " +
           outcome_text(record) + after(record) + by_policy(record);
}

std::string release_record(const v1::AuditRecord& record)
{
    if (record.phase() != "begin") {
        return hold_name(record) + ": " + outcome_text(record) + by_policy(record);
    }
    return hold_name(record) + ": " + visible(record.action()) + " " + operation_text(record) + by_policy(record) +
           asked_by(record, "");
}

std::string denial_record(const v1::AuditRecord& record)
{
    return operation_text(record) + " meets " + pins_text(record) + ": " + outcome_text(record) + by_policy(record);
}

std::string acknowledgement_record(const v1::AuditRecord& record)
{
    const std::string intent = record.action() == "letting_go" ? "is letting go of "
                               : record.action() == "cannot"   ? "cannot let go of "
                                                               : visible(record.action()) + " with ";
    return "revocation " + std::to_string(record.revocation()) + ": " + with_uid(record.victim()) + " says that it " +
           intent + pins_text(record) + ", for " + operation_text(record) + by_policy(record);
}

std::string what(const v1::AuditRecord& record)
{
    if (record.kind() == "signal") {
        return signal_record(record);
    }
    if (record.kind() == "policy") {
        return policy_record(record);
    }
    if (record.kind() == "release") {
        return release_record(record);
    }
    if (record.kind() == "denial") {
        return denial_record(record);
    }
    if (record.kind() == "hold") {
        return hold_record(record);
    }
    if (record.kind() == "acknowledgement") {
        return acknowledgement_record(record);
    }
    return "a record this pinctl does not know; is it older than pinwardend?";
}

std::string pad(std::string_view text, std::size_t columns)
{
    std::string padded = visible(text);
    padded.append(columns - std::min(columns, width(padded)), ' ');
    return padded;
}

std::string gap(const std::string& text, const Style& style)
{
    return style.paint(text, Colour::kYellow) + "\n";
}

}  // namespace

std::string render_audit_record(const v1::WatchAuditLogResponse& response, const Style& style)
{
    std::string text;
    if (response.lost_before() > 0) {
        text += gap(counted(response.lost_before(), "record") +
                        " lost: this pinctl was too slow to take them; they are in the files",
                    style);
    }
    if (response.skipped_before() > 0) {
        text += gap(counted(response.skipped_before(), "line") + " skipped: no record, or cut off", style);
    }
    if (!response.has_record()) {
        return text;
    }
    const v1::AuditRecord& record = response.record();
    if (record.left_out() > 0) {
        text += gap("not on record: " + std::to_string(record.left_out()) +
                        " denials and holds; there were too many at once, or they could not be written",
                    style);
    }
    if (record.kind() == "left_out") {
        return text;
    }
    // Beside the time: what stands between is too wide to keep free.
    constexpr std::size_t kHang = 25;
    text += date_time(record.time().seconds(), record.time().nanos()) + "  " + std::to_string(record.id()) + "  " +
            pad(record.kind(), 7) + "  " + pad(record.phase(), 8) + "  " + what(record) + "\n";
    return wrapped(text, style.columns, kHang);
}

}  // namespace pinwarden::cli
