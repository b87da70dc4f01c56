// A question what would happen, and the answer, by value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "act/revocation_preview.h"
#include "policy/dry_run.h"
#include "policy/file_finder.h"
#include "policy/operation_text.h"
#include "policy/policy.h"

namespace pinwarden {

struct DryRunQuestion {
    std::string path;          // absolute; empty: the file is given by the next two
    std::uint64_t inode = 0;   // of a file with pins
    std::uint32_t device = 0;  // kernel encoding
    RequestedOperation operation = {};
    std::vector<Policy> policies = {};          // in place of those of the same name, or after all
    std::optional<std::uint32_t> caller_uid{};  // nothing: root
    std::string caller_comm = {};               // empty: nothing is known of it
    std::optional<FoundFile> found = {};        // what is at `path`; looked up by whoever asks the engine
};

struct DryRunView {
    DryRun run;                                     // pins' stacks and mms cleared
    std::optional<Policy> deciding = {};            // the policy that would
    std::vector<std::string> tested = {};           // names of those that came with the question
    std::optional<RevocationPreview> signals = {};  // of a policy that would signal owners
    bool ledger_certain = true;
    Nanoseconds taken = 0;
    Nanoseconds boot_to_unix = 0;
};

}  // namespace pinwarden
