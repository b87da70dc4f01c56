// Pins chosen, page by page, one by one, and added up, on the real daemon.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("pins are chosen by process, file and driver, and added up")
{
    Daemon& daemon = Daemon::shared();
    const std::string folder = Machine::instance().folder("tmpfs");
    const std::string path = folder + "/listed";
    Pinner first;
    first.ok("file " + path + " 65536");
    first.ok("pin " + Machine::instance().rdma("rw"));
    Pinner second;
    second.ok("anon 1048576");
    second.ok("pin uring");

    v1::ListPinsRequest request;
    request.mutable_filter()->add_path_prefixes(folder);
    auto listed = daemon.api().list_pins(request);
    REQUIRE(listed.pins_size() == 1);
    CHECK(listed.pins(0).owner().pid() == static_cast<unsigned>(first.pid()));
    CHECK(listed.total_bytes() == 65536);
    CHECK(listed.trust().ledger_certain());

    request.clear_filter();
    request.mutable_filter()->add_pids(static_cast<unsigned>(second.pid()));
    request.mutable_filter()->add_drivers("io_uring");
    listed = daemon.api().list_pins(request);
    CHECK(listed.total_bytes() == 1048576);
    request.mutable_filter()->mutable_min_age()->set_seconds(3600);
    CHECK(daemon.api().list_pins(request).pins().empty());

    v1::GroupPinsRequest group;
    group.set_by(v1::PIN_GROUPING_OWNER);
    const auto groups = daemon.api().group_pins(group);
    REQUIRE(groups.groups_size() == 2);
    CHECK(groups.groups(0).owner().pid() == static_cast<unsigned>(second.pid()));
    CHECK(groups.groups(0).bytes() == 1048576);
    CHECK(groups.groups(1).owner().pid() == static_cast<unsigned>(first.pid()));
    CHECK(groups.total_bytes() == 1048576 + 65536);

    const std::string by_driver = daemon.pinctl("pins --by driver").out;
    INFO(by_driver);
    CHECK(by_driver.find("io_uring") < by_driver.find("rdma_rxe"));
    const std::string chosen = daemon.pinctl("pins --file " + path + " --stack").out;
    INFO(chosen);
    CHECK(chosen.find("ib_umem_get") != std::string::npos);
    CHECK(chosen.find("io_uring") == std::string::npos);
    const std::string id = std::to_string(daemon.api().list_pins({}).pins(0).id());
    CHECK(daemon.pinctl("pins --id " + id).out.find("ib_umem_get") != std::string::npos);
    const Outcome none = daemon.pinctl("pins --id 4000000000");
    CHECK(none.status == 1);
    CHECK(none.err.find("there is no pin 4000000000") != std::string::npos);

    first.end();
    second.end();
    daemon.expect_nothing_pinned();
}

TEST_CASE("pins are listed page by page, each once, while others come and go")
{
    Daemon& daemon = Daemon::shared();
    // Every other page: neighbours would be shown as one.
    constexpr std::size_t kPins = 40;
    std::vector<Pinner> pinners(3);
    for (Pinner& pinner : pinners) {
        pinner.ok("anon " + std::to_string(2 * kPins * 4096));
        for (std::size_t i = 0; i < kPins; ++i) {
            pinner.ok("pin uring " + std::to_string(2 * i * 4096) + " 4096");
        }
    }
    std::set<std::uint64_t> seen;
    v1::ListPinsRequest request;
    request.mutable_filter()->add_drivers("io_uring");
    request.set_page_size(25);
    std::size_t pages = 0;
    std::uint64_t bytes = 0;
    do {
        const auto page = daemon.api().list_pins(request);
        for (const v1::Pin& pin : page.pins()) {
            CHECK(seen.insert(pin.id()).second);
            bytes += pin.bytes();
        }
        ++pages;
        Pinner passing;
        passing.ok("anon 65536");
        passing.ok("pin uring");
        passing.end();
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    CHECK(pages == 5);
    CHECK(seen.size() == 3 * kPins);
    CHECK(bytes == 3 * kPins * 4096);
    for (Pinner& pinner : pinners) {
        pinner.end();
    }
    daemon.expect_nothing_pinned();
}
