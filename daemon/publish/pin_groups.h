// Pins added up by what they have in common. Memory is needed for the groups, however many pins there are.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <span>
#include <vector>

#include "base/result.h"
#include "publish/pin_list.h"

namespace pinwarden {

// Errors: EINVAL: what of the request makes no sense. The source's own.
Result<v1::GroupPinsResponse> group_pins(const v1::GroupPinsRequest& request, const PinSource& source);
// Several at once, for which each pin is looked at once; of the filters the first one's holds for all.
Result<std::vector<v1::GroupPinsResponse>> group_pins(std::span<const v1::GroupPinsRequest> requests,
                                                      const PinSource& source);

}  // namespace pinwarden
