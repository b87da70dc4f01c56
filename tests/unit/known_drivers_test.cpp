#include "app/known_drivers.h"

#include <catch2/catch.hpp>

#include <vector>

using namespace pinwarden;

namespace {

// Every address lies in a function of one module.
class OneModule final : public StackNamer {
public:
    std::string module = "rdma_rxe";
    std::uint64_t number = 1;
    std::size_t asked = 0;

    Frame name(std::uint64_t /*address*/) override
    {
        ++asked;
        return {"some_function", module, 4};
    }
    std::uint64_t naming() override { return number; }
};

}  // namespace

TEST_CASE("a call stack is named once, and again when addresses may have other names", "[driver]")
{
    OneModule names;
    KnownDrivers drivers(names);
    const std::vector<std::uint64_t> one{1, 2, 3};
    const std::vector<std::uint64_t> other{1, 2};
    CHECK(drivers.of(one) == "rdma_rxe");
    CHECK(drivers.of(one) == "rdma_rxe");
    CHECK(names.asked == 3);
    CHECK(drivers.of(other) == "rdma_rxe");
    CHECK(names.asked == 5);
    names.module = "siw";
    CHECK(drivers.of(one) == "rdma_rxe");
    names.number = 2;
    CHECK(drivers.of(one) == "siw");
    CHECK(drivers.of({}) == "unknown");
}

TEST_CASE("however many call stacks there are, not all are remembered", "[driver]")
{
    OneModule names;
    KnownDrivers drivers(names);
    for (std::uint64_t address = 0; address < 5000; ++address) {
        REQUIRE(drivers.of({address}) == "rdma_rxe");
    }
    names.asked = 0;
    CHECK(drivers.of({std::uint64_t{0}}) == "rdma_rxe");
    CHECK(names.asked == 1);
}
