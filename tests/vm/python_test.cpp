// A client in another language, with nothing of ours but the proto files.
#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// What the client says of its next step, without the step's name: {"step": …}.
std::string next(Process& client, const std::string& step)
{
    const std::string line = client.read_line();
    const std::string head = "{\"" + step + "\": ";
    INFO(line);
    REQUIRE(line.starts_with(head));
    REQUIRE(line.ends_with('}'));
    return line.substr(head.size(), line.size() - head.size() - 1);
}

template <typename Message>
Message parsed(const std::string& json)
{
    Message message;
    INFO(json);
    REQUIRE(google::protobuf::util::JsonStringToMessage(json, &message).ok());
    return message;
}

}  // namespace

TEST_CASE("a client in Python lists pins, applies a policy and watches a conflict", "[python]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    Process client({"env", "PYTHONPATH=" PINWARDEN_PYTHON_DIR, "python3",
                    PINWARDEN_SOURCE_DIR "/tests/vm/python/client.py", daemon.socket(), file.path});

    const auto pins = parsed<v1::ListPinsResponse>("{\"pins\": " + next(client, "pins") + "}");
    REQUIRE(pins.pins_size() == 1);
    CHECK(pins.pins(0).owner().pid() == static_cast<unsigned>(file.pinner.pid()));
    CHECK(pins.pins(0).bytes() == 16384);
    CHECK(pins.pins(0).stack_size() > 0);

    const std::string refused = next(client, "refused");
    CHECK_THAT(refused, Catch::Contains("INVALID_ARGUMENT") && Catch::Contains("policies[1]"));
    CHECK(parsed<v1::ApplyPolicyResponse>(next(client, "applied")).names(0) == "from-python");

    CHECK(next(client, "truncate") == "\"EPERM\"");
    const auto conflict = parsed<v1::Conflict>(next(client, "conflict"));
    CHECK(conflict.verdict() == "deny");
    CHECK(conflict.policy() == "from-python");
    CHECK(conflict.caller().pid() == static_cast<unsigned>(client.pid()));
    REQUIRE(conflict.pins_size() == 1);
    CHECK(conflict.pins(0).owner().pid() == static_cast<unsigned>(file.pinner.pid()));

    CHECK(next(client, "truncate") == "\"done\"");
    CHECK(client.wait() == 0);
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}
