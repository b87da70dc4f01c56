#include "act/file_room.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "support/engine_world.h"
#include "support/fake_file_entries.h"
#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// A ledger and a table that see the same pins; each pin is of one file, four pages from page 10 of it on.
struct Bench {
    Ledger ledger;
    FakeFileEntries entries;
    FileRoom room{entries};
    Nanoseconds now = 1;
    PinId last = 0;
    std::map<FileKey, std::uint64_t> sequences;  // as the table's entries count

    static FileKey file(std::uint64_t inode) { return {inode, 1, 1}; }

    PinId pin(const FileKey& file)
    {
        const PinId id = ++last;
        const bool has = entries.pin(file);
        if (!has || !entries.entries[file].complete) {
            sequences.try_emplace(file, 0);
        }
        const std::uint64_t sequence = has ? ++sequences[file] : 0;
        ledger.pin(pin_event(id, 4), "rdma_rxe");
        ledger.range(range_event(id, sequence, 10, 4, 0, file));
        ledger.pages(pages_event(id, {{id * 4, 4}}));
        return id;
    }
    // 1 to `count`, each once.
    std::vector<PinId> pin_files(std::uint64_t count)
    {
        std::vector<PinId> pins;
        for (std::uint64_t inode = 1; inode <= count; ++inode) {
            pins.push_back(pin(file(inode)));
        }
        return pins;
    }
    void release(PinId id)
    {
        ReleaseEvent event;
        event.runs = {{id * 4, 4}};
        ledger.release(event);
    }
    void step() { REQUIRE(room.step(ledger, now)); }
    // Until nothing is to be done before some time has passed.
    void settle()
    {
        for (int i = 0; i < 8; ++i) {
            step();
        }
    }
};

}  // namespace

TEST_CASE("nothing is done about a table of files that has room", "[file_room]")
{
    Bench bench;
    bench.pin(Bench::file(1));
    bench.release(bench.pin(Bench::file(2)));
    CHECK_FALSE(bench.room.wanted());
    bench.settle();
    CHECK(bench.entries.known() == 2);
    CHECK_FALSE(bench.room.full());
}

TEST_CASE("files without pins are taken out before the table is full", "[file_room]")
{
    Bench bench;
    const auto pins = bench.pin_files(7);
    bench.release(pins[2]);
    bench.release(pins[4]);
    CHECK(bench.room.wanted());
    bench.step();
    CHECK_FALSE(bench.entries.has(Bench::file(3)));
    CHECK_FALSE(bench.entries.has(Bench::file(5)));
    CHECK(bench.entries.known() == 5);
    // Until it is known that nobody has pinned them meanwhile.
    CHECK(bench.entries.looked_at(Bench::file(3)));
    bench.step();
    CHECK(bench.entries.left_out() == 0);
    CHECK_FALSE(bench.entries.looked_at(Bench::file(3)));
    CHECK_FALSE(bench.room.wanted());
}

TEST_CASE("a file that is pinned while it is taken out is put in again, with all that is pinned of it", "[file_room]")
{
    Bench bench;
    const auto pins = bench.pin_files(7);
    bench.release(pins[2]);
    bench.entries.meanwhile = [&] {
        // A hook that had found the entry before it went.
        const PinId id = ++bench.last;
        bench.ledger.pin(pin_event(id, 4), "rdma_rxe");
        bench.ledger.range(range_event(id, 2, 20, 4, 0, Bench::file(3)));
        bench.ledger.pages(pages_event(id, {{id * 4, 4}}));
    };
    bench.step();
    CHECK_FALSE(bench.entries.has(Bench::file(3)));
    CHECK(bench.entries.looked_at(Bench::file(3)));
    bench.step();
    REQUIRE(bench.entries.has(Bench::file(3)));
    const FileState& state = bench.entries.entries.at(Bench::file(3));
    CHECK(pages_of(state) == Pages(20, 24));
    CHECK(state.sequence == 3);
    CHECK(bench.ledger.file_state(Bench::file(3)).complete);
    CHECK(bench.ledger.file_state(Bench::file(3)).sequence == 3);
    CHECK(bench.entries.left_out() == 0);
}

TEST_CASE("what was left out is put in once there is room, and known to be full until then", "[file_room]")
{
    Bench bench;
    const auto pins = bench.pin_files(9);
    CHECK(bench.entries.known() == 8);
    CHECK(bench.room.wanted());
    bench.settle();
    CHECK(bench.room.full());
    CHECK_FALSE(bench.entries.has(Bench::file(9)));
    CHECK(bench.entries.looked_at(Bench::file(9)));
    CHECK_FALSE(bench.ledger.file_state(Bench::file(9)).complete);

    bench.release(pins[0]);
    bench.release(pins[1]);
    bench.settle();
    CHECK(bench.room.full());  // it is not looked through all the time
    bench.now += FileRoom::kAgainAfter;
    bench.settle();
    CHECK_FALSE(bench.room.full());
    CHECK_FALSE(bench.entries.has(Bench::file(1)));
    REQUIRE(bench.entries.has(Bench::file(9)));
    CHECK(pages_of(bench.entries.entries.at(Bench::file(9))) == Pages(10, 14));
    CHECK(bench.ledger.file_state(Bench::file(9)).complete);
    CHECK(bench.entries.left_out() == 0);
}

TEST_CASE("a file that was left out and is not pinned any more needs no place", "[file_room]")
{
    Bench bench;
    const auto pins = bench.pin_files(9);
    bench.release(pins[8]);
    bench.release(pins[0]);
    bench.settle();
    CHECK_FALSE(bench.entries.has(Bench::file(9)));
    CHECK_FALSE(bench.entries.looked_at(Bench::file(9)));
    CHECK(bench.entries.left_out() == 0);
}

TEST_CASE("of an uncertain ledger nothing is concluded", "[file_room]")
{
    Bench bench;
    const auto pins = bench.pin_files(7);
    bench.release(pins[2]);
    SECTION("about which files have no pins")
    {
        bench.ledger.lost_events();
        bench.settle();
        CHECK(bench.entries.known() == 7);
    }
    SECTION("about which were pinned meanwhile")
    {
        bench.entries.meanwhile = [&] { bench.ledger.lost_events(); };
        bench.settle();
        CHECK(bench.entries.looked_at(Bench::file(3)));
        CHECK(bench.entries.left_out() == 1);
        bench.ledger.verified();
        bench.settle();
        CHECK(bench.entries.left_out() == 0);
    }
}

TEST_CASE("where the last places are taken meanwhile, what was left out stays looked at", "[file_room]")
{
    Bench bench;
    const auto pins = bench.pin_files(9);
    bench.release(pins[0]);
    bench.entries.meanwhile = [&] { bench.pin(Bench::file(100)); };
    bench.settle();
    CHECK(bench.room.full());
    CHECK(bench.entries.looked_at(Bench::file(9)));
    bench.release(pins[1]);
    bench.now += FileRoom::kAgainAfter;
    bench.settle();
    CHECK(bench.entries.has(Bench::file(9)));
    CHECK_FALSE(bench.room.full());
}

TEST_CASE("whatever is pinned, let go and taken out, no file with pins goes unseen", "[file_room]")
{
    const auto seed = GENERATE(take(20, random(0U, 1U << 30U)));
    INFO("seed " << seed);
    std::mt19937 random(seed);
    Bench bench;
    std::map<FileKey, std::vector<PinId>> held;
    const auto change = [&] {
        const FileKey file = Bench::file(random() % 14);
        auto& pins = held[file];
        if (pins.empty() || random() % 3 == 0) {
            pins.push_back(bench.pin(file));
        } else {
            bench.release(pins.back());
            pins.pop_back();
        }
    };
    for (int turn = 0; turn < 400; ++turn) {
        change();
        if (random() % 4 == 0) {
            bench.entries.meanwhile = change;
        }
        bench.now += FileRoom::kAgainAfter / 4;
        bench.step();
        for (const auto& [file, pins] : held) {
            REQUIRE((pins.empty() || bench.entries.looked_at(file)));
        }
    }
    for (auto& [file, pins] : held) {
        for (const PinId id : pins) {
            bench.release(id);
        }
    }
    bench.now += FileRoom::kAgainAfter;
    bench.settle();
    CHECK(bench.entries.left_out() == 0);
    CHECK(bench.entries.known() < bench.entries.places);
}

TEST_CASE("the engine says when files are left out, and when none is any more", "[file_room][engine]")
{
    World world;
    FakeFileEntries entries;
    entries.places = 1;
    Surroundings around = surroundings_of(world, world.sink, &world.store);
    around.files = &entries;
    Engine engine(around, kGeometry, "6.1.0-test");
    CHECK_FALSE(engine.wants_room());
    REQUIRE(entries.pin({1, 1, 1}));
    REQUIRE_FALSE(entries.pin({2, 1, 1}));
    CHECK(engine.wants_room());
    engine.make_room();
    REQUIRE(world.warnings.size() == 1);
    CHECK(world.warnings[0].starts_with("max_files (1) is reached: "));
    engine.make_room();
    CHECK(world.warnings.size() == 2);
    CHECK(world.warnings.back() == "there is room below max_files (1) again: every file with pins is known");
    CHECK(entries.left_out() == 0);
}
