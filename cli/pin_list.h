// Asks for pins: page by page, one, or added up.
#pragma once

#include <grpcpp/support/status.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <functional>
#include <memory>

#include "cli/arguments.h"

namespace pinwarden::cli {

using NewContext = std::function<std::unique_ptr<grpc::ClientContext>()>;

// All pages in one answer, or as many as the command wants. `holders`: look for who may hold orphans.
grpc::Status list_pins(v1::PinService::Stub& service, const PinsCommand& command, bool holders,
                       const NewContext& context, v1::ListPinsResponse& pins);

v1::GroupPinsRequest group_request(const PinsCommand& command);
v1::GroupPinsRequest group_request(const LeaksCommand& command);
v1::WatchEventsRequest watch_request(const WatchCommand& command);

}  // namespace pinwarden::cli
