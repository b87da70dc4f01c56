#include "publish/status_page.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <pinwarden/v1/conflicts.pb.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/host_name.h"
#include "publish/conflict_service.h"
#include "publish/convert.h"
#include "publish/pin_groups.h"

namespace pinwarden {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLookEvery{1};
// Going through all pins takes the pipeline's time: no more than a twentieth of it.
constexpr std::chrono::seconds kPinsEvery{5};
constexpr int kPinsShare = 20;
constexpr std::uint32_t kGroups = 20;
constexpr std::size_t kConflicts = 50;
constexpr int kHolds = 50;

constexpr const char* kHint =
    "Names of files and processes are shown to root and to members of the group that may read the API; "
    "run a browser or `ssh -L` as such a user, or use pinctl.";

std::string json_of(const google::protobuf::Message& message)
{
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    options.always_print_primitive_fields = true;
    std::string text;
    if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
        return "null";
    }
    return text;
}

std::string quoted(const std::string& text)
{
    google::protobuf::Value value;
    value.set_string_value(valid_utf8(text));
    return json_of(value);
}

// What is left where names are not shown: which operation, when, and what was decided.
v1::ListConflictsResponse without_names(const v1::ListConflictsResponse& all)
{
    v1::ListConflictsResponse out;
    out.set_matched(all.matched());
    out.set_remembered(all.remembered());
    out.set_forgotten(all.forgotten());
    for (const v1::PastConflict& one : all.conflicts()) {
        v1::PastConflict& kept = *out.add_conflicts();
        kept.set_number(one.number());
        *kept.mutable_time() = one.time();
        *kept.mutable_age() = one.age();
        kept.set_pin_count(one.pin_count());
        kept.set_pinned_bytes(one.pinned_bytes());
        kept.mutable_conflict()->set_operation(one.conflict().operation());
        kept.mutable_conflict()->set_verdict(one.conflict().verdict());
        kept.mutable_conflict()->set_policy(one.conflict().policy());
    }
    return out;
}

v1::ListHoldsResponse without_names(const v1::ListHoldsResponse& all)
{
    v1::ListHoldsResponse out;
    for (const v1::HeldOperation& one : all.holds()) {
        v1::HeldOperation& kept = *out.add_holds();
        kept.set_id(one.id());
        *kept.mutable_since() = one.since();
        *kept.mutable_deadline() = one.deadline();
        *kept.mutable_held() = one.held();
        kept.mutable_conflict()->set_operation(one.conflict().operation());
        kept.mutable_conflict()->set_policy(one.conflict().policy());
    }
    return out;
}

// What a policy matches are paths, and names of programs and users; so are reasons and notices.
v1::ListPoliciesResponse without_names(const v1::ListPoliciesResponse& all)
{
    v1::ListPoliciesResponse out = all;
    for (v1::PolicyStatus& one : *out.mutable_policies()) {
        const v1::Policy whole = std::exchange(*one.mutable_policy(), {});
        one.mutable_policy()->set_name(whole.name());
        one.mutable_policy()->set_mode(whole.mode());
        one.clear_reason();
        one.clear_source();
    }
    return out;
}

v1::GetStatusResponse without_names(v1::GetStatusResponse status)
{
    status.clear_notices();
    return status;
}

}  // namespace

struct StatusPage::Content {
    std::string with_names;
    std::string without_names;
    std::string tag;
    std::optional<Error> failed;
    SteadyClock::time_point until;
    // From one look to the next.
    std::vector<v1::GroupPinsResponse> groups;  // by driver, file, owner
    SteadyClock::time_point groups_until;
    std::uint64_t number = 0;
};

void StatusPage::look_at_pins(Content& next)
{
    const auto begun = SteadyClock::now();
    std::vector<v1::GroupPinsRequest> requests;
    for (const v1::PinGrouping by : {v1::PIN_GROUPING_DRIVER, v1::PIN_GROUPING_FILE, v1::PIN_GROUPING_OWNER}) {
        v1::GroupPinsRequest& request = requests.emplace_back();
        request.set_by(by);
        request.set_limit(kGroups);
    }
    auto groups =
        group_pins(requests, [this](const PinFilter& filter, PinId from) { return pipeline_.pins(filter, from); });
    if (!groups) {
        next.failed = groups.error();
        return;
    }
    next.groups = std::move(*groups);
    const auto took = SteadyClock::now() - begun;
    next.groups_until = begun + std::max<SteadyClock::duration>(kPinsEvery, kPinsShare * took);
}

void StatusPage::write(const Snapshot& snapshot, const HoldsView& held, Content& next) const
{
    const v1::GetStatusResponse status = status_to_proto(snapshot);
    v1::ListHoldsResponse holds = holds_to_proto(held);
    while (holds.holds_size() > kHolds) {
        holds.mutable_holds()->RemoveLast();
    }
    const v1::ListPoliciesResponse policies = policies_to_proto(snapshot);
    const v1::ListConflictsResponse conflicts =
        conflicts_ == nullptr
            ? v1::ListConflictsResponse()
            : conflicts_to_proto(conflicts_->list({.limit = kConflicts}), clock_.now(), clock_.boot_to_unix());
    const auto taken = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
        static_cast<std::int64_t>(snapshot.taken + snapshot.boot_to_unix));
    const std::string head = R"({"host":)" + quoted(host_name()) + R"(,"taken":)" + json_of(taken);
    const std::string by_driver = R"(,"by_driver":)" + json_of(next.groups.at(0));
    next.with_names = head + R"(,"details":true,"status":)" + json_of(status) + by_driver + R"(,"by_file":)" +
                      json_of(next.groups.at(1)) + R"(,"by_owner":)" + json_of(next.groups.at(2)) + R"(,"holds":)" +
                      json_of(holds) + R"(,"policies":)" + json_of(policies) + R"(,"conflicts":)" + json_of(conflicts) +
                      "}\n";
    next.without_names = head + R"(,"details":false,"details_hint":)" + quoted(kHint) + R"(,"status":)" +
                         json_of(without_names(status)) + by_driver + R"(,"holds":)" + json_of(without_names(holds)) +
                         R"(,"policies":)" + json_of(without_names(policies)) + R"(,"conflicts":)" +
                         json_of(without_names(conflicts)) + "}\n";
}

std::shared_ptr<const StatusPage::Content> StatusPage::content()
{
    const auto last = [this] {
        const std::scoped_lock lock(mutex_);
        return last_;
    };
    if (const auto known = last(); known != nullptr && SteadyClock::now() < known->until) {
        return known;
    }
    const std::scoped_lock one(looking_);
    auto before = last();
    const auto now = SteadyClock::now();
    if (before != nullptr && now < before->until) {
        return before;
    }
    Content next = before == nullptr ? Content() : *before;
    next.failed.reset();
    next.until = now + kLookEvery;
    ++next.number;
    const Result<Snapshot> snapshot = pipeline_.snapshot();
    const Result<HoldsView> held = pipeline_.holds();
    if (!snapshot || !held) {
        next.failed = snapshot ? held.error() : snapshot.error();
    } else if (now >= next.groups_until) {
        look_at_pins(next);
    }
    if (!next.failed) {
        write(*snapshot, *held, next);
    }
    auto made = std::make_shared<const Content>(std::move(next));
    const std::scoped_lock lock(mutex_);
    last_ = made;
    return made;
}

HttpAnswer StatusPage::json(bool details)
{
    constexpr int kUnavailable = 503;
    const auto now = content();
    if (now->failed) {
        return {.status = kUnavailable, .body = "the pipeline does not answer: " + now->failed->message + "\n"};
    }
    return {.type = "application/json",
            .body = details ? now->with_names : now->without_names,
            .etag = "\"" + std::to_string(now->number) + (details ? "d" : "") + "\""};
}

}  // namespace pinwarden
