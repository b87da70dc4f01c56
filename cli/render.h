// Answers of pinwardend as text for people, and as JSON.
#pragma once

#include <google/protobuf/message.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <string>

#include "cli/text.h"

namespace pinwarden::cli {

// `now`: seconds since the Unix epoch.
std::string render_status(const v1::GetStatusResponse& status, std::int64_t now, const Style& style);
std::string render_pins(const v1::ListPinsResponse& pins, const Style& style);
// `before`: what was shown before, to say what has changed; or nullptr.
std::string render_groups(const v1::GroupPinsResponse& groups, v1::PinGrouping by, const v1::GroupPinsResponse* before,
                          const Style& style);
// Why there are no user stacks, where none of the pins has one; else nothing.
std::string user_stacks_text(const v1::GroupPinsResponse& groups);
// A line for each call stack, as flame graph tools take it: outermost;...;innermost PAGES.
std::string render_folded(const v1::GroupPinsResponse& groups);
// The same with the pages of both, as differential flame graphs take it.
std::string render_folded_difference(const v1::GroupPinsResponse& before, const v1::GroupPinsResponse& after);
// Pins whose owner is gone.
std::string render_orphans(const v1::ListPinsResponse& pins, const Style& style);
std::string render_failures(const v1::ListFailuresResponse& failures, const Style& style);
std::string render_notifiers(const v1::ListNotifiersResponse& notifiers, const Style& style);
std::string render_holds(const v1::ListHoldsResponse& holds, const Style& style);
std::string render_policies(const v1::ListPoliciesResponse& policies, const Style& style);
std::string render_dry_run(const v1::TestPoliciesResponse& answer, const Style& style);
std::string render_audit(const v1::RunAuditResponse& audit, const Style& style);
std::string render_census(const v1::RunCensusResponse& census, const Style& style);
// One line; two when events were lost before it.
std::string render_event(const v1::WatchEventsResponse& event, const Style& style);
// One line; more where something is missing before it, and none for a record that only says so.
std::string render_audit_record(const v1::WatchAuditLogResponse& response, const Style& style);

// "/data/x (deleted)"; "?" for a file whose name is not known.
std::string file_name(const v1::File& file);
// "truncate[900]"
std::string process_name(const v1::Process& process);
// Below a list of pins: that it cannot be trusted, if so.
std::string certainty_text(const v1::Trust& trust, const Style& style);
// The same with numbers, and in any case.
std::string trust_text(const v1::Trust& trust, const Style& style);
// "0x7f00", as addresses are written.
std::string hexadecimal(std::uint64_t number);
// "1 pin", "3 pins".
std::string counted(std::uint64_t count, const std::string& noun);

// Protobuf's JSON with the field names of the .proto files, defaults included. With `pretty`, over several lines.
std::string to_json(const google::protobuf::Message& message, bool pretty);

}  // namespace pinwarden::cli
