#include "publish/fanout.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace std::chrono_literals;

namespace {

std::uint64_t pin_of(const Notice& notice)
{
    return std::get<PinnedNotice>(notice.what).pin.pin.id;
}

}  // namespace

TEST_CASE("every subscriber gets every event")
{
    Fanout fanout(4, 8);
    CHECK_FALSE(fanout.has_subscribers());
    const auto one = fanout.subscribe().value();
    const auto two = fanout.subscribe().value();
    CHECK(fanout.has_subscribers());

    fanout.publish(test::pinned_notice(1));
    fanout.publish(test::pinned_notice(2));

    for (const auto& queue : {one, two}) {
        CHECK(pin_of(*queue->pop(0s)->item) == 1);
        CHECK(pin_of(*queue->pop(0s)->item) == 2);
        CHECK_FALSE(queue->pop(0s));
    }
    CHECK(fanout.dropped() == 0);
}

TEST_CASE("a slow subscriber loses events, is told how many, and holds up nobody")
{
    Fanout fanout(4, 2);
    const auto slow = fanout.subscribe().value();
    const auto quick = fanout.subscribe().value();
    for (PinId id = 1; id <= 5; ++id) {
        fanout.publish(test::pinned_notice(id));
        CHECK(pin_of(*quick->pop(0s)->item) == id);
    }

    const auto first = slow->pop(0s);
    CHECK(pin_of(*first->item) == 1);
    CHECK(first->dropped_before == 3);
    CHECK(slow->pop(0s)->dropped_before == 0);
    CHECK(fanout.dropped() == 3);
}

TEST_CASE("subscriptions are capped, and one that ends makes room")
{
    Fanout fanout(1, 2);
    auto only = fanout.subscribe().value();
    const auto refused = fanout.subscribe();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EUSERS);

    only.reset();
    CHECK_FALSE(fanout.has_subscribers());
    CHECK(fanout.subscribe());
}

TEST_CASE("waking comes with every queued event and with the end")
{
    Fanout fanout(1, 2);
    int woken = 0;
    const auto queue = fanout.subscribe([&] { ++woken; }).value();
    fanout.publish(test::pinned_notice(1));
    fanout.publish(test::pinned_notice(2));
    fanout.publish(test::pinned_notice(3));
    CHECK(woken == 2);

    fanout.close();
    CHECK(woken == 3);
    CHECK(queue->closed());
    CHECK(queue->pop(0s));
    CHECK(fanout.subscribe().error().code == ESHUTDOWN);
}
