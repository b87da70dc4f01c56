#include "ledger/notifier_table.h"

#include <catch2/catch.hpp>

using namespace pinwarden;

namespace {

NotifierEvent listener(std::uint64_t number, std::uint64_t bytes, std::uint32_t pid = 100)
{
    NotifierEvent event;
    event.notifier = number;
    event.kind = bytes == 0 ? PW_NOTIFIER_SPACE : PW_NOTIFIER_RANGE;
    event.range = {0x10000, bytes};
    event.owner.process = {pid, 5000};
    return event;
}

NotifierEvent gone(std::uint64_t number)
{
    NotifierEvent event;
    event.notifier = number;
    event.gone = true;
    return event;
}

}  // namespace

TEST_CASE("notifiers are summed by driver, and their sums go with them", "[notifiers]")
{
    NotifierTable table;
    table.apply(listener(1, 4096), "mlx5_ib");
    table.apply(listener(2, 8192), "mlx5_ib");
    table.apply(listener(3, 0), "kvm");
    CHECK(table.totals().at("mlx5_ib").ranges == 2);
    CHECK(table.totals().at("mlx5_ib").on_demand_bytes == 12288);
    CHECK(table.totals().at("mlx5_ib").spaces == 0);
    CHECK(table.totals().at("kvm").spaces == 1);
    table.apply(gone(1), "");
    table.apply(gone(1), "");
    table.apply(gone(9), "");
    CHECK(table.totals().at("mlx5_ib").on_demand_bytes == 8192);
    table.apply(gone(3), "");
    CHECK_FALSE(table.totals().contains("kvm"));
}

TEST_CASE("a notifier whose end was not seen makes room for the next at its address", "[notifiers]")
{
    NotifierTable table;
    table.apply(listener(1, 4096), "mlx5_ib");
    table.apply(listener(1, 0), "kvm");
    REQUIRE(table.all().size() == 1);
    CHECK(table.all()[0].driver == "kvm");
    CHECK_FALSE(table.all()[0].on_demand);
}

TEST_CASE("what does not fit is counted", "[notifiers]")
{
    NotifierTable table(2);
    for (std::uint64_t number = 1; number <= 4; ++number) {
        table.apply(listener(number, 4096), "amdgpu");
    }
    CHECK(table.all().size() == 2);
    CHECK(table.left_out() == 2);
    table.apply(gone(1), "");
    table.apply(listener(5, 4096), "amdgpu");
    CHECK(table.all().size() == 2);
    CHECK(table.left_out() == 2);
}

TEST_CASE("an owner that exited is marked, no other", "[notifiers]")
{
    NotifierTable table;
    table.apply(listener(1, 4096, 100), "mlx5_ib");
    table.apply(listener(2, 4096, 101), "mlx5_ib");
    table.exit({100, 5000});
    table.exit({101, 4999});
    CHECK(table.all()[0].owner_exited);
    CHECK_FALSE(table.all()[1].owner_exited);
}
