// What becomes of pins when the daemon may take no more memory, and after that.
#include <catch2/catch.hpp>

#include "support/engine_world.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t kLimit = EngineOptions().memory_limit;

std::uint64_t lost_to_memory(Engine& engine)
{
    for (const LossState& loss : engine.snapshot().losses) {
        if (loss.cause == "memory_limit") {
            CHECK(loss.affects_ledger);
            return loss.count;
        }
    }
    FAIL("no such cause");
    return 0;
}

void pin(World& world, std::uint64_t id, PageNumber page)
{
    pw_pin pin = raw_pin();
    pin.pin = id;
    pin.pinned_pages = 3;
    world.feed(pin);
    world.engine.step(pages_record(id, 0, page_addresses({page, page + 1, page + 2})));
    world.engine.flush();
}

}  // namespace

TEST_CASE("at the memory limit no more pins are followed, which is counted, and what is let go makes room", "[engine]")
{
    World world;
    world.truth.objects = {raw_pin().scope};
    world.truth.pin({10, 3});
    world.truth.pin({20, 3});
    pin(world, 5, 10);
    world.memory = kLimit - 1;
    world.engine.tick({});
    pin(world, 6, 20);
    // The comparison that is made every minute.
    world.finish_audits();
    CHECK(world.engine.ledger().pins().size() == 2);
    CHECK(world.engine.ledger().certain());

    world.memory = kLimit;
    world.engine.tick({});
    CHECK(world.engine.ledger().certain());
    pin(world, 7, 30);
    CHECK(world.engine.ledger().pins().size() == 2);
    CHECK(world.sink.untracked == std::vector<PageRun>{{30, 3}});
    CHECK(lost_to_memory(world.engine) == 1);
    CHECK_FALSE(world.engine.ledger().certain());
    CHECK_FALSE(world.sink.trusted.has_value());
    REQUIRE_FALSE(world.warnings.empty());
    CHECK(std::ranges::any_of(world.warnings,
                              [](const std::string& text) { return text.find("memory_limit (512MiB)") == 0; }));

    // Nothing is searched for while there is no room, and nobody asks for it all the time.
    world.clock.time += 60'000'000'000;
    world.engine.tick({});
    CHECK_FALSE(world.engine.next_audit_step().has_value());
    world.truth.unpin({10, 3});
    world.feed(raw_release(10, 3));
    CHECK(world.engine.ledger().pins().size() == 1);

    // Not yet: it would be full again at once.
    world.memory = kLimit - kLimit / 8;
    world.engine.tick({});
    CHECK_FALSE(world.engine.next_audit_step().has_value());
    --world.memory;
    world.truth.pin({30, 3});
    world.engine.tick({});
    CHECK(world.engine.next_audit_step().has_value());
    pin(world, 8, 30);
    CHECK(world.engine.ledger().find(8) != nullptr);
    world.finish_audits();
    world.engine.tick({});
    CHECK(world.engine.ledger().certain());
    CHECK(world.sink.trusted.has_value());
    CHECK(lost_to_memory(world.engine) == 1);
}
