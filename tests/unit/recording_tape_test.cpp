// What waits for a client that records.
#include <catch2/catch.hpp>
#include <string>

#include "recording/tape.h"

using namespace pinwarden;

namespace {

v1::RecordResponse piece(std::size_t bytes, std::uint64_t symbol = 0)
{
    v1::RecordResponse response;
    response.mutable_piece()->set_records(std::string(bytes, 'x'));
    if (symbol != 0) {
        response.mutable_piece()->add_symbols()->set_number(symbol);
    }
    return response;
}

constexpr std::chrono::milliseconds kNow{0};

}  // namespace

TEST_CASE("a tape that is full loses records and tells how many, and keeps what later ones need")
{
    Tape tape(1000);
    tape.add(piece(800), 8);
    tape.add(piece(800, 1), 9);
    tape.add(piece(800, 2), 10);
    REQUIRE(tape.take(kNow)->piece().records().size() == 800);
    CHECK_FALSE(tape.take(kNow));

    tape.add(piece(100), 1);
    const auto told = tape.take(kNow);
    REQUIRE(told);
    CHECK(told->piece().lost() == 19);
    REQUIRE(told->piece().symbols_size() == 2);
    CHECK(told->piece().symbols(1).number() == 2);
    CHECK(tape.take(kNow)->piece().records().size() == 100);
    tape.add(piece(100), 1);
    CHECK(tape.take(kNow)->piece().lost() == 0);
}

TEST_CASE("what was pinned at the start has room always, and a closed tape takes nothing")
{
    Tape tape(10);
    tape.add_always(piece(5000));
    tape.add_always(piece(5000));
    CHECK(tape.take(kNow));
    CHECK(tape.take(kNow));
    tape.close();
    CHECK(tape.closed());
    tape.add(piece(1), 1);
    tape.add_always(piece(1));
    CHECK_FALSE(tape.take(std::chrono::seconds(10)));
}
