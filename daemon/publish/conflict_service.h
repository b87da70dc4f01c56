// ListConflicts: what the history remembers.
#pragma once

#include <pinwarden/v1/conflicts.grpc.pb.h>

#include "base/clock.h"
#include "base/result.h"
#include "publish/conflict_history.h"
#include "publish/unary_calls.h"

namespace pinwarden {

// Error EINVAL: a verdict that there is none of.
Result<ConflictWish> wish_from_request(const v1::ListConflictsRequest& request);
// `now`: since boot.
v1::ListConflictsResponse conflicts_to_proto(const ConflictList& list, Nanoseconds now, Nanoseconds boot_to_unix);

class ConflictService final : public v1::ConflictService::CallbackService {
public:
    // nullptr: nothing is remembered, and the time is this machine's. Must outlive this.
    explicit ConflictService(UnaryCalls& calls, const ConflictHistory* history, const Clock* clock = nullptr)
        : calls_(calls), history_(history), clock_(clock)
    {
    }

    grpc::ServerUnaryReactor* ListConflicts(grpc::CallbackServerContext* context,
                                            const v1::ListConflictsRequest* request,
                                            v1::ListConflictsResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &ConflictService::ListConflicts);
    }

private:
    grpc::Status ListConflicts(const grpc::ServerContextBase& context, const v1::ListConflictsRequest& request,
                               v1::ListConflictsResponse& response);

    UnaryCalls& calls_;
    const ConflictHistory* history_;
    const Clock* clock_;
};

}  // namespace pinwarden
