#include "publish/pin_groups.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

v1::GroupPinsResponse group(const std::vector<PinView>& pins, v1::PinGrouping by,
                            v1::PinGroupOrder order = v1::PIN_GROUP_ORDER_UNSPECIFIED, std::uint32_t limit = 0)
{
    v1::GroupPinsRequest request;
    request.set_by(by);
    request.set_order(order);
    request.set_limit(limit);
    const auto groups = group_pins(request, source_of(pins, 2));
    REQUIRE(groups);
    return *groups;
}

// Two of one process through RDMA, the first in two calls; one of another through io_uring, of no file.
std::vector<PinView> three_pins()
{
    std::vector<PinView> pins{file_pin(1, 0, 16), file_pin(2, 16, 16), file_pin(3, 100, 1), file_pin(4, 0, 64)};
    pins[2].stack = {"pin_user_pages_fast+0x1f", "other+0x1"};
    pins[2].pin.acquired = 129 * kSecond;
    pins[3].pin.owner.process = {900, kSecond};
    pins[3].pin.owner.comm = "uring";
    pins[3].pin.owner.uid = 0;
    pins[3].pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/x", false, "/jobs/a", "web"});
    pins[3].pin.driver = "io_uring";
    pins[3].pin.backing = Backing::kAnonymous;
    pins[3].pin.ranges.clear();
    pins[3].files.clear();
    pins[3].pin.acquired = 2 * kSecond;
    pins[3].pin.owner_exited = pins[3].pin.leak = true;
    return pins;
}

std::string name_of(const v1::PinGroup& group)
{
    if (group.has_owner()) {
        return std::to_string(group.owner().pid());
    }
    if (group.has_file()) {
        return group.file().path();
    }
    if (group.has_uid()) {
        return std::to_string(group.uid());
    }
    return group.stack().empty() ? group.name() : group.stack(group.stack_size() - 1);
}

}  // namespace

TEST_CASE("pins are added up by whatever they have in common")
{
    struct Row {
        v1::PinGrouping by;
        std::string first;  // has 64 pages
        std::string second;
    };
    const Row rows[] = {
        {v1::PIN_GROUPING_OWNER, "900", "812"},
        {v1::PIN_GROUPING_COMM, "uring", "rdma-demo"},
        {v1::PIN_GROUPING_DRIVER, "io_uring", "rdma_rxe"},
        {v1::PIN_GROUPING_FILE, "", "/mnt/data/x"},
        {v1::PIN_GROUPING_CGROUP, "/jobs/a", ""},
        {v1::PIN_GROUPING_CONTAINER, "web", ""},
        {v1::PIN_GROUPING_UID, "0", "1000"},
    };
    for (const Row& row : rows) {
        INFO(v1::PinGrouping_Name(row.by));
        const auto groups = group(three_pins(), row.by);
        CHECK(groups.total_pins() == 3);
        CHECK(groups.total_bytes() == 97 * 4096);
        CHECK(groups.trust().ledger_certain());
        REQUIRE(groups.groups_size() == 2);
        const v1::PinGroup& first = groups.groups(0);
        CHECK(name_of(first) == row.first);
        CHECK(first.bytes() == 64 * 4096);
        CHECK(first.pins() == 1);
        CHECK(first.orphans() == 1);
        CHECK(first.leaks() == 1);
        const v1::PinGroup& second = groups.groups(1);
        CHECK(name_of(second) == row.second);
        CHECK(second.bytes() == 33 * 4096);
        CHECK(second.pins() == 2);
        CHECK(second.calls() == 3);
        CHECK(second.owners() == 1);
        CHECK(second.orphans() == 0);
        REQUIRE(second.drivers_size() == 1);
        CHECK(second.drivers(0) == "rdma_rxe");
        CHECK(second.oldest_acquire_time().seconds() == 1'700'000'010);
        CHECK(second.oldest_age().seconds() == 120);
        // 120 s old: 64 to 128; one second: 1 to 2.
        CHECK(std::vector<std::uint64_t>(second.ages().begin(), second.ages().end()) ==
              std::vector<std::uint64_t>{0, 1, 0, 0, 0, 0, 0, 1});
    }
}

TEST_CASE("each call stack is a group of its own")
{
    const auto groups = group(three_pins(), v1::PIN_GROUPING_STACK);
    REQUIRE(groups.groups_size() == 2);
    CHECK(name_of(groups.groups(0)) == "ib_umem_get+0x2d2 [ib_uverbs]");
    CHECK(groups.groups(0).pins() == 2);
    CHECK(groups.groups(0).owners() == 2);
    CHECK(groups.groups(0).drivers_size() == 2);
    CHECK(name_of(groups.groups(1)) == "other+0x1");
}

TEST_CASE("groups are ordered as asked, and the rest is counted")
{
    const auto names = [](const v1::GroupPinsResponse& groups) {
        std::vector<std::string> all;
        for (const v1::PinGroup& one : groups.groups()) {
            all.push_back(name_of(one));
        }
        return all;
    };
    using Names = std::vector<std::string>;
    CHECK(names(group(three_pins(), v1::PIN_GROUPING_OWNER, v1::PIN_GROUP_ORDER_BYTES)) == Names{"900", "812"});
    CHECK(names(group(three_pins(), v1::PIN_GROUPING_OWNER, v1::PIN_GROUP_ORDER_PINS)) == Names{"812", "900"});
    CHECK(names(group(three_pins(), v1::PIN_GROUPING_OWNER, v1::PIN_GROUP_ORDER_AGE)) == Names{"900", "812"});
    const auto one = group(three_pins(), v1::PIN_GROUPING_OWNER, v1::PIN_GROUP_ORDER_PINS, 1);
    CHECK(names(one) == Names{"812"});
    CHECK(one.more_groups() == 1);
    CHECK(one.total_pins() == 3);
}

TEST_CASE("a pin of several files counts for each, by its share")
{
    PinView pin = file_pin(1, 0, 4);
    const FileKey other{.inode = 13, .device = kShownFile.device, .generation = 0};
    pin.pin.ranges = {{kShownFile, 0, 1, 0}, {other, 0, 3, 1}};
    pin.files[other] = {.path = "/mnt/data/y", .filesystem = "ext4", .deleted = false};
    const auto groups = group({pin}, v1::PIN_GROUPING_FILE);
    REQUIRE(groups.groups_size() == 2);
    CHECK(groups.groups(0).file().path() == "/mnt/data/y");
    CHECK(groups.groups(0).bytes() == 3 * 4096);
    CHECK(groups.groups(1).bytes() == 4096);
    CHECK(groups.total_pins() == 1);
    CHECK(groups.total_bytes() == 4 * 4096);
}

TEST_CASE("groups that make no sense are refused")
{
    v1::GroupPinsRequest request;
    const auto refusal = [&] { return group_pins(request, source_of({})).error(); };
    CHECK_THAT(refusal().message, Catch::StartsWith("by: must be given: owner, comm,"));
    CHECK(refusal().code == EINVAL);
    request.set_by(static_cast<v1::PinGrouping>(77));
    CHECK_THAT(refusal().message, Catch::StartsWith("by: must be given"));
    request.set_by(v1::PIN_GROUPING_UID);
    request.set_order(static_cast<v1::PinGroupOrder>(77));
    CHECK(refusal().message == "order: 77 is none");
    request.set_order(v1::PIN_GROUP_ORDER_AGE);
    request.mutable_filter()->add_cgroups("jobs");
    CHECK_THAT(refusal().message, Catch::StartsWith("filter.cgroups[0]: "));
}
