// What the archive for a report of a bug consists of.
#include <array>

#include "cli/doctor.h"
#include "cli/redact.h"
#include "cli/render.h"
#include "cli/support.h"

namespace pinwarden::cli {
namespace {

constexpr const char* kReadMe =
    "What pinwardend and its machine told, for a report of a bug.\n"
    "\n"
    "doctor.txt      what was looked at, and what is wrong\n"
    "*.json          answers of the API: status with hooks and losses, pins, policies, conflicts, holds, failures,\n"
    "                notifiers\n"
    "metrics.txt     what Prometheus gets\n"
    "log.txt         the end of the log, where one was given with --log\n"
    "\n"
    "Replaced by path-1, process-1, cgroup-1, container-1 and so on, the same one for the same name in all files: "
    "names of\n"
    "files, processes, cgroups and containers. Left out: addresses. Kept: numbers (pids, uids, inodes, devices, "
    "sizes,\n"
    "times), names of policies and drivers, kernel functions in stacks, the kernel's release. In sentences and in the "
    "log\n"
    "what is known as such a name or looks like a path was replaced; look through log.txt before you give it away.\n";

}  // namespace

std::vector<SupportFile> support_files(SupportFacts facts)
{
    const std::array<std::pair<const char*, google::protobuf::Message*>, 8> messages{
        {{"doctor.json", &facts.diagnosis},
         {"status.json", &facts.status},
         {"pins.json", &facts.pins},
         {"policies.json", &facts.policies},
         {"conflicts.json", &facts.conflicts},
         {"holds.json", &facts.holds},
         {"failures.json", &facts.failures},
         {"notifiers.json", &facts.notifiers}}};
    Redactor redactor;
    for (const auto& [name, message] : messages) {
        redactor.learn(*message);
    }
    std::vector<SupportFile> files;
    for (const auto& [name, message] : messages) {
        redactor.redact(*message);
        files.push_back({name, to_json(*message, true)});
    }
    files.push_back({"doctor.txt", render_diagnosis(facts.diagnosis, {})});
    if (!facts.metrics.empty()) {
        files.push_back({"metrics.txt", facts.metrics});
    }
    if (!facts.log.empty()) {
        files.push_back({"log.txt", redactor.redact_text(facts.log)});
    }
    std::string read_me = kReadMe;
    for (const std::string& reason : facts.left_out) {
        read_me += "\nNot here: " + redactor.redact_text(reason) + "\n";
    }
    files.push_back({"README.txt", read_me});
    return files;
}

}  // namespace pinwarden::cli
