#include "cli/pin_list.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

namespace pinwarden::cli {
namespace {

constexpr std::uint64_t kMostOnPage = 1000;

v1::EventKind to_proto(Kind kind)
{
    switch (kind) {
        case Kind::kPin: return v1::EVENT_KIND_PIN;
        case Kind::kRelease: return v1::EVENT_KIND_RELEASE;
        case Kind::kConflict: return v1::EVENT_KIND_CONFLICT;
        case Kind::kVerdict: return v1::EVENT_KIND_VERDICT;
        case Kind::kFailure: return v1::EVENT_KIND_FAILURE;
        case Kind::kOrphan: return v1::EVENT_KIND_ORPHAN;
        case Kind::kLeak: return v1::EVENT_KIND_LEAK;
        case Kind::kHold: return v1::EVENT_KIND_HOLD_END;
        case Kind::kSignal: return v1::EVENT_KIND_SIGNAL;
        case Kind::kRevocation: return v1::EVENT_KIND_REVOCATION;
    }
    return v1::EVENT_KIND_UNSPECIFIED;
}

}  // namespace

grpc::Status list_pins(v1::PinService::Stub& service, const PinsCommand& command, bool holders,
                       const NewContext& context, v1::ListPinsResponse& pins)
{
    v1::ListPinsRequest request;
    *request.mutable_filter() = command.filter;
    request.set_order(command.order);
    request.set_include_stack(command.stack);
    request.set_include_holders(holders);
    bool complete = true;
    do {
        const auto have = static_cast<std::uint64_t>(pins.pins_size());
        const std::uint64_t wanted = command.limit == 0 ? kMostOnPage : command.limit - have;
        request.set_page_size(static_cast<std::uint32_t>(std::min(wanted, kMostOnPage)));
        v1::ListPinsResponse page;
        const grpc::Status status = service.ListPins(context().get(), request, &page);
        if (!status.ok()) {
            return status;
        }
        request.set_page_token(page.next_page_token());
        complete = complete && page.holders_complete();
        // What is said of all of them is newest on the last page.
        v1::ListPinsResponse before = std::exchange(pins, std::move(page));
        before.mutable_pins()->MergeFrom(pins.pins());
        pins.mutable_pins()->Swap(before.mutable_pins());
    } while (!request.page_token().empty() &&
             (command.limit == 0 || static_cast<std::uint64_t>(pins.pins_size()) < command.limit));
    pins.set_holders_complete(complete);
    return grpc::Status::OK;
}

v1::GroupPinsRequest group_request(const PinsCommand& command)
{
    v1::GroupPinsRequest request;
    *request.mutable_filter() = command.filter;
    request.set_by(command.by.value_or(v1::PIN_GROUPING_OWNER));
    request.set_limit(static_cast<std::uint32_t>(std::min(command.limit, kMostOnPage)));
    return request;
}

v1::GroupPinsRequest group_request(const LeaksCommand& command)
{
    v1::GroupPinsRequest request;
    *request.mutable_filter() = command.filter;
    request.set_by(command.by);
    request.set_by_user_stack(command.user_stack);
    request.set_order(command.order);
    // A flame graph has all of it.
    request.set_limit(command.folded ? 0 : command.top);
    return request;
}

v1::WatchEventsRequest watch_request(const WatchCommand& command)
{
    v1::WatchEventsRequest request;
    for (const Kind kind : command.kinds) {
        request.add_kinds(to_proto(kind));
    }
    if (command.filter.ByteSizeLong() > 0) {
        *request.mutable_filter() = command.filter;
    }
    return request;
}

}  // namespace pinwarden::cli
