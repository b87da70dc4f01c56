#include "publish/conflict_history.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "publish/conflict_service.h"
#include "support/engine_world.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

PastConflict past(const std::string& path, pw_verdict verdict = PW_VERDICT_ALLOW, std::uint64_t hold = 0)
{
    Notice notice = conflict_notice(verdict, verdict == PW_VERDICT_ALLOW ? "" : "keep");
    ConflictView view = std::get<ConflictNotice>(std::move(notice.what)).conflict;
    PastConflict past{.time = notice.time};
    remember_owners(view.conflict.pins, past);
    view.conflict.pins.clear();
    view.conflict.path = path;
    view.conflict.operation.hold = hold;
    view.hold = hold;
    past.what = std::move(view);
    return past;
}

std::vector<std::uint64_t> numbers(const ConflictList& list)
{
    std::vector<std::uint64_t> numbers;
    for (const ConflictList::Entry& entry : list.conflicts) {
        numbers.push_back(entry.conflict->number);
    }
    return numbers;
}

using Numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("the newest conflict comes first, and what fell out is counted")
{
    ConflictHistory history(3);
    CHECK(numbers(history.list({})).empty());
    for (int i = 0; i < 5; ++i) {
        history.add(past("/mnt/x"));
    }
    const ConflictList all = history.list({});
    CHECK(numbers(all) == Numbers{5, 4, 3});
    CHECK(all.remembered == 3);
    CHECK(all.matched == 3);
    CHECK(all.forgotten == 2);
    const ConflictList one = history.list({.limit = 1});
    CHECK(numbers(one) == Numbers{5});
    CHECK(one.matched == 3);
}

TEST_CASE("conflicts are found by file, verdict, policy and process")
{
    ConflictHistory history;
    history.add(past("/mnt/a/x"));
    history.add(past("/mnt/ab", PW_VERDICT_DENY));
    history.add(past("/mnt/a", PW_VERDICT_WOULD_DENY));
    PastConflict invalidation;
    invalidation.what = std::get<InvalidationNotice>(invalidation_notice().what).invalidation;
    history.add(std::move(invalidation));

    CHECK(numbers(history.list({.path_prefix = "/mnt/a"})) == Numbers{3, 1});
    CHECK(numbers(history.list({.path_prefix = "/mnt"})) == Numbers{3, 2, 1});
    // An invalidation has no file.
    CHECK(numbers(history.list({.path_prefix = "/"})) == Numbers{3, 2, 1});
    CHECK(numbers(history.list({.verdicts = {"deny", "would_deny"}})) == Numbers{3, 2});
    CHECK(numbers(history.list({.policy = "keep"})) == Numbers{3, 2});
    // Who called the truncates; whose pins they met, and who called the munmap.
    CHECK(numbers(history.list({.pid = 900})) == Numbers{3, 2, 1});
    CHECK(numbers(history.list({.pid = 812})) == Numbers{4, 3, 2, 1});
    CHECK(numbers(history.list({.pid = 1})).empty());
}

TEST_CASE("pins are summed up by owner, and the owners are bounded")
{
    std::vector<PinRecord> pins;
    for (std::uint32_t i = 0; i < 20; ++i) {
        PinRecord pin = file_pin(i, 0, 2).pin;
        pin.owner.process.pid = 1000 + i;
        pins.push_back(pin);
        pins.push_back(pin);
    }
    PastConflict conflict;
    remember_owners(pins, conflict);
    CHECK(conflict.pins == 40);
    CHECK(conflict.bytes == 40 * 8192);
    REQUIRE(conflict.owners.size() == kOwnersRemembered);
    CHECK(conflict.owners.front().task.process.pid == 1000);
    CHECK(conflict.owners.front().pins == 2);
    CHECK(conflict.owners.front().bytes == 2 * 8192);
    CHECK(conflict.pins_of_others == 8);
}

TEST_CASE("the end of a hold is remembered with its beginning, as long as that is there")
{
    ConflictHistory history(2);
    history.add(past("/mnt/x", PW_VERDICT_HOLD, 7));
    history.add(past("/mnt/y", PW_VERDICT_HOLD, 8));
    history.hold_ended(7, {.outcome = "pins_gone", .held = 5});
    history.hold_ended(99, {.outcome = "pins_gone", .held = 5});
    ConflictList list = history.list({});
    CHECK_FALSE(list.conflicts[0].end);
    REQUIRE(list.conflicts[1].end);
    CHECK(list.conflicts[1].end->outcome == "pins_gone");
    history.add(past("/mnt/z"));
    history.add(past("/mnt/z"));
    // Its conflict is forgotten.
    history.hold_ended(8, {.outcome = "denied", .held = 5});
    list = history.list({});
    CHECK(list.forgotten == 2);
    CHECK_FALSE(list.conflicts[0].end);
    CHECK_FALSE(list.conflicts[1].end);
}

TEST_CASE("who reads does not disturb who writes")
{
    ConflictHistory history(64);
    std::atomic<bool> done = false;
    std::uint64_t seen = 0;
    std::thread reader([&] {
        while (!done) {
            const ConflictList list = history.list({});
            for (std::size_t i = 1; i < list.conflicts.size(); ++i) {
                seen += list.conflicts[i].conflict->number + 1 == list.conflicts[i - 1].conflict->number ? 0U : 1U;
            }
        }
    });
    for (int i = 0; i < 20'000; ++i) {
        history.add(past("/mnt/x"));
    }
    done = true;
    reader.join();
    CHECK(seen == 0);
    CHECK(history.list({}).forgotten == 20'000 - 64);
}

TEST_CASE("a request for conflicts becomes a wish, or is told what is wrong with it")
{
    v1::ListConflictsRequest request;
    request.set_limit(5);
    request.set_path_prefix("/mnt//");
    request.add_verdicts("would_hold");
    const auto wish = wish_from_request(request);
    REQUIRE(wish);
    CHECK(wish->limit == 5);
    CHECK(wish->path_prefix == "/mnt");
    CHECK(wish->verdicts == std::set<std::string>{"would_hold"});
    request.add_verdicts("maybe");
    CHECK(wish_from_request(request).error().message ==
          "verdicts[1]: \"maybe\" is no verdict; there are allow, deny, would_deny, hold, would_hold, signal, "
          "would_signal, notify, would_notify");
}

TEST_CASE("a remembered conflict is told with its owners and how its hold ended")
{
    ConflictHistory history;
    history.add(past("/mnt/data/x", PW_VERDICT_HOLD, 7));
    history.hold_ended(7, {.outcome = "denied", .held = 3 * kSecond});
    const auto answer = conflicts_to_proto(history.list({}), 80 * kSecond, 1'700'000'000 * kSecond);
    REQUIRE(answer.conflicts_size() == 1);
    const v1::PastConflict& conflict = answer.conflicts(0);
    CHECK(conflict.number() == 1);
    CHECK(conflict.time().seconds() == 1'700'000'020);
    CHECK(conflict.age().seconds() == 60);
    CHECK(conflict.conflict().operation() == "truncate");
    CHECK(conflict.conflict().verdict() == "hold");
    CHECK(conflict.conflict().pins().empty());
    REQUIRE(conflict.owners_size() == 1);
    CHECK(conflict.owners(0).process().comm() == "rdma-demo");
    CHECK(conflict.owners(0).driver() == "rdma_rxe");
    CHECK(conflict.pin_count() == 1);
    CHECK(conflict.pinned_bytes() == kMiB);
    CHECK(conflict.hold_outcome() == "denied");
    CHECK(conflict.held().seconds() == 3);
}

TEST_CASE("an answer about conflicts stays within what a client takes, and tells how many there are")
{
    ConflictHistory history;
    const std::string longest(4095, 'x');
    for (std::size_t i = 0; i < kConflictsRemembered; ++i) {
        history.add(past("/" + longest));
    }
    const auto answer = conflicts_to_proto(history.list({}), 80 * kSecond, 0);
    CHECK(answer.ByteSizeLong() < (std::size_t{4} << 20U));
    CHECK(answer.conflicts_size() > 500);
    CHECK(answer.conflicts_size() < static_cast<int>(kConflictsRemembered));
    CHECK(answer.matched() == kConflictsRemembered);
    CHECK(answer.conflicts(0).number() == kConflictsRemembered);
}

TEST_CASE("the engine remembers conflicts also when nobody watches")
{
    World world;
    ConflictHistory history;
    Surroundings around = surroundings_of(world, world.sink, nullptr);
    around.conflicts = &history;
    Engine engine(around, kGeometry, "6.1.0-test");
    engine.step(bytes_of(raw_pin()));
    engine.step(bytes_of(raw_range()));
    engine.flush();
    pw_operation operation = World::truncate(PW_VERDICT_ALLOW, 0, 0);
    engine.step(bytes_of(operation));
    REQUIRE_FALSE(world.fanout.has_subscribers());
    const ConflictList list = history.list({});
    REQUIRE(list.conflicts.size() == 1);
    const PastConflict& conflict = *list.conflicts[0].conflict;
    CHECK(std::get<ConflictView>(conflict.what).conflict.operation.operation == PW_OPERATION_TRUNCATE);
    CHECK(conflict.pins == 1);
    REQUIRE(conflict.owners.size() == 1);
    CHECK(conflict.owners[0].driver == "rdma_rxe");
}
