// How the proto files are written.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "contract/proto_style.h"
#include "contract/proto_tree.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::contract;
using namespace pinwarden::test;

namespace {

// What is wrong with a file of that text, without the place.
std::vector<std::string> complaints_about(const std::string& text)
{
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.file("pinwarden/v1/tried.proto");
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    const auto tree = ProtoTree::load(folder.file(""));
    REQUIRE(tree);
    REQUIRE((*tree)->files().size() == 1);
    std::vector<std::string> complaints = style_complaints(*(*tree)->files().front());
    for (std::string& complaint : complaints) {
        REQUIRE(complaint.starts_with("pinwarden/v1/tried.proto:"));
        complaint.erase(0, complaint.find(": ") + 2);
    }
    return complaints;
}

const std::string kHead = "syntax = \"proto3\";\npackage pinwarden.v1;\n";
const std::string kNoSentence = "has no sentence above it that says what it is";

}  // namespace

TEST_CASE("the proto files are written as they should be, and everything in them is described", "[proto]")
{
    const auto tree = ProtoTree::load(PINWARDEN_SOURCE_DIR "/proto");
    INFO((tree ? "" : tree.error().message));
    REQUIRE(tree);
    CHECK((*tree)->files().size() >= 3);
    for (const auto* const file : (*tree)->files()) {
        for (const std::string& complaint : style_complaints(*file)) {
            FAIL_CHECK("proto/" << complaint);
        }
    }
}

TEST_CASE("a proto file that is written as it should be has nothing to complain of", "[proto]")
{
    CHECK(complaints_about(kHead + R"(
import "pinwarden/v1/roles.proto";
// Things.
service ThingService {
  // Every thing, as it comes.
  rpc WatchThings(WatchThingsRequest) returns (stream WatchThingsResponse) { option (role) = ROLE_READER; }
}
// Which ones.
message WatchThingsRequest {
  // By name.
  map<string, uint64> by_name = 1;
  optional uint32 tcp4_port = 2; // Where.
}
// One of them.
message WatchThingsResponse {
  // What it is.
  oneof kind {
    // Its size: bytes.
    uint64 size = 1;
  }
  // How big.
  enum SizeClass {
    // Not known.
    SIZE_CLASS_UNSPECIFIED = 0;
    // Big!
    SIZE_CLASS_BIG = 1;
  }
}
)") == std::vector<std::string>{});
}

TEST_CASE("each slip of style in a proto file is named, with its line", "[proto]")
{
    struct Slip {
        std::string text;
        std::vector<std::string> complaints;
    };
    const std::string question = "// Q.\nmessage AskRequest {}\n// A.\nmessage AskResponse {}\n";
    const std::string roles = "import \"pinwarden/v1/roles.proto\";\n";
    const std::string reader = "{ option (role) = ROLE_READER; }";
    const std::vector<Slip> slips{
        {"syntax = \"proto3\";\npackage pinwarden.v2;\n", {"package must be pinwarden.v1, which is its folder"}},
        {"syntax = \"proto2\";\npackage pinwarden.v1;\n", {"must begin with syntax = \"proto3\""}},
        {kHead + "// A.\nservice Things {}\n", {"pinwarden.v1.Things: a service must be named ...Service"}},
        {kHead + "service ThingService {}\n", {"pinwarden.v1.ThingService: " + kNoSentence}},
        {kHead + roles + question + "// A.\nservice AService {\n  rpc Ask(AskRequest) returns (AskResponse) " + reader +
             "\n}\n",
         {"pinwarden.v1.AService.Ask: " + kNoSentence}},
        {kHead + roles + question + "// A.\nservice AService {\n  // A.\n  rpc ask(AskRequest) returns (AskResponse) " +
             reader + "\n}\n",
         {"pinwarden.v1.AService.ask: a method must be named in CamelCase",
          "pinwarden.v1.AService.ask: must take askRequest, not pinwarden.v1.AskRequest",
          "pinwarden.v1.AService.ask: must answer askResponse, not pinwarden.v1.AskResponse"}},
        {kHead + roles + question +
             "// A.\nservice AService {\n  // A.\n  rpc Ask(AskResponse) returns (stream AskRequest) " + reader +
             "\n}\n",
         {"pinwarden.v1.AService.Ask: must take AskRequest, not pinwarden.v1.AskResponse",
          "pinwarden.v1.AService.Ask: must answer AskResponse, not pinwarden.v1.AskRequest"}},
        {kHead + question + "// A.\nservice AService {\n  // A.\n  rpc Ask(AskRequest) returns (AskResponse);\n}\n",
         {"pinwarden.v1.AService.Ask: does not say who may call it: option (role) = ROLE_READER, or ROLE_OPERATOR"}},
        {kHead + "// A.\nmessage a_thing {}\n", {"pinwarden.v1.a_thing: a message must be named in CamelCase"}},
        {kHead + "message Thing {}\n", {"pinwarden.v1.Thing: " + kNoSentence}},
        {kHead + "// thing\nmessage Thing {}\n", {"pinwarden.v1.Thing: " + kNoSentence}},
        {kHead + "// A.\nmessage Thing {\n  // A.\n  message Inner {\n    bool own = 1;\n  }\n}\n",
         {"pinwarden.v1.Thing.Inner.own: " + kNoSentence}},
        {kHead + "// A.\nmessage Thing {\n  // A.\n  bool myOwn = 1;\n}\n",
         {"pinwarden.v1.Thing.myOwn: a field must be named in lower_snake_case"}},
        {kHead + "// A.\nmessage Thing {\n  oneof OneOf {\n    // A.\n    bool own = 1;\n  }\n}\n",
         {"pinwarden.v1.Thing.OneOf: a oneof must be named in lower_snake_case",
          "pinwarden.v1.Thing.OneOf: " + kNoSentence}},
        {kHead + "enum Size {\n  // A.\n  SIZE_UNSPECIFIED = 0;\n  SIZE_BIG = 1;\n}\n",
         {"pinwarden.v1.Size: " + kNoSentence, "pinwarden.v1.SIZE_BIG: " + kNoSentence}},
        {kHead + "// A.\nenum Size {\n  // A.\n  SIZE_UNKNOWN = 0;\n  // A.\n  BIG = 1;\n}\n",
         {"pinwarden.v1.SIZE_UNKNOWN: 0, and only 0, must be SIZE_UNSPECIFIED",
          "pinwarden.v1.BIG: must begin with SIZE_, and be UPPER_SNAKE_CASE"}},
        {kHead + "// A.\nenum size_class {\n  // A.\n  SIZE_CLASS_UNSPECIFIED = 0;\n}\n",
         {"pinwarden.v1.size_class: an enum must be named in CamelCase"}},
    };
    for (const Slip& slip : slips) {
        INFO(slip.text);
        CHECK(complaints_about(slip.text) == slip.complaints);
    }
}

TEST_CASE("proto files are found by themselves, and what protoc would refuse is told with its place", "[proto]")
{
    const TemporaryFolder folder;
    CHECK_FALSE(ProtoTree::load(folder.file("")));
    std::filesystem::create_directories(folder.file("pinwarden/v1/more"));
    std::ofstream(folder.file("pinwarden/v1/b.proto")) << "syntax = \"proto3\";";
    std::ofstream(folder.file("pinwarden/v1/more/a.proto")) << "syntax = \"proto3\";";
    std::ofstream(folder.file("pinwarden/v1/notes.txt")) << "no proto";
    const auto found = ProtoTree::load(folder.file(""));
    REQUIRE(found);
    REQUIRE((*found)->files().size() == 2);
    CHECK((*found)->files()[1]->name() == "pinwarden/v1/more/a.proto");

    std::ofstream(folder.file("pinwarden/v1/b.proto")) << "syntax = \"proto3\";\nmessage {}\n";
    const auto broken = ProtoTree::load(folder.file(""));
    REQUIRE_FALSE(broken);
    CHECK(broken.error().message.find("pinwarden/v1/b.proto:2:9: Expected message name.") != std::string::npos);
}
