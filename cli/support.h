// One archive for a report of a bug.
#pragma once

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/conflicts.pb.h>
#include <pinwarden/v1/pinctl.pb.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"

namespace pinwarden::cli {

// What goes into it, as the daemon and the machine told it.
struct SupportFacts {
    v1::Diagnosis diagnosis;
    v1::GetStatusResponse status;
    v1::ListPinsResponse pins;
    v1::ListPoliciesResponse policies;
    v1::ListConflictsResponse conflicts;
    v1::ListHoldsResponse holds;
    v1::ListFailuresResponse failures;
    v1::ListNotifiersResponse notifiers;
    std::string metrics;                // as /metrics has them; empty: not got
    std::string log;                    // its end; empty: none
    std::vector<std::string> left_out;  // and why
};

struct SupportFile {
    std::string name;
    std::string text;
};

// Asks the daemon behind `channel` for everything but the diagnosis. What it does not tell is left out, and said so.
// nullptr: there is none.
void ask_for_support(const SupportCommand& command, const std::shared_ptr<grpc::Channel>& channel, SupportFacts& facts);

// What the archive consists of: nothing in it names a file, a process, a cgroup or a container of this machine, but for
// the daemon itself.
std::vector<SupportFile> support_files(SupportFacts facts);

// A .tar.gz for nobody but its owner, all files below one folder. Error: why it was not written; what was there before
// is left alone.
std::expected<void, std::string> write_archive(const std::string& path, const std::vector<SupportFile>& files);

}  // namespace pinwarden::cli
