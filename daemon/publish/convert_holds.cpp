#include <google/protobuf/util/time_util.h>

#include <cerrno>

#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {

using google::protobuf::util::TimeUtil;

void set_held_operation(const HoldView& view, Nanoseconds held, const Times& times, v1::HeldOperation& out)
{
    out.set_id(view.id);
    set_conflict(view.conflict, times, *out.mutable_conflict());
    out.mutable_conflict()->set_hold(view.id);
    *out.mutable_since() = times.timestamp(view.since);
    *out.mutable_deadline() = times.timestamp(view.deadline);
    *out.mutable_held() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(held));
    out.set_asked(view.asked);
    if (view.released) {
        out.set_verdict(std::string(to_string(*view.released)));
    }
}

v1::ListHoldsResponse holds_to_proto(const HoldsView& view)
{
    const Times times{view.taken, view.boot_to_unix};
    v1::ListHoldsResponse out;
    for (const HoldView& hold : view.holds) {
        const Nanoseconds held = view.taken > hold.since ? view.taken - hold.since : 0;
        set_held_operation(hold, held, times, *out.add_holds());
    }
    return out;
}

Result<Outcome> outcome_from_request(const v1::ReleaseHoldRequest& request)
{
    switch (request.outcome()) {
        case v1::OUTCOME_DENY: return Outcome::kDeny;
        case v1::OUTCOME_ALLOW: return Outcome::kAllow;
        default: return fail_at("outcome", "must be OUTCOME_ALLOW or OUTCOME_DENY", EINVAL);
    }
}

}  // namespace pinwarden
