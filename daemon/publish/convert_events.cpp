// What happened, as the kinds of events it is sent as.
#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {

namespace {

// One for each notice there is: a new one has to say what it is.
struct KindsOf {
    using Kinds = std::vector<v1::EventKind>;

    Kinds operator()(const PinnedNotice& /*notice*/) const { return {v1::EVENT_KIND_PIN}; }
    Kinds operator()(const ReleasedNotice& /*notice*/) const { return {v1::EVENT_KIND_RELEASE}; }
    Kinds operator()(const FailedNotice& /*notice*/) const { return {v1::EVENT_KIND_FAILURE}; }
    Kinds operator()(const OrphanedNotice& /*notice*/) const { return {v1::EVENT_KIND_ORPHAN}; }
    Kinds operator()(const LeakNotice& /*notice*/) const { return {v1::EVENT_KIND_LEAK}; }
    Kinds operator()(const HoldEndedNotice& /*notice*/) const { return {v1::EVENT_KIND_HOLD_END}; }
    Kinds operator()(const SignalNotice& /*notice*/) const { return {v1::EVENT_KIND_SIGNAL}; }
    Kinds operator()(const RevocationNotice& /*notice*/) const { return {v1::EVENT_KIND_REVOCATION}; }
    Kinds operator()(const InvalidationNotice& notice) const
    {
        if (notice.invalidation.policy.empty()) {
            return {v1::EVENT_KIND_CONFLICT};
        }
        return {v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT};
    }
    Kinds operator()(const ConflictNotice& notice) const
    {
        if (notice.conflict.policy.empty() && notice.conflict.conflict.operation.verdict == PW_VERDICT_ALLOW) {
            return {v1::EVENT_KIND_CONFLICT};
        }
        return {v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT};
    }
};

// Fills in what the notice tells.
struct Teller {
    const Times& times;
    v1::WatchEventsResponse& out;

    void operator()(const PinnedNotice& pinned) const { set_pin(pinned.pin, times, *out.mutable_pin()); }
    void operator()(const ReleasedNotice& released) const
    {
        set_pin(released.pin, times, *out.mutable_pin());
        out.set_released_bytes(released.bytes);
        out.set_fully_released(released.fully);
        out.set_release_rule(std::string(to_string(released.rule)));
        if (released.fully && released.pin.pin.owner_exited) {
            *out.mutable_time_since_owner_exit() = times.age(released.pin.pin.orphaned);
        }
    }
    void operator()(const FailedNotice& failed) const { set_failure(failed.failure, times, *out.mutable_failure()); }
    void operator()(const OrphanedNotice& orphaned) const { set_pin(orphaned.pin, times, *out.mutable_pin()); }
    void operator()(const LeakNotice& leak) const { set_pin(leak.pin, times, *out.mutable_pin()); }
    void operator()(const InvalidationNotice& invalidated) const
    {
        set_invalidation(invalidated.invalidation, times, *out.mutable_conflict());
    }
    void operator()(const HoldEndedNotice& ended) const
    {
        set_held_operation(ended.hold, ended.held, times, *out.mutable_hold());
        out.set_outcome(valid_utf8(ended.outcome));
    }
    void operator()(const SignalNotice& signal) const { set_signal(signal, times, *out.mutable_signal()); }
    void operator()(const RevocationNotice& revocation) const
    {
        set_revocation(revocation, times, *out.mutable_revocation());
    }
    void operator()(const ConflictNotice& conflict) const
    {
        set_conflict(conflict.conflict, times, *out.mutable_conflict());
    }
};

}  // namespace

std::vector<v1::EventKind> event_kinds(const Notice& notice)
{
    return std::visit(KindsOf(), notice.what);
}

v1::WatchEventsResponse event_to_proto(const Notice& notice, v1::EventKind kind)
{
    const Times times{notice.time, notice.boot_to_unix};
    v1::WatchEventsResponse out;
    out.set_kind(kind);
    *out.mutable_time() = times.timestamp(notice.time);
    std::visit(Teller{times, out}, notice.what);
    return out;
}

}  // namespace pinwarden
