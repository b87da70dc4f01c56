#include "publish/convert.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("bytes that are not UTF-8 are replaced, the rest is kept")
{
    struct Row {
        std::string in;
        std::string out;
    };
    const std::string bad = "\xef\xbf\xbd";
    const Row rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\x8c", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\x8c"},
        {"a\xff"
         "b",
         "a" + bad + "b"},
        {"cut\xe2\x82", "cut" + bad + bad},
        {"\xc0\xaf", bad + bad},                      // overlong '/'
        {"\xed\xa0\x80", bad + bad + bad},            // surrogate
        {"\xf4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
    };
    for (const Row& row : rows) {
        CHECK(valid_utf8(row.in) == row.out);
    }
}

TEST_CASE("a pin is shown with owner, driver, file and age")
{
    const v1::ListPinsResponse list = listed({file_pin(1, 4, 16)});

    REQUIRE(list.pins_size() == 1);
    const v1::Pin& pin = list.pins(0);
    CHECK(pin.id() == 1);
    CHECK(pin.owner().pid() == 812);
    CHECK(pin.owner().tid() == 813);
    CHECK(pin.owner().uid() == 1000);
    CHECK(pin.owner().comm() == "rdma-demo");
    CHECK(pin.owner().start_time().seconds() == 1'700'000'005);
    CHECK(pin.driver() == "rdma_rxe");
    CHECK(pin.function() == "pin_user_pages_fast");
    CHECK(pin.backing() == "file");
    CHECK(pin.bytes() == 65536);
    CHECK(pin.age().seconds() == 120);
    CHECK(pin.acquire_time().seconds() == 1'700'000'010);
    CHECK(pin.long_term());
    CHECK(pin.writable());
    CHECK(pin.calls() == 1);
    CHECK(pin.stack().empty());
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).first_page() == 4);
    CHECK(pin.ranges(0).pages() == 16);
    CHECK(pin.ranges(0).file().path() == "/mnt/data/x");
    CHECK(pin.ranges(0).file().device_major() == 253);
    CHECK(pin.ranges(0).file().device_minor() == 1);
    CHECK(pin.ranges(0).file().inode() == 12);
    CHECK(list.trust().ledger_certain());
}

TEST_CASE("an owner is shown with its program, cgroup and container")
{
    PinView view = file_pin(1, 0, 1);
    view.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/opt/tr\xff", true, "/jobs/one", "c0ffee"});
    const v1::ListPinsResponse list = listed({view});
    const v1::Process& owner = list.pins(0).owner();
    CHECK(owner.gid() == 1000);
    CHECK(owner.executable() == "/opt/tr\xef\xbf\xbd");
    CHECK(owner.executable_deleted());
    CHECK(owner.cgroup_path() == "/jobs/one");
    CHECK(owner.container_id() == "c0ffee");
}

TEST_CASE("pins of one process in different cgroups are not one registration")
{
    PinView first = file_pin(1, 0, 4);
    PinView second = file_pin(2, 4, 4);
    first.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/bin/a", false, "/one", ""});
    second.pin.owner.names = std::make_shared<const TaskNames>(*first.pin.owner.names);
    CHECK(listed({first, second}).pins_size() == 1);
    second.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/bin/a", false, "/two", ""});
    CHECK(listed({first, second}).pins_size() == 2);
}

TEST_CASE("the calls of one registration are shown as one pin")
{
    // 64 MiB in 32 calls of 2 MiB, with the pins of another thread in between.
    std::vector<PinView> pins;
    for (std::uint64_t i = 0; i < 32; ++i) {
        PinView part = file_pin(2 * i + 1, 512 * i, 512);
        part.pin.acquired += i * 900'000'000;
        pins.push_back(part);
        PinView other = part;
        other.pin.id += 1;
        other.pin.owner.tid = 999;
        other.pin.ranges.clear();
        other.pin.backing = Backing::kAnonymous;
        pins.push_back(other);
    }
    v1::ListPinsRequest request;
    request.set_include_stack(true);
    request.mutable_filter()->set_min_bytes(64 * kMiB);
    const v1::ListPinsResponse list = listed(pins, request);

    REQUIRE(list.pins_size() == 2);
    for (const v1::Pin& pin : list.pins()) {
        CHECK(pin.bytes() == 64 * kMiB);
        CHECK(pin.calls() == 32);
        CHECK(pin.stack_size() == 2);
    }
    REQUIRE(list.pins(0).ranges_size() == 1);
    CHECK(list.pins(0).ranges(0).pages() == 64 * kMiB / 4096);
    CHECK(list.pins(1).ranges().empty());
}

TEST_CASE("pins that are not one registration stay apart")
{
    const PinView first = file_pin(1, 0, 16);
    PinView second = file_pin(2, 16, 16);
    SECTION("joined as they are")
    {
        CHECK(listed({first, second}).pins_size() == 1);
        return;
    }
    SECTION("another process")
    {
        second.pin.owner.process.start_time += 1;
    }
    SECTION("another thread")
    {
        second.pin.owner.tid += 1;
    }
    SECTION("another driver")
    {
        second.pin.driver = "vfio";
    }
    SECTION("another function")
    {
        second.pin.function = PW_PIN_USER_PAGES_REMOTE;
    }
    SECTION("other access")
    {
        second.pin.writable = false;
    }
    SECTION("another address")
    {
        second.pin.address += 4096;
    }
    SECTION("other file pages")
    {
        second.pin.ranges[0].first_page += 1;
    }
    SECTION("another file")
    {
        second.pin.ranges[0].file.inode += 1;
    }
    SECTION("no file")
    {
        second.pin.ranges.clear();
    }
    SECTION("much later")
    {
        second.pin.acquired += kSecond + 1;
    }
    SECTION("another call stack")
    {
        second.stack.pop_back();
    }
    CHECK(listed({first, second}).pins_size() == 2);
}

TEST_CASE("status tells how many operations are held")
{
    Snapshot snapshot = snapshot_with({});
    snapshot.holds = 2;
    CHECK(status_to_proto(snapshot).holds() == 2);
}
