// When the functions that release pages are listened to, and what is known of pins whose release nobody heard.
#include <catch2/catch.hpp>
#include <cerrno>

#include "support/engine_world.h"

using namespace pinwarden;
using namespace pinwarden::test;
using namespace std::string_view_literals;

namespace {

constexpr Nanoseconds kQuietAfter = 30'000'000'000;

// One in which every pin has been followed by its object for long enough.
struct QuietWorld : World {
    QuietWorld()
    {
        truth.objects = {raw_pin().scope};
        engine.follow();
        pin_file();
        truth.pin({100, 12});
        clock.time += kQuietAfter;
        engine.tick({});
        // The look at a sample of the ledger that comes from time to time.
        finish_audits();
        REQUIRE_FALSE(sink.heard);
        REQUIRE(engine.ledger().certain());
    }

    // Of no object, on pages 200..211 of the same file.
    void pin_unfollowed()
    {
        ++sink.unfollowed;
        pw_pin pin = raw_pin();
        pin.header.time = static_cast<__u64>(clock.time);
        pin.pin = 6;
        pin.scope = 0;
        pin.scope_kind = PW_SCOPE_NONE;
        feed(pin);
        pw_range range = raw_range();
        range.pin = 6;
        range.sequence = 2;
        feed(range);
        std::vector<std::uint64_t> addresses;
        for (PageNumber page = 200; page < 212; ++page) {
            addresses.push_back(page_address(page));
        }
        engine.step(pages_record(6, 0, addresses));
    }

    void mend()
    {
        clock.time += 1;
        engine.tick({});
        finish_audits();
        engine.tick({});
    }
};

}  // namespace

TEST_CASE("releases of pages are heard until every pin has been followed for long enough", "[engine]")
{
    World world;
    world.clock.time += kQuietAfter;
    world.engine.tick({});
    // Nothing is attached yet.
    CHECK(world.sink.heard);
    world.engine.follow();
    world.pin_file();
    world.truth.pin({100, 12});
    world.clock.time += kQuietAfter - 1;
    world.engine.tick({});
    world.finish_audits();
    CHECK(world.sink.heard);
    world.clock.time += 1;
    world.engine.tick({});
    CHECK_FALSE(world.sink.heard);
    CHECK(world.engine.ledger().certain());
}

TEST_CASE("a pin that nothing follows has releases heard before the kernel is told of it", "[engine]")
{
    QuietWorld world;
    world.pin_unfollowed();
    world.engine.flush();
    CHECK(world.sink.heard);
    CHECK_FALSE(world.engine.ledger().certain());
    CHECK(world.engine.ledger().complete());
    // What was known before goes on to count, the file of the new pin is not resolved.
    CHECK(world.sink.trusted == std::optional<std::uint64_t>(0));
    CHECK(world.sink.acks.at(kFile).state.sequence == 1);

    SECTION("it is there still")
    {
        world.truth.pin({200, 12});
        world.mend();
        CHECK(world.engine.ledger().find(6) != nullptr);
    }
    SECTION("so is another's pin of the same page, and which of them is gone cannot be said")
    {
        world.truth.pin({200, 12});
        pw_pin other = raw_pin();
        other.pin = 7;
        other.scope = 0;
        other.scope_kind = PW_SCOPE_NONE;
        world.feed(other);
        world.engine.step(pages_record(7, 0, page_addresses({200})));
        world.clock.time += 1;
        world.engine.tick({});
        world.finish_audits();
        CHECK_FALSE(world.engine.ledger().complete());
        return;
    }
    SECTION("it was let go before anybody listened")
    {
        world.mend();
        CHECK(world.engine.ledger().find(6) == nullptr);
        // Pages were named one by one: nothing of what is left is a guess.
        CHECK_FALSE(world.sink.by_folio);
    }
    CHECK(world.engine.ledger().find(5) != nullptr);
    CHECK(world.engine.ledger().certain());
    CHECK(world.sink.acks.at(kFile).state.sequence == 2);
}

TEST_CASE("while there is a pin that nothing follows releases are heard, and again for as long afterwards", "[engine]")
{
    QuietWorld world;
    world.pin_unfollowed();
    world.truth.pin({200, 12});
    world.engine.flush();
    world.mend();
    world.clock.time += 2 * kQuietAfter;
    world.engine.tick({});
    world.finish_audits();
    CHECK(world.sink.heard);
    pw_release release = raw_release(200, 12);
    release.scope = 0;
    release.scope_kind = PW_SCOPE_NONE;
    world.feed(release);
    world.truth.unpin({200, 12});
    world.engine.flush();
    CHECK(world.sink.heard);
    world.clock.time += kQuietAfter;
    world.engine.tick({});
    CHECK_FALSE(world.sink.heard);
}

TEST_CASE("what may have been let go unheard is looked for", "[engine]")
{
    QuietWorld world;
    ++world.sink.let_go_unheard;
    world.truth.unpin({100, 12});
    world.engine.flush();
    CHECK(world.sink.heard);
    CHECK_FALSE(world.engine.ledger().certain());
    world.mend();
    CHECK(world.engine.ledger().certain());
    CHECK(world.engine.ledger().pins().empty());
}

TEST_CASE("after a loss releases are heard, and all of memory is looked through", "[engine]")
{
    QuietWorld world;
    ++world.sink.counted_losses;
    world.truth.pin({300, 1});
    world.engine.flush();
    world.engine.flush();
    CHECK(world.sink.heard);
    CHECK_FALSE(world.engine.ledger().complete());
    std::vector<PageNumber> adopted;
    world.truth.on_adopt = [&](const std::vector<PageNumber>& pages, bool) {
        adopted.insert(adopted.end(), pages.begin(), pages.end());
    };
    world.clock.time += 1'000'000'000;
    world.mend();
    REQUIRE_FALSE(adopted.empty());
    CHECK(adopted.front() == 300);
}

TEST_CASE("a kernel that will not have releases heard leaves the ledger in doubt, and is asked again", "[engine]")
{
    QuietWorld world;
    world.sink.hear_error = Error{"no", EBUSY};
    world.pin_unfollowed();
    world.truth.pin({200, 12});
    world.engine.flush();
    world.mend();
    CHECK_FALSE(world.engine.ledger().certain());
    REQUIRE_FALSE(world.warnings.empty());
    CHECK_THAT(world.warnings.front(), Catch::Contains("not heard"));
    const std::size_t warned = world.warnings.size();
    world.engine.tick({});
    CHECK(world.warnings.size() == warned);

    world.sink.hear_error.reset();
    world.clock.time += 20'000'000'000;
    world.engine.tick({});
    world.mend();
    CHECK(world.sink.heard);
    CHECK(world.engine.ledger().certain());
}
