// Pins that outlive their owner.
#include <google/protobuf/util/time_util.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

std::vector<v1::Pin> orphans_and_holders(Daemon& daemon)
{
    v1::ListPinsRequest request;
    request.mutable_filter()->set_orphans(true);
    request.set_include_holders(true);
    const auto listed = daemon.api().list_pins(request);
    return {listed.pins().begin(), listed.pins().end()};
}

// Times of day come from two clocks that drift against each other between two events; spans do not.
bool about_equal(const google::protobuf::Duration& left, const google::protobuf::Duration& right)
{
    return std::abs(google::protobuf::util::TimeUtil::DurationToMicroseconds(left - right)) < 1000;
}

}  // namespace

TEST_CASE("1 GiB of a killed process in io_uring: orphaned at once, gone when the kernel's worker is done")
{
    Daemon& daemon = Daemon::shared();
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_ORPHAN, v1::EVENT_KIND_RELEASE});
    Pinner pinner;
    pinner.ok("anon 1073741824", std::chrono::seconds(240));
    pinner.ok("pin uring", std::chrono::seconds(240));
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 1);
    CHECK(pins[0].bytes() == 1U << 30U);
    pinner.kill();

    const auto orphaned = watch.wait_for("orphan", [](const auto& e) { return e.kind() == v1::EVENT_KIND_ORPHAN; });
    CHECK(orphaned.pin().id() == pins[0].id());
    const auto released = watch.wait_for("its end", [](const auto& e) { return e.fully_released(); });
    CHECK(released.pin().id() == pins[0].id());
    CHECK(about_equal(released.time_since_owner_exit(), released.time() - orphaned.time()));
    WARN("released " << google::protobuf::util::TimeUtil::DurationToMilliseconds(released.time_since_owner_exit())
                     << " ms after its owner's exit");
    daemon.expect_nothing_pinned();
}

TEST_CASE("a pin that outlives its owner is an orphan at once and a leak later, with who may hold it")
{
    Daemon::stop_shared();
    Daemon daemon({"--leak-after", "1s"});
    daemon.followed(Machine::instance().rdma("rw"), "rdma regions");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_ORPHAN, v1::EVENT_KIND_LEAK, v1::EVENT_KIND_RELEASE});
    Pinner bystander;
    bystander.ok("memfd other 4096");
    bystander.ok("pin " + Machine::instance().rdma("rw"));
    Pinner pinner;
    pinner.ok("memfd inherited 65536");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    CHECK(orphans_and_holders(daemon).empty());
    const pid_t heir = std::stoi(pinner.ok("heir"));
    pinner.kill();

    const auto orphaned = watch.wait_for("orphan", [](const auto& e) { return e.kind() == v1::EVENT_KIND_ORPHAN; });
    CHECK(orphaned.pin().owner().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(orphaned.pin().orphaned_since() == orphaned.time());
    auto orphans = orphans_and_holders(daemon);
    REQUIRE(orphans.size() == 1);
    CHECK(orphans[0].bytes() == 65536);
    CHECK(orphans[0].object() == "rdma_region");
    CHECK(orphans[0].driver_frame().find("[rdma_rxe]") != std::string::npos);
    bool heir_named = false;
    for (const v1::Holder& holder : orphans[0].may_be_held_by()) {
        CHECK(holder.file().starts_with("/dev/infiniband/uverbs"));
        heir_named = heir_named || holder.pid() == static_cast<unsigned>(heir);
    }
    CHECK(heir_named);

    const auto leak = watch.wait_for("leak", [](const auto& e) { return e.kind() == v1::EVENT_KIND_LEAK; });
    CHECK(leak.pin().id() == orphaned.pin().id());
    CHECK(google::protobuf::util::TimeUtil::DurationToMilliseconds(leak.time() - orphaned.time()) >= 1000);
    const Metrics metrics = Daemon::metrics();
    CHECK(metrics.sum("pinwarden_leaks", {{"driver", "rdma_rxe"}}) == 1);
    CHECK(metrics.sum("pinwarden_leaked_bytes") == 65536);
    CHECK(metrics.sum("pinwarden_orphans") == 1);
    CHECK(metrics.sum("pinwarden_oldest_orphan_timestamp_seconds") > 0);
    CHECK(metrics.sum("pinwarden_orphan_release_seconds_count") == 0);
    const std::string table = daemon.pinctl("pins --leaked").out;
    INFO(table);
    for (const std::string& word : {std::string("leak"), std::string("rdma_rxe"), std::string("memfd:inherited"),
                                    "pinner[" + std::to_string(heir) + "]"}) {
        CHECK(table.find(word) != std::string::npos);
    }

    // By the stack that pinned it: the leak of 65536 bytes, and what the bystander has.
    const std::string stacks = daemon.pinctl("leaks --driver rdma_rxe").out;
    INFO(stacks);
    for (const char* const word : {"1 orphan, 1 leak", "rxe_mr_init_user+", "[rdma_rxe]", "Trust: certain"}) {
        CHECK(stacks.find(word) != std::string::npos);
    }
    CHECK(stacks.find("ffffffff") == std::string::npos);
    const std::string folded = daemon.pinctl("leaks --leaked --folded").out;
    INFO(folded);
    CHECK(folded.ends_with(" 16\n"));
    CHECK(folded.find(";rxe_mr_init_user [rdma_rxe];") != std::string::npos);
    CHECK(folded.find("bpf_") == std::string::npos);

    REQUIRE(kill(heir, SIGKILL) == 0);
    const auto released = watch.wait_for("its end", [](const auto& e) { return e.fully_released(); });
    CHECK(released.pin().id() == orphaned.pin().id());
    CHECK(about_equal(released.time_since_owner_exit(), released.time() - orphaned.time()));
    CHECK(Daemon::metrics().sum("pinwarden_orphan_release_seconds_count") == 1);
    CHECK(orphans_and_holders(daemon).empty());
    CHECK(daemon.api().pins().size() == 1);
    bystander.end();
    daemon.stop();
}

TEST_CASE("an owner whose exit is not reported is found gone")
{
    Daemon& daemon = Daemon::shared({"--ring-size", "16KiB"});
    Machine::instance().rdma("rw");
    Pinner pinner;
    pinner.ok("memfd lost 4096");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    REQUIRE(daemon.api().pins().size() == 1);
    const pid_t heir = std::stoi(pinner.ok("heir"));
    {
        // So much that the ring is full when the owner goes: a release is the smallest record of all but an exit, and
        // of the room that none fits in, the noise itself takes what an exit needs.
        const Daemon::Paused paused(daemon);
        Pinner noise;
        noise.ok("memfd noise 4096");
        for (int i = 0; i < 64; ++i) {
            noise.ok("pin uring");
            noise.ok("release");
        }
        noise.end();
        pinner.kill();
    }
    eventually("the owner is known to have exited", [&] {
        const auto pins = daemon.api().pins();
        return pins.size() == 1 && pins[0].owner().exited();
    });
    REQUIRE(kill(heir, SIGKILL) == 0);
    eventually("its pin is gone", [&] { return daemon.api().pins().empty(); });
}
