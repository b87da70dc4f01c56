#include "cli/client.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <streambuf>
#include <thread>

#include "publish/api_server.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

constexpr const char* kYaml =
    "name: keep\nmode: enforce\nmatch: {operations: [truncate], file: {path_prefixes: [/mnt]}}\naction: {deny: {}}\n";

struct Answer {
    int exit_code = 0;
    std::string out;
    std::string err;
};

struct Daemon {
    Daemon()
    {
        pipeline.pinned = {file_pin(1, 0, 16)};
        pipeline.answer = snapshot_with(pipeline.pinned);
        auto started = ApiServer::start({.operators = {socket}}, pipeline, fanout);
        REQUIRE(started);
        server = std::move(*started);
    }

    Answer pinctl(Command command, bool json = false, const std::string& input = "") const
    {
        std::istringstream in(input);
        std::ostringstream out;
        std::ostringstream err;
        const int code = run({.socket = socket, .json = json, .command = std::move(command)}, {in, out, err}, {});
        return {code, out.str(), err.str()};
    }

    TemporaryFolder folder;
    std::string socket = folder.file("s");
    FakePipeline pipeline;
    Fanout fanout{4, 1024};
    std::unique_ptr<ApiServer> server;
};

// Publishes until told to stop, so that a watcher need not be waited for.
class Publisher {
public:
    using MakeNotice = Notice (*)(PinId id);

    explicit Publisher(Fanout& fanout, MakeNotice notice = pinned_notice)
        : thread_([&fanout, notice](const std::stop_token& stop) {
              for (PinId id = 1; !stop.stop_requested(); ++id) {
                  if (fanout.has_subscribers()) {
                      fanout.publish(notice(id));
                  }
                  std::this_thread::yield();
              }
          })
    {
    }

private:
    std::jthread thread_;
};

// A pipe nobody reads any more.
class BrokenPipe final : public std::streambuf {
protected:
    int sync() override { return -1; }
    int_type overflow(int_type) override { return traits_type::eof(); }
};

}  // namespace

TEST_CASE("pinctl says why it cannot reach the daemon, and what to do", "[grpc]")
{
    const TemporaryFolder folder;
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const std::string socket = folder.file("s");
    CHECK(run({.socket = socket, .json = false, .command = StatusCommand{}}, {in, out, err}, {}) == 1);
    CHECK(out.str().empty());
    CHECK(err.str() ==
          "pinctl: cannot reach pinwardend at " + socket +
              ": no such socket. Is it running? Start it with `./dev run` or `systemctl start pinwardend`, "
              "or give --socket.\n");
}

TEST_CASE("pinctl prints answers as text and as JSON", "[grpc]")
{
    const Daemon daemon;
    CHECK_THAT(daemon.pinctl(StatusCommand{}).out, Catch::StartsWith("pinwardend 0.1.0, pid 77"));
    CHECK_THAT(daemon.pinctl(PinsCommand{}).out, Catch::Contains("rdma-demo"));
    PinsCommand others;
    others.filter.add_pids(1);
    CHECK(daemon.pinctl(others).out == "No pins.\n");
    CHECK_THAT(daemon.pinctl(PinsCommand{.id = 1}).out, Catch::Contains("ib_umem_get+0x2d2 [ib_uverbs]"));
    CHECK_THAT(daemon.pinctl(PinsCommand{.id = 7}).err, Catch::Contains("there is no pin 7"));
    CHECK_THAT(daemon.pinctl(PinsCommand{.by = v1::PIN_GROUPING_DRIVER}).out, Catch::Contains("  rdma_rxe"));
    CHECK(daemon.pinctl(LeaksCommand{.folded = true}).out == "ib_umem_get [ib_uverbs];pin_user_pages_fast 16\n");
    // What changed is told from the second time on.
    CHECK_THAT(daemon.pinctl(LeaksCommand{.top = 10, .again = 1, .count = 2}).out,
               Catch::Contains("1 call, by rdma_rxe") && Catch::Contains("1 call, as before, by rdma_rxe"));
    CHECK_THAT(daemon.pinctl(PinsCommand{}, true).out, Catch::StartsWith("{") && Catch::Contains("\"ledger_certain\""));
}

TEST_CASE("pinctl applies and deletes policies", "[grpc]")
{
    Daemon daemon;
    const Answer checked = daemon.pinctl(PolicyApplyCommand{.files = {"-"}, .validate_only = true}, false, kYaml);
    CHECK(checked.out == "Valid: keep; nothing was changed.\n");
    CHECK(daemon.pipeline.applied.empty());

    std::ofstream(daemon.folder.file("keep.yaml")) << kYaml;
    const Answer applied =
        daemon.pinctl(PolicyApplyCommand{.files = {daemon.folder.file("keep.yaml")}, .validate_only = false});
    CHECK(applied.exit_code == 0);
    CHECK(applied.out == "Applied keep; generation 1 is in force.\n");

    CHECK(daemon.pinctl(PolicyDeleteCommand{"keep"}).out == "Deleted keep; generation 2 is in force.\n");
    const Answer again = daemon.pinctl(PolicyDeleteCommand{"keep"});
    CHECK(again.exit_code == 1);
    CHECK(again.err == "pinctl: no policy \"keep\"\n");
}

TEST_CASE("pinctl shows what is held, and releases it", "[grpc]")
{
    Daemon daemon;
    CHECK(daemon.pinctl(HoldsCommand{}).out == "No operation is held.\n");
    daemon.pipeline.held = holds_with({held_truncate(7)});
    CHECK_THAT(daemon.pinctl(HoldsCommand{}).out, Catch::Contains("truncate[900]"));
    CHECK_THAT(daemon.pinctl(HoldsCommand{}, true).out, Catch::Contains(R"("id": "7")"));

    CHECK(daemon.pinctl(HoldReleaseCommand{.id = 7, .allow = true}).out == "hold 7 released: allow\n");
    CHECK(daemon.pipeline.held.holds.front().released == pinwarden::Outcome::kAllow);
    CHECK(daemon.pinctl(HoldReleaseCommand{.id = 7, .allow = false}).out == "hold 7 released: deny\n");
    CHECK(daemon.pipeline.held.holds.front().released == pinwarden::Outcome::kDeny);

    const Answer missing = daemon.pinctl(HoldReleaseCommand{.id = 9, .allow = true});
    CHECK(missing.exit_code == 1);
    CHECK(missing.out.empty());
    CHECK(missing.err == "pinctl: no operation is held as number 9; held are: 7\n");
}

TEST_CASE("a bad policy is refused with file and line, and what is in force stays", "[grpc]")
{
    Daemon daemon;
    std::ofstream(daemon.folder.file("good.yaml")) << kYaml;
    std::ofstream(daemon.folder.file("bad.yaml")) << "name: bad\nmode: enforcing\n";
    std::ofstream(daemon.folder.file("empty.yaml")) << "";
    std::ofstream(daemon.folder.file("binary.yaml")) << "name: \xff\n";
    const std::pair<std::string, std::string> rows[] = {
        {"bad.yaml", "bad.yaml:2:"},    {"empty.yaml", "empty.yaml"},
        {"binary.yaml", "binary.yaml"}, {"missing.yaml", "No such file or directory"},
        {".", "Is a directory"},
    };
    for (const auto& [file, message] : rows) {
        const Answer answer = daemon.pinctl(PolicyApplyCommand{
            .files = {daemon.folder.file("good.yaml"), daemon.folder.file(file)}, .validate_only = false});
        INFO(file);
        CHECK(answer.exit_code == 1);
        CHECK_THAT(answer.err, Catch::StartsWith("pinctl: ") && Catch::Contains(message));
        CHECK(daemon.pipeline.applied.empty());
    }
}

TEST_CASE("errors of the daemon are told as such", "[grpc]")
{
    Daemon daemon;
    daemon.pipeline.fails = Error{"too slow", ETIMEDOUT};
    const Answer answer = daemon.pinctl(StatusCommand{});
    CHECK(answer.exit_code == 1);
    CHECK_THAT(answer.err, Catch::Contains("did not answer in time"));
}

TEST_CASE("pinctl changes policies only in the generation it is told", "[grpc]")
{
    Daemon daemon;
    daemon.pipeline.answer.policy_generation = 5;
    PolicyApplyCommand apply{.files = {"-"}, .validate_only = false, .if_generation = 4};
    const Answer refused = daemon.pinctl(apply, false, kYaml);
    CHECK(refused.exit_code == 1);
    CHECK(refused.err == "pinctl: another generation is in force\n");
    CHECK(daemon.pipeline.applied.empty());
    apply.if_generation = 5;
    CHECK(daemon.pinctl(apply, false, kYaml).out == "Applied keep; generation 6 is in force.\n");
    CHECK(daemon.pinctl(PolicyModeCommand{.name = "keep", .mode = PolicyMode::kOff, .if_generation = 5}).exit_code ==
          1);
    CHECK(daemon.pinctl(PolicyDeleteCommand{.name = "keep", .if_generation = 5}).exit_code == 1);
    CHECK(daemon.pipeline.applied.size() == 1);
    CHECK(daemon.pinctl(PolicyDeleteCommand{.name = "keep", .if_generation = 6}).exit_code == 0);
}

TEST_CASE("with --json pinctl says why a call failed as JSON, with the reason and the field", "[grpc]")
{
    Daemon daemon;
    const Answer policy = daemon.pinctl(PolicyDeleteCommand{"keep"}, true);
    CHECK(policy.exit_code == 1);
    CHECK(policy.out.empty());
    CHECK_THAT(policy.err, Catch::StartsWith("{") && Catch::Contains(R"("message": "no policy \"keep\"")") &&
                               Catch::Contains(R"("code": "NOT_FOUND")") &&
                               Catch::Contains(R"("reason": "POLICY_NOT_FOUND")") && Catch::Contains(R"("field": "")"));
    PinsCommand pins;
    pins.filter.mutable_min_age()->set_seconds(-1);
    const Answer field = daemon.pinctl(pins, true);
    CHECK_THAT(field.err,
               Catch::Contains(R"("field": "filter.min_age")") && Catch::Contains(R"("reason": "INVALID_REQUEST")"));
    WatchCommand watch;
    watch.filter = pins.filter;
    CHECK_THAT(daemon.pinctl(watch, true).err, Catch::Contains(R"("field": "filter.min_age")"));
    // As text the message itself begins with it.
    CHECK(daemon.pinctl(pins).err == "pinctl: filter.min_age: is less than nothing\n");
}

TEST_CASE("how far an audit is, is shown where somebody looks, and nowhere else", "[grpc]")
{
    Daemon daemon;
    daemon.pipeline.steps = {{AuditPhase::kMemory, 1, 4}, {AuditPhase::kOwners, 3, 0}};
    daemon.pipeline.found.report.exact = true;
    daemon.pipeline.found.report.whole_memory = true;
    const auto run_with = [&](const Command& command, bool progress, bool json) {
        std::istringstream in;
        std::ostringstream out;
        std::ostringstream err;
        CHECK(run({.socket = daemon.socket, .json = json, .command = command}, {in, out, err, progress}, {}) == 0);
        return Answer{0, out.str(), err.str()};
    };
    for (const Command& command : {Command(AuditCommand{.ledger_only = true}), Command(CensusCommand{})}) {
        const Answer shown = run_with(command, true, false);
        CHECK(shown.err == "\r\x1b[Klooking at memory: 25 % of 4 pages\r\x1b[Klooking for owners: 3 processes\r\x1b[K");
        const Answer quiet = run_with(command, false, false);
        CHECK(quiet.err.empty());
        CHECK(quiet.out == shown.out);
        CHECK(run_with(command, true, true).err.empty());
    }
}

TEST_CASE("watch ends after the events asked for, a line each", "[grpc]")
{
    Daemon daemon;
    const Publisher publisher(daemon.fanout);
    const Answer text = daemon.pinctl(WatchCommand{.kinds = {}, .count = 3});
    CHECK(text.exit_code == 0);
    CHECK(std::ranges::count(text.out, '\n') >= 3);

    const Answer json = daemon.pinctl(WatchCommand{.kinds = {Kind::kPin}, .count = 3}, true);
    CHECK(std::ranges::count(json.out, '\n') == 3);
    CHECK_THAT(json.out, Catch::StartsWith(R"({"kind":"EVENT_KIND_PIN")"));
}

TEST_CASE("watch shows signals and ends of revocations, each by itself when asked to", "[grpc]")
{
    Daemon daemon;
    const Publisher publisher(daemon.fanout, [](PinId id) {
        if (id % 3 == 0) {
            return pinned_notice(id);
        }
        return id % 3 == 1 ? signal_notice(ActOutcome::kSent)
                           : revocation_notice(RevocationEnd::kReleased, {released_victim(812)});
    });
    const Answer signals = daemon.pinctl(WatchCommand{.kinds = {Kind::kSignal}, .count = 2});
    CHECK(std::ranges::count(signals.out, '\n') >= 2);
    CHECK_THAT(signals.out, Catch::Contains("SIGTERM sent to rdma-demo[812]") && !Catch::Contains("revoked") &&
                                !Catch::Contains("  pin  "));

    const Answer both = daemon.pinctl(WatchCommand{.kinds = {Kind::kSignal, Kind::kRevocation}, .count = 4});
    CHECK_THAT(both.out, Catch::Contains("SIGTERM sent to rdma-demo[812]") &&
                             Catch::Contains("  revoked   1 owner let") && !Catch::Contains("  pin  "));
}

TEST_CASE("watch ends quietly when nobody reads its output any more", "[grpc]")
{
    Daemon daemon;
    const Publisher publisher(daemon.fanout);
    std::istringstream in;
    BrokenPipe pipe;
    std::ostream out(&pipe);
    std::ostringstream err;
    CHECK(run({.socket = daemon.socket, .json = false, .command = WatchCommand{}}, {in, out, err}, {}) == 0);
    CHECK(err.str().empty());
}

TEST_CASE("watch tells when the daemon goes away", "[grpc]")
{
    Daemon daemon;
    Answer answer;
    std::jthread watcher([&] { answer = daemon.pinctl(WatchCommand{}); });
    while (!daemon.fanout.has_subscribers()) {
        std::this_thread::yield();
    }
    daemon.server.reset();
    watcher.join();
    CHECK(answer.exit_code == 1);
    CHECK_THAT(answer.err, Catch::Contains("went away"));
}
