#include "publish/conflict_service.h"

#include <google/protobuf/util/time_util.h>

#include <cerrno>
#include <string>

#include "publish/convert.h"
#include "publish/convert_parts.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

using google::protobuf::util::TimeUtil;

struct SetConflict {
    const Times& times;
    v1::Conflict& out;

    void operator()(const ConflictView& view) const { set_conflict(view, times, out); }
    void operator()(const InvalidationView& view) const { set_invalidation(view, times, out); }
};

bool is_verdict(const std::string& text)
{
    for (int verdict = 0; verdict < PW_VERDICTS; ++verdict) {
        if (text == to_string(static_cast<pw_verdict>(verdict))) {
            return true;
        }
    }
    return false;
}

std::string all_verdicts()
{
    std::string names;
    for (int verdict = 0; verdict < PW_VERDICTS; ++verdict) {
        names.append(names.empty() ? "" : ", ").append(to_string(static_cast<pw_verdict>(verdict)));
    }
    return names;
}

void set_past_conflict(const ConflictList::Entry& entry, const Times& times, v1::PastConflict& out)
{
    const PastConflict& conflict = *entry.conflict;
    out.set_number(conflict.number);
    *out.mutable_time() = times.timestamp(conflict.time);
    *out.mutable_age() = times.age(conflict.time);
    std::visit(SetConflict{times, *out.mutable_conflict()}, conflict.what);
    for (const PastOwner& owner : conflict.owners) {
        v1::ConflictOwner& added = *out.add_owners();
        set_process(owner.task, owner.exited, times, *added.mutable_process());
        added.set_driver(valid_utf8(owner.driver));
        added.set_pins(owner.pins);
        added.set_bytes(owner.bytes);
    }
    out.set_pin_count(conflict.pins);
    out.set_pinned_bytes(conflict.bytes);
    out.set_pins_of_others(conflict.pins_of_others);
    if (entry.end) {
        out.set_hold_outcome(valid_utf8(entry.end->outcome));
        *out.mutable_held() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(entry.end->held));
    }
}

}  // namespace

Result<ConflictWish> wish_from_request(const v1::ListConflictsRequest& request)
{
    ConflictWish wish{.limit = request.limit(),
                      .path_prefix = request.path_prefix(),
                      .pid = request.pid(),
                      .policy = request.policy()};
    for (int i = 0; i < request.verdicts_size(); ++i) {
        const std::string& verdict = request.verdicts(i);
        if (!is_verdict(verdict)) {
            return fail_at("verdicts[" + std::to_string(i) + "]",
                           "\"" + verdict + "\" is no verdict; there are " + all_verdicts(), EINVAL);
        }
        wish.verdicts.insert(verdict);
    }
    while (wish.path_prefix.size() > 1 && wish.path_prefix.ends_with('/')) {
        wish.path_prefix.pop_back();
    }
    return wish;
}

v1::ListConflictsResponse conflicts_to_proto(const ConflictList& list, Nanoseconds now, Nanoseconds boot_to_unix)
{
    // A client takes 4 MiB, and each conflict may name paths of 4 KiB: the oldest are left out, which `matched` tells.
    constexpr std::size_t kMostBytes = std::size_t{3} << 20U;
    const Times times{now, boot_to_unix};
    v1::ListConflictsResponse out;
    std::size_t bytes = 0;
    for (const ConflictList::Entry& entry : list.conflicts) {
        v1::PastConflict& conflict = *out.add_conflicts();
        set_past_conflict(entry, times, conflict);
        bytes += conflict.ByteSizeLong();
        if (bytes > kMostBytes) {
            out.mutable_conflicts()->RemoveLast();
            break;
        }
    }
    out.set_matched(list.matched);
    out.set_remembered(list.remembered);
    out.set_forgotten(list.forgotten);
    return out;
}

grpc::Status ConflictService::ListConflicts(const grpc::ServerContextBase& /*context*/,
                                            const v1::ListConflictsRequest& request,
                                            v1::ListConflictsResponse& response)
{
    if (history_ == nullptr) {
        return refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                       .reason = reason::kNotServed,
                       .message = "this pinwardend remembers no conflicts",
                       .subject = {.type = "conflicts"}});
    }
    const auto wish = wish_from_request(request);
    if (!wish) {
        return to_status(wish.error());
    }
    const SystemClock system;
    const Clock& clock = clock_ == nullptr ? system : *clock_;
    response = conflicts_to_proto(history_->list(*wish), clock.now(), clock.boot_to_unix());
    return grpc::Status::OK;
}

}  // namespace pinwarden
