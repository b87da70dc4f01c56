// What a change of policies comes to, for the record of it.
#pragma once

#include <string>
#include <vector>

#include "act/audit_log.h"
#include "policy/policy.h"

namespace pinwarden {

// Of policies that are to be added to those in force, or to replace those of the same name.
std::vector<PolicyChange> changes_by(const std::vector<Policy>& in_force, const std::vector<Policy>& applied);
// Of the removal of one. Nothing when there is none of that name.
std::vector<PolicyChange> changes_by_removing(const std::vector<Policy>& in_force, const std::string& name);

// Of these in place of all that are in force: those that come, go, or are others than before. Where one comes from
// makes no difference.
std::vector<PolicyChange> changes_between(const std::vector<Policy>& in_force, const std::vector<Policy>& coming);

// Whether it sends signals, to whomever.
bool sends_signals(const Policy& policy);

// Whether one of the policies that come enforces what it did not before. Those that stay may be among them.
bool enforces_more(const std::vector<Policy>& in_force, const std::vector<Policy>& coming);

}  // namespace pinwarden
