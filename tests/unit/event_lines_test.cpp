// Conflicts and decisions as lines of JSON, and where these go.
#include "publish/event_lines.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <vector>

#include "app/event_writer.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

using Object = google::protobuf::Struct;

Object parsed(const std::string& json)
{
    Object object;
    INFO(json);
    REQUIRE(google::protobuf::util::JsonStringToMessage(json, &object).ok());
    return object;
}

// "event.kind": where that is a text.
std::string at(const Object& object, const std::string& path)
{
    const std::size_t dot = path.find('.');
    const auto found = object.fields().find(path.substr(0, dot));
    if (found == object.fields().end()) {
        return "(absent)";
    }
    if (dot != std::string::npos) {
        return at(found->second.struct_value(), path.substr(dot + 1));
    }
    if (found->second.has_list_value()) {
        return found->second.list_value().values(0).string_value();
    }
    return found->second.has_number_value() ? std::to_string(static_cast<long>(found->second.number_value()))
                                            : found->second.string_value();
}

Notice conflict(pw_verdict verdict, const std::string& policy, int error)
{
    ConflictNotice notice;
    Conflict& conflict = notice.conflict.conflict;
    conflict.operation.operation = PW_OPERATION_TRUNCATE;
    conflict.operation.verdict = verdict;
    conflict.operation.error = error;
    conflict.operation.file = {.inode = 12, .device = 8U << 20U | 1U};
    conflict.operation.file_size = 65536;
    conflict.operation.caller = file_pin(1, 0, 1).pin.owner;
    conflict.operation.caller.process.pid = 900;
    conflict.operation.caller.comm = "trun\ncate";
    conflict.path = "/mnt/data/x\xff";
    conflict.filesystem = "ext4";
    // Not one registration: what lies between is not pinned.
    conflict.pins = {file_pin(1, 0, 16).pin, file_pin(2, 100, 1).pin};
    notice.conflict.policy = policy;
    notice.conflict.reason = "2 pins are in the way";
    return {.time = 100 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond, .what = notice};
}

Object line_of(const Notice& notice, std::uint64_t lost = 0)
{
    const auto line = event_line(notice, lost, "node7");
    REQUIRE(line);
    CHECK(line->json.find('\n') == std::string::npos);
    return parsed(line->json);
}

}  // namespace

TEST_CASE("a denied operation is a failure that a rule decided", "[events]")
{
    const Object line = line_of(conflict(PW_VERDICT_DENY, "datasets", EBUSY));
    const std::pair<const char*, const char*> expected[] = {
        {"@timestamp", "2023-11-14T22:15:00Z"},
        {"ecs.version", "8.11.0"},
        {"event.kind", "event"},
        {"event.category", "file"},
        {"event.type", "denied"},
        {"event.action", "truncate"},
        {"event.outcome", "failure"},
        {"event.module", "pinwarden"},
        {"event.dataset", "pinwarden.conflict"},
        {"event.reason", "2 pins are in the way"},
        {"host.name", "node7"},
        {"process.pid", "900"},
        {"process.name", "trun\ncate"},
        {"file.path", "/mnt/data/x\uFFFD"},
        {"file.inode", "12"},
        {"file.device", "8:1"},
        {"rule.name", "datasets"},
        {"pinwarden.verdict", "deny"},
        {"pinwarden.mode", "enforce"},
        {"pinwarden.errno", "EBUSY"},
        {"pinwarden.pin_count", "2"},
        {"pinwarden.pinned_bytes", "69632"},
        {"pinwarden.old_size", "65536"},
        {"pinwarden.lost_before", "(absent)"},
    };
    for (const auto& [path, value] : expected) {
        INFO(path);
        CHECK(at(line, path) == value);
    }
    const auto& owners = line.fields().at("pinwarden").struct_value().fields().at("owners").list_value();
    REQUIRE(owners.values_size() == 1);
    CHECK(at(owners.values(0).struct_value(), "driver") == "rdma_rxe");
    CHECK(at(owners.values(0).struct_value(), "pins") == "2");
}

TEST_CASE("what went ahead over pinned memory is an alert", "[events]")
{
    const Object allowed = line_of(conflict(PW_VERDICT_ALLOW, "", 0), 7);
    CHECK(at(allowed, "event.kind") == "alert");
    CHECK(at(allowed, "event.outcome") == "success");
    CHECK(at(allowed, "rule.name") == "(absent)");
    CHECK(at(allowed, "pinwarden.lost_before") == "7");
    const Object monitored = line_of(conflict(PW_VERDICT_WOULD_DENY, "trial", EBUSY));
    CHECK(at(monitored, "event.kind") == "alert");
    CHECK(at(monitored, "event.outcome") == "success");
    CHECK(at(monitored, "pinwarden.mode") == "monitor");
    const Object held = line_of(conflict(PW_VERDICT_HOLD, "datasets", EBUSY));
    CHECK(at(held, "event.outcome") == "unknown");
}

TEST_CASE("decisions have lines, and pins that come and go have none", "[events]")
{
    const Object held = line_of(hold_ended_notice("timed_out_deny"));
    CHECK(at(held, "event.dataset") == "pinwarden.hold");
    CHECK(at(held, "event.kind") == "alert");
    CHECK(at(held, "event.outcome") == "failure");
    CHECK(at(held, "pinwarden.hold_outcome") == "timed_out_deny");
    Notice leak = pinned_notice(1);
    leak.what = LeakNotice{file_pin(1, 0, 1)};
    CHECK(at(line_of(leak), "event.dataset") == "pinwarden.leak");
    CHECK_FALSE(event_line(pinned_notice(1), 0, "node7"));
}

TEST_CASE("lines are written to all outputs, and a failing one is told of once", "[events]")
{
    Fanout fanout(2, 16);
    std::vector<std::string> warnings;
    std::vector<std::string> written;
    int left_to_fail = 2;
    {
        auto writer = EventWriter::start(fanout, {[&](const EventLine& line) -> Result<void> {
                                             if (left_to_fail-- > 0) {
                                                 return fail("no space");
                                             }
                                             written.push_back(line.json);
                                             return {};
                                         }},
                                         [&](const std::string& text) { warnings.push_back(text); });
        REQUIRE(writer);
        for (int i = 0; i < 4; ++i) {
            fanout.publish(conflict(PW_VERDICT_DENY, "datasets", EBUSY));
            fanout.publish(pinned_notice(1));
        }
    }
    CHECK(written.size() == 2);
    CHECK(warnings == std::vector<std::string>{"events are not written any more: no space",
                                               "events are written again; 2 are missing"});
    CHECK_FALSE(fanout.has_subscribers());
}

TEST_CASE("a full event log is put aside", "[events]")
{
    const TemporaryFolder folder;
    constexpr std::uint64_t kSmall = 4096;
    AuditFile file(folder.file("events.json"), {.bytes = kSmall, .keep = 2}, "event log");
    const auto sink = to_file(file);
    const auto line = event_line(conflict(PW_VERDICT_DENY, "datasets", EBUSY), 0, "node7");
    for (int i = 0; i < 20; ++i) {
        REQUIRE(sink(*line));
    }
    for (const char* name : {"events.json", "events.json.1", "events.json.2"}) {
        std::ifstream part(folder.file(name));
        std::string whole;
        REQUIRE(std::getline(part, whole));
        CHECK(whole == line->json);
    }
    CHECK_FALSE(std::ifstream(folder.file("events.json.3")).good());
    AuditFile nowhere(folder.file("events.json") + "/x", {}, "event log");
    const auto refused = to_file(nowhere)(*line);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::StartsWith("event log "));
}
