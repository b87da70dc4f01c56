#include "base/bounded_queue.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <thread>

using namespace pinwarden;
using namespace std::chrono_literals;

TEST_CASE("items leave the queue in order", "[base]")
{
    BoundedQueue<int> queue(4);
    CHECK(queue.push(1));
    CHECK(queue.push(2));
    CHECK(queue.pop(0s)->item == 1);
    CHECK(queue.pop(0s)->item == 2);
    CHECK_FALSE(queue.pop(0s).has_value());
}

TEST_CASE("a full queue drops the new item and tells the reader once", "[base]")
{
    BoundedQueue<int> queue(2);
    queue.push(1);
    queue.push(2);
    CHECK_FALSE(queue.push(3));
    CHECK_FALSE(queue.push(4));
    auto popped = queue.pop(0s);
    CHECK(popped->item == 1);
    CHECK(popped->dropped_before == 2);
    CHECK(queue.pop(0s)->dropped_before == 0);
}

TEST_CASE("a closed queue can be emptied but not filled", "[base]")
{
    BoundedQueue<std::unique_ptr<int>> queue(2);
    queue.push(std::make_unique<int>(7));
    queue.close();
    CHECK(queue.closed());
    CHECK_FALSE(queue.push(std::make_unique<int>(8)));
    CHECK(*queue.pop(1h)->item == 7);
    CHECK_FALSE(queue.pop(1h).has_value());
}

TEST_CASE("closing wakes a waiting reader", "[base]")
{
    BoundedQueue<int> queue(1);
    bool got_one = true;
    std::thread reader([&] { got_one = queue.pop(1h).has_value(); });
    queue.close();
    reader.join();
    CHECK_FALSE(got_one);
}

TEST_CASE("pushing wakes a waiting reader", "[base]")
{
    BoundedQueue<int> queue(1);
    int got = 0;
    std::thread reader([&] { got = queue.pop(1h)->item; });
    queue.push(9);
    reader.join();
    CHECK(got == 9);
}
