// What clients of the API hang on stays as it was recorded.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "contract/proto_tree.h"
#include "contract/wire_record.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::contract;
using namespace pinwarden::test;

namespace {

std::vector<std::string> lines_of(const std::string& text)
{
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.file("pinwarden/v1"));
    std::ofstream(folder.file("pinwarden/v1/tried.proto"))
        << "syntax = \"proto3\";\npackage pinwarden.v1;\nimport \"pinwarden/v1/roles.proto\";\n"
        << text;
    const auto tree = ProtoTree::load(folder.file(""));
    INFO((tree ? text : tree.error().message));
    REQUIRE(tree);
    return wire_lines(**tree);
}

// `before`, with the first `what` in it replaced.
std::string changed(std::string text, const std::string& what, const std::string& by)
{
    const auto place = text.find(what);
    REQUIRE(place != std::string::npos);
    return text.replace(place, what.size(), by);
}

const std::string kBefore = R"(
message AskRequest {
  reserved 4 to 5, 9;
  reserved "old";
  uint64 bytes = 7;
  repeated string names = 8;
  optional uint32 uid = 10;
  map<string, Size> sizes = 11;
  oneof kind { string error = 1 [json_name = "errno"]; bool fine = 2; }
}
message AskResponse {}
enum Size { SIZE_UNSPECIFIED = 0; SIZE_BIG = 1; reserved 2; }
service AskService {
  rpc Ask(AskRequest) returns (stream AskResponse) { option (role) = ROLE_READER; }
}
)";

}  // namespace

TEST_CASE("the API is as it was recorded", "[proto]")
{
    const auto tree = ProtoTree::load(PINWARDEN_SOURCE_DIR "/proto");
    REQUIRE(tree);
    std::ifstream file(std::string(PINWARDEN_SOURCE_DIR "/proto/") + kRecord);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const std::vector<std::string> found = wire_lines(**tree);
    const WireDifference difference = compare(parse_record(text), found);
    for (const std::string& line : difference.broken) {
        FAIL_CHECK("this breaks clients of the API: " << line);
    }
    for (const std::string& line : difference.added) {
        FAIL_CHECK("not recorded: " << line << "; when it is meant to stay as it is for good: ./dev proto --accept");
    }
    // Nobody has put it into another order, or written into it, by hand.
    CHECK((!difference.broken.empty() || !difference.added.empty() || text == record_text(found)));
}

TEST_CASE("a line tells all of an element that a client would notice", "[proto]")
{
    CHECK(lines_of(kBefore) ==
          std::vector<std::string>{
              "pinwarden.v1.AskRequest message",
              "pinwarden.v1.AskRequest field 1 error string oneof=kind json=errno",
              "pinwarden.v1.AskRequest field 2 fine bool oneof=kind",
              "pinwarden.v1.AskRequest field 7 bytes uint64",
              "pinwarden.v1.AskRequest field 8 names string repeated",
              "pinwarden.v1.AskRequest field 10 uid uint32 optional",
              "pinwarden.v1.AskRequest field 11 sizes map<string,pinwarden.v1.Size>",
              "pinwarden.v1.AskRequest reserved 4",
              "pinwarden.v1.AskRequest reserved 5",
              "pinwarden.v1.AskRequest reserved 9",
              "pinwarden.v1.AskRequest reserved \"old\"",
              "pinwarden.v1.AskResponse message",
              "pinwarden.v1.AskService service",
              "pinwarden.v1.AskService method Ask (pinwarden.v1.AskRequest) returns (stream pinwarden.v1.AskResponse) "
              "role=READER",
              "pinwarden.v1.Size enum",
              "pinwarden.v1.Size value 0 SIZE_UNSPECIFIED",
              "pinwarden.v1.Size value 1 SIZE_BIG",
              "pinwarden.v1.Size reserved 2",
          });
}

TEST_CASE("what would break a client is told, whatever it is", "[proto]")
{
    struct Change {
        std::string what;
        std::string by;
        std::string told;
    };
    const std::vector<Change> changes{
        {"uint64 bytes = 7;", "", "AskRequest field 7 bytes uint64: is gone"},
        {"uint64 bytes = 7;", "reserved 7; reserved \"bytes\";", "AskRequest field 7 bytes uint64: is gone"},
        {"bytes = 7", "bytes = 12", "AskRequest field 7 bytes uint64: is gone"},
        {"uint64 bytes", "uint32 bytes", "has become: pinwarden.v1.AskRequest field 7 bytes uint32"},
        {"bytes = 7", "octets = 7", "has become: pinwarden.v1.AskRequest field 7 octets uint64"},
        {"bytes = 7", "bytes = 7 [json_name = \"size\"]", "field 7 bytes uint64 json=size"},
        {" [json_name = \"errno\"]", "", "has become: pinwarden.v1.AskRequest field 1 error string oneof=kind;"},
        {"repeated string names", "string names", "has become: pinwarden.v1.AskRequest field 8 names string;"},
        {"optional uint32", "uint32", "has become: pinwarden.v1.AskRequest field 10 uid uint32;"},
        {"bool fine = 2; }", "} bool fine = 2;", "has become: pinwarden.v1.AskRequest field 2 fine bool;"},
        {"map<string, Size>", "map<string, uint32>", "field 11 sizes map<string,uint32>"},
        {"reserved 4 to 5, 9;", "reserved 4, 9;", "AskRequest reserved 5: is reserved no more"},
        {"reserved 4 to 5, 9;", "reserved 4, 9; bool young = 5;", "AskRequest reserved 5: is reserved no more"},
        {"reserved \"old\";", "", "AskRequest reserved \"old\": is reserved no more"},
        {"SIZE_BIG = 1; ", "", "Size value 1 SIZE_BIG: is gone"},
        {"SIZE_BIG = 1", "SIZE_HUGE = 1", "has become: pinwarden.v1.Size value 1 SIZE_HUGE"},
        {"reserved 2;", "", "Size reserved 2: is reserved no more"},
        {"stream AskResponse", "AskResponse", "has become: pinwarden.v1.AskService method Ask"},
        {"Ask(AskRequest)", "Tell(AskRequest)", "AskService method Ask (pinwarden.v1.AskRequest)"},
        {"ROLE_READER", "ROLE_OPERATOR", "role=OPERATOR"},
        {"service AskService", "service QuestionService", "pinwarden.v1.AskService service: is gone"},
        {"message AskResponse {}", "message AskResponse { bool fine = 1; } message More {}", ""},
        {"SIZE_BIG = 1;", "SIZE_BIG = 1; SIZE_HUGE = 3;", ""},
        {"service AskService {", "service AskService { rpc Tell(AskRequest) returns (AskResponse);", ""},
        {"reserved 4 to 5, 9;", "reserved 3 to 6, 9;", ""},
    };
    const std::vector<std::string> recorded = lines_of(kBefore);
    for (const Change& change : changes) {
        const std::string after = changed(kBefore, change.what, change.by);
        INFO(after);
        const WireDifference difference = compare(recorded, lines_of(after));
        if (change.told.empty()) {
            CHECK(difference.broken.empty());
            CHECK_FALSE(difference.added.empty());
            continue;
        }
        REQUIRE_FALSE(difference.broken.empty());
        CHECK(difference.broken.front().find(change.told) != std::string::npos);
    }
}

TEST_CASE("a record that was written is read as it was", "[proto]")
{
    const std::vector<std::string> lines = lines_of(kBefore);
    CHECK(parse_record(record_text(lines)) == lines);
    const WireDifference none = compare(lines, lines);
    CHECK(none.broken.empty());
    CHECK(none.added.empty());
    CHECK(compare({}, lines).added == lines);
}
