#include "act/audit_records.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <span>
#include <utility>

#include "act/json_object.h"

namespace pinwarden {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

// Of one owner's pins, this many are listed: the record says who was hit and why, not all of the ledger.
constexpr std::size_t kPinsListed = 64;

JsonObject stamped(const AuditStamp& stamp, std::string_view kind, std::string_view phase)
{
    JsonObject json;
    json.text("time", format_utc(stamp.time)).number("id", stamp.id).text("kind", kind).text("phase", phase);
    if (stamp.left_out > 0) {
        json.number("left_out", stamp.left_out);
    }
    return json;
}

JsonObject victim_json(const ProcessFacts& victim)
{
    JsonObject json;
    json.number("pid", victim.process.pid);
    // As text: beyond 104 days after boot, a reader with floating-point numbers would lose its last digits.
    json.text("start_time", std::to_string(victim.process.start_time));
    json.number("uid", victim.uid);
    json.text("comm", victim.comm);
    json.text("executable", victim.executable);
    json.text("cgroup", victim.cgroup);
    return json;
}

JsonObject evidence_json(const MetOperation& operation, const HeldPins& held)
{
    JsonObject range;
    range.number("first_page", operation.first_page).number("end_page", operation.end_page);
    JsonObject caller;
    caller.number("pid", operation.caller.process.pid);
    caller.number("uid", operation.caller.uid);
    caller.text("comm", operation.caller.comm);
    const std::vector<std::string> drivers(held.drivers.begin(), held.drivers.end());
    JsonObject json;
    json.text("operation", operation.operation);
    json.object("caller", caller);
    json.text("file", operation.file);
    json.object("range", range);
    json.numbers("pins", std::span(held.pins).first(std::min(held.pins.size(), kPinsListed)));
    json.number("pin_count", held.pins.size());
    json.number("bytes", held.bytes);
    json.texts("drivers", drivers);
    return json;
}

std::optional<JsonObject> requester_json(const std::optional<Requester>& requester)
{
    if (!requester) {
        return std::nullopt;
    }
    if (!requester->certificate.empty()) {
        return JsonObject().text("certificate", requester->certificate).text("address", requester->address);
    }
    return JsonObject().number("uid", requester->uid).number("pid", requester->pid);
}

void add_mode(JsonObject& json, std::string_view field, const std::optional<Mode>& mode)
{
    if (mode) {
        json.text(field, to_string(*mode));
    } else {
        json.number(field, std::nullopt);
    }
}

std::vector<JsonObject> changes_json(const PolicyEntry& entry)
{
    std::vector<JsonObject> changes;
    for (const PolicyChange& change : entry.policies) {
        JsonObject& json = changes.emplace_back();
        json.text("name", change.name);
        add_mode(json, "mode_before", change.before);
        add_mode(json, "mode", change.after);
        json.text("source", change.source);
    }
    return changes;
}

void add_hold(JsonObject& json, const HoldEntry& hold)
{
    json.number("hold", hold.hold).text("policy", hold.policy).number("generation", hold.generation);
}

void add_error(JsonObject& json, int error)
{
    if (error != 0) {
        json.text("error", errno_name(error));
    }
}

std::string_view kind_of(const AuditEntry& entry)
{
    constexpr std::array<std::string_view, 3> kKinds{"signal", "policy", "release"};
    static_assert(std::variant_size_v<AuditEntry> == kKinds.size());
    return kKinds.at(entry.index());
}

void add_begin(JsonObject& json, const SignalEntry& entry)
{
    JsonObject action;
    action.text("signal", signal_name(entry.signal)).text("target", to_string(entry.target));
    json.text("policy", entry.policy).number("generation", entry.generation).text("rule", entry.rule);
    json.object("action", action);
    json.object("victim", victim_json(entry.victim));
    json.object("evidence", evidence_json(entry.operation, entry.held));
    json.object("asked_by", requester_json(entry.asked_by));
}

void add_begin(JsonObject& json, const PolicyEntry& entry)
{
    json.text("action", entry.action);
    json.objects("policies", changes_json(entry));
    json.number("generation_before", entry.generation);
    json.text("reason", entry.reason);
    json.object("asked_by", requester_json(entry.asked_by));
}

void add_begin(JsonObject& json, const ReleaseEntry& entry)
{
    add_hold(json, entry.hold);
    json.text("action", to_string(entry.outcome));
    json.object("evidence", evidence_json(entry.hold.operation, entry.hold.held));
    json.object("asked_by", requester_json(entry.asked_by));
}

// So much of it that the end can be understood, and found, without its beginning.
void add_complete(JsonObject& json, const SignalEntry& entry)
{
    json.text("policy", entry.policy);
}

void add_complete(JsonObject& json, const PolicyEntry& entry)
{
    json.text("action", entry.action);
    json.objects("policies", changes_json(entry));
    json.number("generation_before", entry.generation);
}

void add_complete(JsonObject& json, const ReleaseEntry& entry)
{
    json.number("hold", entry.hold.hold).text("policy", entry.hold.policy);
}

void add_outcome(JsonObject& json, const AuditOutcome& outcome)
{
    if (outcome.generation) {
        json.number("generation", *outcome.generation);
    }
    json.text("outcome", outcome.result);
    add_error(json, outcome.error);
    json.text("reason", outcome.reason).number("took_ns", outcome.took);
}

}  // namespace

std::string begin_record(const AuditStamp& stamp, const AuditEntry& entry)
{
    JsonObject json = stamped(stamp, kind_of(entry), "begin");
    std::visit([&json](const auto& one) { add_begin(json, one); }, entry);
    return json.str();
}

std::string complete_record(const AuditStamp& stamp, const AuditEntry& entry, const AuditOutcome& outcome)
{
    JsonObject json = stamped(stamp, kind_of(entry), "complete");
    std::visit([&json](const auto& one) { add_complete(json, one); }, entry);
    add_outcome(json, outcome);
    return json.str();
}

std::string denial_record(const AuditStamp& stamp, const DenialEntry& denial)
{
    JsonObject json = stamped(stamp, "denial", "done");
    json.text("policy", denial.policy).number("generation", denial.generation);
    json.text("outcome", denial.unresolved ? "denied_unresolved" : "denied");
    add_error(json, denial.error);
    json.object("evidence", evidence_json(denial.operation, denial.held));
    return json.str();
}

std::string hold_record(const AuditStamp& stamp, const HoldEntry& hold)
{
    JsonObject json = stamped(stamp, "hold", "begin");
    add_hold(json, hold);
    json.object("evidence", evidence_json(hold.operation, hold.held));
    return json.str();
}

std::string hold_end_record(const AuditStamp& stamp, const HoldEntry& hold, const AuditOutcome& outcome, bool begun)
{
    JsonObject json = stamped(stamp, "hold", begun ? "complete" : "done");
    add_hold(json, hold);
    add_outcome(json, outcome);
    if (!begun) {
        json.object("evidence", evidence_json(hold.operation, hold.held));
    }
    return json.str();
}

std::string acknowledgement_record(const AuditStamp& stamp, const AcknowledgementEntry& entry)
{
    JsonObject json = stamped(stamp, "acknowledgement", "done");
    json.text("policy", entry.policy).number("generation", entry.generation).number("revocation", entry.revocation);
    json.text("action", to_string(entry.intent));
    json.object("victim", victim_json(entry.owner));
    json.object("evidence", evidence_json(entry.operation, entry.held));
    json.object("asked_by", requester_json(entry.asked_by));
    return json.str();
}

std::string_view to_string(RevocationIntent intent)
{
    return intent == RevocationIntent::kLettingGo ? "letting_go" : "cannot";
}

std::string left_out_record(const AuditStamp& stamp)
{
    return stamped(stamp, "left_out", "done").str();
}

std::string format_utc(Nanoseconds unix_time)
{
    const auto seconds = static_cast<std::time_t>(unix_time / kSecond);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> date{};
    const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const std::string fraction = std::to_string(kSecond + unix_time % kSecond).substr(1);
    return std::string(date.data(), length) + "." + fraction + "Z";
}

}  // namespace pinwarden
