#include "publish/event_lines.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "act/json_object.h"
#include "publish/convert.h"
#include "publish/verdict_mode.h"

namespace pinwarden {
namespace {

using google::protobuf::util::TimeUtil;

constexpr std::size_t kMostOwners = 16;

JsonObject process_of(const v1::Process& process)
{
    JsonObject json;
    json.number("pid", process.pid()).text("name", process.comm());
    if (!process.executable().empty()) {
        json.text("executable", process.executable());
    }
    if (process.has_start_time()) {
        json.text("start", TimeUtil::ToString(process.start_time()));
    }
    if (process.has_uid()) {
        json.object("user", JsonObject().text("id", std::to_string(process.uid())));
    }
    return json;
}

JsonObject file_of(const v1::File& file)
{
    JsonObject json;
    if (!file.path().empty()) {
        json.text("path", file.path());
    }
    // ECS has both as texts.
    json.text("inode", std::to_string(file.inode()));
    json.text("device", std::to_string(file.device_major()) + ":" + std::to_string(file.device_minor()));
    return json;
}

// Whose pins were met: by owner and driver, most bytes first.
std::vector<JsonObject> owners_of(const google::protobuf::RepeatedPtrField<v1::Pin>& pins)
{
    struct Sum {
        const v1::Pin* example = nullptr;
        std::uint64_t pins = 0;
        std::uint64_t bytes = 0;
    };
    std::map<std::pair<std::uint32_t, std::string>, Sum> sums;
    for (const v1::Pin& pin : pins) {
        Sum& sum = sums[{pin.owner().pid(), pin.driver()}];
        sum.example = &pin;
        ++sum.pins;
        sum.bytes += pin.bytes();
    }
    std::vector<Sum> all;
    for (const auto& [key, sum] : sums) {
        all.push_back(sum);
    }
    std::ranges::stable_sort(all, std::ranges::greater(), &Sum::bytes);
    std::vector<JsonObject> owners;
    for (const Sum& sum : all) {
        if (owners.size() == kMostOwners) {
            break;
        }
        const v1::Process& owner = sum.example->owner();
        JsonObject& json = owners.emplace_back();
        json.object("process", process_of(owner)).text("driver", sum.example->driver());
        json.number("pins", sum.pins).number("bytes", sum.bytes);
        if (!owner.container_id().empty()) {
            json.text("container_id", owner.container_id());
        }
        if (!owner.pod_uid().empty()) {
            json.text("pod_uid", owner.pod_uid());
        }
        if (!owner.cgroup_path().empty()) {
            json.text("cgroup", owner.cgroup_path());
        }
    }
    return owners;
}

std::uint64_t bytes_of(const google::protobuf::RepeatedPtrField<v1::Pin>& pins)
{
    std::uint64_t bytes = 0;
    for (const v1::Pin& pin : pins) {
        bytes += pin.bytes();
    }
    return bytes;
}

std::string who(const v1::Process& process)
{
    return process.comm() + "[" + std::to_string(process.pid()) + "]";
}

std::string what(const v1::File& file)
{
    return file.path().empty() ? "a file without a known name" : file.path();
}

// What makes up one line, before it is put together.
struct Parts {
    std::string dataset;
    std::string action;
    std::string outcome;  // ECS: success, failure, unknown
    std::string type;     // ECS: allowed, denied, info, change
    std::string reason;
    std::string message;
    std::string policy;
    bool alert = false;
    std::optional<JsonObject> file = {};
    std::optional<JsonObject> process = {};
    std::string container = {};
    std::string pod = {};
    JsonObject own = {};  // below "pinwarden"
};

void add_conflict(const v1::Conflict& conflict, Parts& parts)
{
    parts.policy = conflict.policy();
    parts.process = process_of(conflict.caller());
    parts.container = conflict.caller().container_id();
    parts.pod = conflict.caller().pod_uid();
    if (conflict.has_file()) {
        parts.file = file_of(conflict.file());
        parts.own.text("filesystem", conflict.file().filesystem());
    }
    parts.own.number("pin_count", static_cast<std::uint64_t>(conflict.pins_size()))
        .number("pinned_bytes", bytes_of(conflict.pins()))
        .objects("owners", owners_of(conflict.pins()));
    if (conflict.operation() == "truncate") {
        parts.own.number("old_size", conflict.old_size()).number("new_size", conflict.new_size());
    }
}

Parts conflict_parts(const v1::Conflict& conflict)
{
    const VerdictMode verdict = take_apart(conflict.verdict());
    const bool enforced = verdict.mode == "enforce";
    const bool failed = enforced && !conflict.error().empty();
    Parts parts{.dataset = "pinwarden.conflict",
                .action = conflict.operation(),
                .outcome = failed ? "failure" : "success",
                .type = failed ? "denied" : "allowed",
                .reason = conflict.reason(),
                .message = {},
                .policy = {},
                // It went ahead over pinned memory: whether a policy wanted that or none was there.
                .alert = !enforced};
    if (enforced && verdict.verdict == "hold") {
        parts.outcome = "unknown";
        parts.type = "info";
    }
    parts.message = who(conflict.caller()) + ": " + conflict.operation() +
                    (conflict.has_file() ? " of " + what(conflict.file()) : std::string()) +
                    " met pinned memory: " + conflict.reason();
    parts.own.text("verdict", verdict.verdict).text("mode", verdict.mode);
    if (!conflict.error().empty()) {
        parts.own.text("errno", conflict.error());
    }
    add_conflict(conflict, parts);
    return parts;
}

Parts hold_parts(const v1::WatchEventsResponse& event)
{
    const v1::HeldOperation& hold = event.hold();
    const std::string& outcome = event.outcome();
    const bool denied = outcome.find("den") != std::string::npos;
    Parts parts{.dataset = "pinwarden.hold",
                .action = hold.conflict().operation(),
                .outcome = denied ? "failure" : "success",
                .type = denied ? "denied" : "allowed",
                .reason = outcome,
                .message = who(hold.conflict().caller()) + ": " + hold.conflict().operation() + " of " +
                           what(hold.conflict().file()) + " is held no longer: " + outcome,
                .policy = {},
                .alert = outcome.starts_with("timed_out") || outcome == "abandoned"};
    parts.own.number("hold_id", hold.id())
        .text("hold_outcome", outcome)
        .number("held_ns", static_cast<std::uint64_t>(TimeUtil::DurationToNanoseconds(hold.held())));
    add_conflict(hold.conflict(), parts);
    return parts;
}

Parts signal_parts(const v1::Signal& signal)
{
    const bool sent = signal.outcome() == "sent";
    Parts parts{.dataset = "pinwarden.signal",
                .action = signal.signal(),
                .outcome = sent ? "success" : "failure",
                .type = "change",
                .reason = signal.reason(),
                .message = signal.signal() + " to " + who(signal.victim()) + " for " + signal.operation() + " of " +
                           what(signal.file()) + ": " + signal.outcome(),
                .policy = signal.policy(),
                .alert = true,
                .file = signal.has_file() ? std::optional(file_of(signal.file())) : std::nullopt,
                .process = process_of(signal.victim()),
                .container = signal.victim().container_id(),
                .pod = signal.victim().pod_uid()};
    parts.own.text("signal_outcome", signal.outcome())
        .text("rule", signal.rule())
        .text("operation", signal.operation())
        .number("pin_count", signal.pins())
        .number("pinned_bytes", signal.bytes());
    return parts;
}

Parts revocation_parts(const v1::Revocation& revocation)
{
    const bool begun = revocation.end().empty();
    const bool released = revocation.end() == "answered" || revocation.end() == "released";
    Parts parts{.dataset = "pinwarden.revocation",
                .action = begun ? "revocation-started" : "revocation-ended",
                .outcome = begun      ? "unknown"
                           : released ? "success"
                                      : "failure",
                .type = "info",
                .reason = revocation.end(),
                .message = "the owners of pins in the way of " + revocation.operation() + " of " +
                           what(revocation.file()) +
                           (begun ? " are asked to let go" : " were asked to let go: " + revocation.end()),
                .policy = revocation.policy(),
                .alert = !begun && !released,
                .file = revocation.has_file() ? std::optional(file_of(revocation.file())) : std::nullopt};
    if (begun) {
        parts.outcome = "unknown";
    }
    std::vector<JsonObject> victims;
    for (const v1::RevocationVictim& victim : revocation.victims()) {
        if (victims.size() < kMostOwners) {
            victims.push_back(JsonObject()
                                  .object("process", process_of(victim.process()))
                                  .text("state", victim.released() ? "released" : "holding"));
        }
    }
    parts.own.number("revocation_id", revocation.id())
        .text("operation", revocation.operation())
        .objects("owners", victims);
    return parts;
}

Parts leak_parts(const v1::Pin& pin)
{
    Parts parts{.dataset = "pinwarden.leak",
                .action = "leak",
                .outcome = "unknown",
                .type = "info",
                .reason = "its owner has been gone for longer than leak_after",
                .message = "memory that " + who(pin.owner()) + " pinned through " + pin.driver() +
                           " is pinned still, and its owner is gone",
                .policy = {},
                .alert = true,
                .file = pin.ranges_size() > 0 ? std::optional(file_of(pin.ranges(0).file())) : std::nullopt,
                .process = process_of(pin.owner()),
                .container = pin.owner().container_id(),
                .pod = pin.owner().pod_uid()};
    parts.own.text("driver", pin.driver()).number("pinned_bytes", pin.bytes()).number("pin_count", pin.calls());
    return parts;
}

std::optional<Parts> parts_of(const Notice& notice)
{
    // A conflict is told of once; the verdict is a part of it.
    switch (const v1::EventKind kind = event_kinds(notice).front(); kind) {
        case v1::EVENT_KIND_CONFLICT: return conflict_parts(event_to_proto(notice, kind).conflict());
        case v1::EVENT_KIND_HOLD_END: return hold_parts(event_to_proto(notice, kind));
        case v1::EVENT_KIND_SIGNAL: return signal_parts(event_to_proto(notice, kind).signal());
        case v1::EVENT_KIND_REVOCATION: return revocation_parts(event_to_proto(notice, kind).revocation());
        case v1::EVENT_KIND_LEAK: return leak_parts(event_to_proto(notice, kind).pin());
        default: return std::nullopt;
    }
}

}  // namespace

std::optional<EventLine> event_line(const Notice& notice, std::uint64_t lost, const std::string& host)
{
    auto parts = parts_of(notice);
    if (!parts) {
        return std::nullopt;
    }
    const std::vector<std::string> category{parts->dataset == "pinwarden.signal" ? "process" : "file"};
    const std::vector<std::string> type{parts->type};
    JsonObject json;
    json.text("@timestamp", TimeUtil::ToString(TimeUtil::NanosecondsToTimestamp(
                                static_cast<std::int64_t>(notice.time + notice.boot_to_unix))));
    json.object("ecs", JsonObject().text("version", "8.11.0"));
    json.text("message", parts->message);
    json.object("event", JsonObject()
                             .text("kind", parts->alert ? "alert" : "event")
                             .texts("category", category)
                             .texts("type", type)
                             .text("action", parts->action)
                             .text("outcome", parts->outcome)
                             .text("reason", parts->reason)
                             .text("module", "pinwarden")
                             .text("dataset", parts->dataset));
    json.object("host", JsonObject().text("name", host));
    if (parts->process) {
        json.object("process", parts->process);
    }
    if (!parts->container.empty()) {
        json.object("container", JsonObject().text("id", parts->container));
    }
    if (!parts->pod.empty()) {
        json.object("orchestrator", JsonObject()
                                        .text("type", "kubernetes")
                                        .object("resource", JsonObject().text("type", "pod").text("id", parts->pod)));
    }
    if (parts->file) {
        json.object("file", parts->file);
    }
    if (!parts->policy.empty()) {
        json.object("rule", JsonObject().text("name", parts->policy).text("ruleset", "pinwarden"));
    }
    if (lost > 0) {
        parts->own.number("lost_before", lost);
    }
    json.object("pinwarden", parts->own);
    return EventLine{
        .json = json.str(), .message = parts->message, .is_alert = parts->alert, .dataset = parts->dataset};
}

}  // namespace pinwarden
