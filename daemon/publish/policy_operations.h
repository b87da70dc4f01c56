// Which operation of policies is which of the API's.
#pragma once

#include <pinwarden/v1/policy.pb.h>

#include <array>
#include <utility>

#include "policy/policy.h"

namespace pinwarden {

inline constexpr std::array kPolicyOperations{std::pair(v1::OPERATION_TRUNCATE, Operation::kTruncate),
                                              std::pair(v1::OPERATION_PUNCH_HOLE, Operation::kPunchHole),
                                              std::pair(v1::OPERATION_COLLAPSE_RANGE, Operation::kCollapseRange),
                                              std::pair(v1::OPERATION_ZERO_RANGE, Operation::kZeroRange),
                                              std::pair(v1::OPERATION_INSERT_RANGE, Operation::kInsertRange),
                                              std::pair(v1::OPERATION_MADV_REMOVE, Operation::kMadvRemove),
                                              std::pair(v1::OPERATION_UMOUNT, Operation::kUmount),
                                              std::pair(v1::OPERATION_MUNMAP, Operation::kMunmap),
                                              std::pair(v1::OPERATION_MMAP_FIXED, Operation::kMmapFixed),
                                              std::pair(v1::OPERATION_MREMAP, Operation::kMremap),
                                              std::pair(v1::OPERATION_MADV_DONTNEED, Operation::kMadvDontneed),
                                              std::pair(v1::OPERATION_MADV_GUARD, Operation::kMadvGuard),
                                              std::pair(v1::OPERATION_INVALIDATE, Operation::kInvalidate)};

}  // namespace pinwarden
