// What happened, as the kinds of events it is sent as.
#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {

std::vector<v1::EventKind> event_kinds(const Notice& notice)
{
    if (std::holds_alternative<PinnedNotice>(notice.what)) {
        return {v1::EVENT_KIND_PIN};
    }
    if (std::holds_alternative<ReleasedNotice>(notice.what)) {
        return {v1::EVENT_KIND_RELEASE};
    }
    if (std::holds_alternative<FailedNotice>(notice.what)) {
        return {v1::EVENT_KIND_FAILURE};
    }
    if (std::holds_alternative<OrphanedNotice>(notice.what)) {
        return {v1::EVENT_KIND_ORPHAN};
    }
    if (std::holds_alternative<LeakNotice>(notice.what)) {
        return {v1::EVENT_KIND_LEAK};
    }
    if (std::holds_alternative<InvalidationNotice>(notice.what)) {
        return {v1::EVENT_KIND_CONFLICT};
    }
    if (std::holds_alternative<HoldEndedNotice>(notice.what)) {
        return {v1::EVENT_KIND_HOLD_END};
    }
    if (std::holds_alternative<SignalNotice>(notice.what)) {
        return {v1::EVENT_KIND_SIGNAL};
    }
    if (std::holds_alternative<RevocationNotice>(notice.what)) {
        return {v1::EVENT_KIND_REVOCATION};
    }
    const ConflictView& conflict = std::get<ConflictNotice>(notice.what).conflict;
    if (conflict.policy.empty() && conflict.conflict.operation.verdict == PW_VERDICT_ALLOW) {
        return {v1::EVENT_KIND_CONFLICT};
    }
    return {v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT};
}

v1::WatchEventsResponse event_to_proto(const Notice& notice, v1::EventKind kind)
{
    const Times times{notice.time, notice.boot_to_unix};
    v1::WatchEventsResponse out;
    out.set_kind(kind);
    *out.mutable_time() = times.timestamp(notice.time);
    if (const auto* pinned = std::get_if<PinnedNotice>(&notice.what)) {
        set_pin(pinned->pin, times, *out.mutable_pin());
    } else if (const auto* released = std::get_if<ReleasedNotice>(&notice.what)) {
        set_pin(released->pin, times, *out.mutable_pin());
        out.set_released_bytes(released->bytes);
        out.set_fully_released(released->fully);
        out.set_release_rule(std::string(to_string(released->rule)));
        if (released->fully && released->pin.pin.owner_exited) {
            *out.mutable_time_since_owner_exit() = times.age(released->pin.pin.orphaned);
        }
    } else if (const auto* orphaned = std::get_if<OrphanedNotice>(&notice.what)) {
        set_pin(orphaned->pin, times, *out.mutable_pin());
    } else if (const auto* leak = std::get_if<LeakNotice>(&notice.what)) {
        set_pin(leak->pin, times, *out.mutable_pin());
    } else if (const auto* failed = std::get_if<FailedNotice>(&notice.what)) {
        set_failure(failed->failure, times, *out.mutable_failure());
    } else if (const auto* invalidated = std::get_if<InvalidationNotice>(&notice.what)) {
        set_invalidation(invalidated->invalidation, times, *out.mutable_conflict());
    } else if (const auto* ended = std::get_if<HoldEndedNotice>(&notice.what)) {
        set_held_operation(ended->hold, ended->held, times, *out.mutable_hold());
        out.set_outcome(valid_utf8(ended->outcome));
    } else if (const auto* signal = std::get_if<SignalNotice>(&notice.what)) {
        set_signal(*signal, times, *out.mutable_signal());
    } else if (const auto* revocation = std::get_if<RevocationNotice>(&notice.what)) {
        set_revocation(*revocation, times, *out.mutable_revocation());
    } else {
        set_conflict(std::get<ConflictNotice>(notice.what).conflict, times, *out.mutable_conflict());
    }
    return out;
}

}  // namespace pinwarden
