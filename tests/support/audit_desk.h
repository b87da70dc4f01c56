// What tests of the audit log share: a folder, a clock, and something to record.
#pragma once

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "act/audit_log.h"
#include "support/test_clock.h"

namespace pinwarden::test {

// A folder of its own for each test, gone afterwards, and a clock that stands at 2026-11-26T04:16:53Z.
struct AuditDesk {
    AuditDesk()
    {
        std::string pattern = std::filesystem::temp_directory_path() / "pinwarden-audit-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) {
            throw std::runtime_error("mkdtemp failed");
        }
        folder = pattern;
        clock.time = 7'000'000'000;
        clock.unix_offset = 1'795'666'613'000'000'005 - clock.time;
    }
    AuditDesk(const AuditDesk&) = delete;
    AuditDesk& operator=(const AuditDesk&) = delete;
    ~AuditDesk() { std::filesystem::remove_all(folder); }

    [[nodiscard]] std::string path() const { return folder / "audit.jsonl"; }

    std::filesystem::path folder;
    TestClock clock;
};

inline std::string text_of(const std::filesystem::path& path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

inline std::vector<std::string> lines_of(const std::filesystem::path& path)
{
    std::vector<std::string> lines;
    std::stringstream text(text_of(path));
    for (std::string line; std::getline(text, line);) {
        lines.push_back(line);
    }
    return lines;
}

inline bool is_json(const std::string& line)
{
    google::protobuf::Struct parsed;
    return google::protobuf::util::JsonStringToMessage(line, &parsed).ok();
}

inline MetOperation met_truncate()
{
    MetOperation operation{
        .operation = "truncate", .file = "/mnt/data/x", .first_page = 1, .end_page = 5, .caller = {}};
    operation.caller.process = {812, 9};
    operation.caller.uid = 0;
    operation.caller.comm = "truncate";
    return operation;
}

inline SignalEntry signal_entry()
{
    SignalEntry entry;
    entry.policy = "datasets";
    entry.generation = 3;
    entry.rule = "revoke.then[0]";
    entry.signal = SIGTERM;
    entry.victim.process = {4711, 123'456'789'012'345'678};
    entry.victim.uid = 1000;
    entry.victim.comm = "work\ner";
    entry.victim.executable = "/usr/bin/worker";
    entry.victim.cgroup = "/system.slice/worker.service";
    entry.operation = met_truncate();
    entry.held = {.pins = {7, 8}, .bytes = 16384, .drivers = {"vfio"}};
    return entry;
}

inline PolicyEntry policy_entry()
{
    return {
        .action = "apply",
        .policies = {{.name = "datasets", .before = Mode::kMonitor, .after = Mode::kEnforce, .source = "/etc/d.yaml"},
                     {.name = "new", .before = {}, .after = Mode::kOff, .source = "grpc"}},
        .generation = 3,
        .asked_by = Requester{.uid = 1001, .pid = 99}};
}

inline HoldEntry hold_entry(std::uint64_t hold = 7)
{
    return {.hold = hold,
            .policy = "datasets",
            .generation = 3,
            .operation = met_truncate(),
            .held = {.pins = {7}, .bytes = 8192, .drivers = {"vfio"}}};
}

inline AcknowledgementEntry acknowledgement_entry()
{
    const SignalEntry signal = signal_entry();
    return {.revocation = 9,
            .policy = signal.policy,
            .generation = signal.generation,
            .intent = RevocationIntent::kCannot,
            .owner = signal.victim,
            .operation = signal.operation,
            .held = signal.held,
            .asked_by = Requester{.uid = 1000, .pid = 4711}};
}

inline DenialEntry denial_entry()
{
    return {.policy = "datasets",
            .generation = 3,
            .operation = met_truncate(),
            .held = {.pins = {7}, .bytes = 8192, .drivers = {"vfio"}},
            .error = 16};
}

}  // namespace pinwarden::test
