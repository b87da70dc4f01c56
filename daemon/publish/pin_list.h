// Lists of pins, page by page, and one pin. Memory is needed for what is shown, however many pins there are.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <functional>

#include "base/result.h"
#include "publish/pin_filter.h"
#include "publish/pin_join.h"
#include "publish/snapshot.h"

namespace pinwarden {

// Pins with ids from `from` on that the filter's matches() takes: see Pipeline::pins.
using PinSource = std::function<Result<PinBatch>(const PinFilter& filter, PinId from)>;
using HolderFinder = std::function<Holders(const std::set<pw_scope_kind>& kinds)>;

// All that the filter wants, joined, to `sink`, in no order; then how it was when that was done.
Result<PinBatch> each_pin(const PinSource& source, const PinFilter& filter, const PinJoiner::Sink& sink);

// Errors: EINVAL: what of the request makes no sense. The source's own.
Result<v1::ListPinsResponse> list_pins(const v1::ListPinsRequest& request, const PinSource& source,
                                       const HolderFinder& holders);
// Errors: ENOENT: there is no such pin. The source's own.
Result<v1::GetPinResponse> get_pin(const v1::GetPinRequest& request, const PinSource& source,
                                   const HolderFinder& holders);

// Error EINVAL: which field, and what is wrong.
Result<PinFilter> filter_from_request(const v1::PinFilter& filter);

// `batch`: any of the list. `adopted`: of what is listed.
v1::Trust trust_to_proto(const PinBatch& batch, std::uint64_t adopted);
bool adopted(const PinRecord& pin);

}  // namespace pinwarden
