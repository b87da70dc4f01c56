// The daemon's plain data to the messages of pinwarden.v1, and back. Nothing here needs a server.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"
#include "publish/snapshot.h"

namespace pinwarden {

// Protobuf refuses strings that are not UTF-8, and the kernel's names are plain bytes: each byte that is not part of a
// valid sequence becomes U+FFFD.
std::string valid_utf8(std::string_view bytes);

v1::GetStatusResponse status_to_proto(const Snapshot& snapshot);
v1::ListFailuresResponse failures_to_proto(const FailureList& list, const v1::ListFailuresRequest& request);
v1::RunAuditResponse audit_to_proto(const AuditView& view);
v1::RunCensusResponse census_to_proto(const AuditView& view);
v1::AuditProgress progress_to_proto(const AuditProgress& progress);
v1::ListNotifiersResponse notifiers_to_proto(const NotifiersView& view);
v1::ListHoldsResponse holds_to_proto(const HoldsView& view);
v1::ListPoliciesResponse policies_to_proto(const Snapshot& snapshot);
v1::Policy policy_to_proto(const Policy& policy);

// The kinds of events a notice is sent as, in order. A conflict that a policy decided is a conflict and a verdict.
std::vector<v1::EventKind> event_kinds(const Notice& notice);
// `kind` must be one of event_kinds(notice).
v1::WatchEventsResponse event_to_proto(const Notice& notice, v1::EventKind kind);

// A line of the audit log. Nothing when it is no record.
std::optional<v1::AuditRecord> audit_record_from_line(const std::string& line);

// Error EINVAL when none is given, or one that is unknown.
Result<Outcome> outcome_from_request(const v1::ReleaseHoldRequest& request);

// The policies a request carries, in whichever form, each checked with validate(). Error EINVAL: which policy, which
// field, what is wrong.
Result<std::vector<Policy>> policies_from_request(const v1::ApplyPolicyRequest& request);

// The same.
Result<RevocationIntent> intent_from_request(const v1::AcknowledgeRevocationRequest& request);

// Error EINVAL for none, or one that is unknown.
Result<Mode> mode_from_request(const v1::SetPolicyModeRequest& request);
// Error EINVAL: no file or two, an operation that is not understood, a policy that is none.
Result<DryRunQuestion> question_from_request(const v1::TestPoliciesRequest& request);
v1::TestPoliciesResponse dry_run_to_proto(const DryRunView& view);
v1::Mode mode_to_proto(Mode mode);
// Those of several texts, all or none.
Result<std::vector<Policy>> policies_from_texts(const google::protobuf::RepeatedPtrField<v1::PolicyText>& texts);
v1::Hold hold_to_proto(const Policy& policy);

}  // namespace pinwarden
