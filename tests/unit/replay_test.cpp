// A recording through the pipeline again: the same pins, conflicts and names come out, on another machine.
#include <catch2/catch.hpp>

#include "policy/policy_yaml.h"
#include "publish/convert.h"
#include "replay/replay.h"
#include "replay/replay_pipeline.h"
#include "support/publish_fixtures.h"
#include "support/recordings.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

Policy denying(const std::string& name)
{
    return parse_policies("name: " + name + "\nmode: enforce\nmatch: {operations: [truncate]}\naction: {deny: {}}\n",
                          "test")
        .value()
        .front();
}

// A file with the world's recording, replayed.
struct Replayed {
    TemporaryFolder folder;
    std::unique_ptr<RecordingReader> reader;
    std::unique_ptr<Replay> replay;
    ReplaySummary summary;
    std::vector<v1::EventKind> events;

    explicit Replayed(RecordedWorld& world)
    {
        write_recording(folder.file("r"), world.finish());
        reader = RecordingReader::open(folder.file("r")).value();
        replay = std::make_unique<Replay>(reader->head());
        summary = replay->play(*reader, [this](const Notice& notice) {
            for (const v1::EventKind kind : event_kinds(notice)) {
                events.push_back(kind);
            }
        });
    }

    [[nodiscard]] std::vector<PinView> pins() { return replay->engine().pins({}, 0).pins; }
};

void expect_same(const std::vector<PinView>& here, const std::vector<PinView>& there)
{
    REQUIRE(here.size() == there.size());
    for (std::size_t i = 0; i < here.size(); ++i) {
        const PinRecord& one = here[i].pin;
        const PinRecord& other = there[i].pin;
        CHECK(one.id == other.id);
        CHECK(one.bytes == other.bytes);
        CHECK(one.live_pages == other.live_pages);
        CHECK(one.driver == other.driver);
        CHECK(one.acquired == other.acquired);
        CHECK(one.owner.process == other.owner.process);
        CHECK(one.owner.comm == other.owner.comm);
        CHECK(one.owner.names->cgroup == other.owner.names->cgroup);
        CHECK(one.owner.names->executable == other.owner.names->executable);
        CHECK(one.owner_exited == other.owner_exited);
        CHECK(one.orphaned == other.orphaned);
        CHECK(one.backing == other.backing);
        CHECK(here[i].stack == there[i].stack);
        REQUIRE(here[i].files.size() == there[i].files.size());
        for (const auto& [key, name] : here[i].files) {
            CHECK(there[i].files.at(key).path == name.path);
            CHECK(there[i].files.at(key).filesystem == name.filesystem);
        }
    }
}

std::vector<std::uint64_t> twelve_pages()
{
    std::vector<std::uint64_t> addresses;
    for (PageNumber page = 100; page < 112; ++page) {
        addresses.push_back(page_address(page));
    }
    return addresses;
}

}  // namespace

TEST_CASE("what happens while it is recorded is the same when it is replayed")
{
    RecordedWorld world;
    world.start();
    world.hear(owner_record("job\0bin\0usr\0"sv));
    world.hear(file_record("x\0data\0mnt\0"sv));
    world.hear(bytes_of(raw_pin()));
    world.hear(bytes_of(raw_range()));
    world.hear(pages_record(5, 0, twelve_pages()));
    world.clock.time = 3000;
    world.hear(bytes_of(raw_release(103, 2)));
    world.hear(bytes_of(raw_exit()));
    Replayed replayed(world);

    CHECK(replayed.summary.damage.empty());
    CHECK(replayed.summary.records == 7);
    CHECK(replayed.summary.lost == 0);
    CHECK(replayed.summary.recorded_pins == 1);
    CHECK(replayed.summary.agrees());
    CHECK(replayed.replay->engine().ledger().certain());
    const auto pins = replayed.pins();
    expect_same(pins, world.engine.pins({}, 0).pins);
    CHECK(pins.front().pin.bytes == 10 * 4096);
    CHECK(pins.front().stack.front() == "pin_user_pages_fast+0x5");
    CHECK(replayed.events == std::vector{v1::EVENT_KIND_PIN, v1::EVENT_KIND_RELEASE, v1::EVENT_KIND_ORPHAN});
}

TEST_CASE("what was pinned before it was recorded is there, as far as it was pinned still")
{
    RecordedWorld world;
    world.hear(owner_record("job\0bin\0usr\0"sv));
    world.pin_file();
    world.hear(bytes_of(raw_release(103, 2)));
    world.hear(bytes_of(raw_release(111, 1)));
    world.hear(bytes_of(raw_exit()));
    world.start();
    Replayed at_once(world);
    CHECK(at_once.summary.agrees());
    CHECK(at_once.replay->engine().ledger().certain());
    expect_same(at_once.pins(), world.engine.pins({}, 0).pins);
    CHECK(at_once.pins().front().pin.bytes == 9 * 4096);

    // It is let go as the kernel tells it, pages and all.
    world.start();
    world.hear(bytes_of(raw_release(100, 3)));
    world.hear(bytes_of(raw_release(105, 6)));
    Replayed later(world);
    CHECK(later.summary.agrees());
    CHECK(later.pins().empty());
    CHECK(later.replay->engine().metrics().unmatched_releases == 0);
}

TEST_CASE("a memory file, one without a name and a deleted one keep what they are called")
{
    for (const auto& [path, flags, filesystem, magic, shown] :
         {std::tuple{"memfd:weights\0"sv, 0U, "tmpfs", 0x01021994UL, "memfd:weights"},
          std::tuple{"x\0data\0"sv, static_cast<unsigned>(PW_FILE_UNLINKED), "ext4", 0xef53UL, "/data/x"},
          std::tuple{"x\0deep\0"sv, static_cast<unsigned>(PW_FILE_PATH_CUT), "ext4", 0xef53UL, ".../deep/x"}}) {
        RecordedWorld world;
        world.hear(file_record(path, flags, filesystem, magic));
        world.hear(bytes_of(raw_pin()));
        world.hear(bytes_of(raw_range()));
        world.hear(pages_record(5, 0, twelve_pages()));
        world.engine.flush();
        world.start();
        Replayed replayed(world);
        const auto before = world.engine.pins({}, 0).pins.front();
        const auto after = replayed.pins().front();
        CHECK(after.files.begin()->second.path == shown);
        CHECK(after.files.begin()->second.path == before.files.begin()->second.path);
        CHECK(after.files.begin()->second.deleted == before.files.begin()->second.deleted);
        CHECK(after.pin.backing == before.pin.backing);
    }
}

TEST_CASE("an operation is explained by the policy that decided it, also when policies change meanwhile")
{
    RecordedWorld world;
    world.pin_file();
    REQUIRE(world.engine.apply({denying("first")}, false));
    world.start();
    const auto generation = static_cast<std::uint32_t>(world.engine.policy_generation());
    world.hear(bytes_of(World::truncate(PW_VERDICT_DENY, 1, generation)));
    REQUIRE(world.engine.apply({denying("second")}, false));
    world.hear(bytes_of(World::truncate(PW_VERDICT_DENY, 2, generation + 1)));
    Replayed replayed(world);

    const ConflictList conflicts = replayed.replay->conflicts().list({.limit = 10});
    REQUIRE(conflicts.conflicts.size() == 2);
    CHECK(std::get<ConflictView>(conflicts.conflicts[0].conflict->what).policy == "second");
    CHECK(std::get<ConflictView>(conflicts.conflicts[1].conflict->what).policy == "first");
    ReplayPipeline pipeline(*replayed.replay, replayed.reader->head());
    const Snapshot snapshot = pipeline.snapshot().value();
    CHECK(snapshot.policies.size() == 2);
    CHECK(snapshot.policy_generation == generation + 1);
    CHECK(snapshot.version == "1.2.3");
}

TEST_CASE("losses make the replayed ledger uncertain, and are told")
{
    RecordedWorld world;
    world.pin_file();
    world.start();
    auto parts = world.finish();
    parts.back().mutable_piece()->set_lost(3);
    const TemporaryFolder folder;
    write_recording(folder.file("r"), parts);
    auto reader = RecordingReader::open(folder.file("r")).value();
    Replay replay(reader->head());
    const ReplaySummary summary = replay.play(*reader);
    CHECK(summary.lost == 3);
    CHECK_FALSE(replay.engine().ledger().certain());
}

TEST_CASE("pages of the start that nobody can have pinned end the replay at once")
{
    constexpr std::uint64_t kPages = 1ULL << 32U;
    const auto with = [](std::uint64_t position, const std::vector<std::uint64_t>& runs) {
        v1::RecordingPages pages;
        pages.set_pin(5);
        pages.set_position(position);
        pages.mutable_runs()->Add(runs.begin(), runs.end());
        return pages;
    };
    for (const auto& [pages, why] :
         {std::pair{with(0, {100, 4, 200}), "half a run"}, std::pair{with(0, {100, 0}), "no memory has"},
          std::pair{with(0, {1ULL << 40U, 1}), "no memory has"},
          std::pair{with(0, {100, 1ULL << 40U}), "no memory has"}, std::pair{with(0, {~0ULL, ~0ULL}), "no memory has"},
          std::pair{with(0, {0, kPages, kPages, 1}), "more than a pin can have"},
          std::pair{with(kPages, {100, 1}), "more than a pin can have"},
          std::pair{with(kPages + 1, {100, 1}), "no pin has"},
          std::pair{with(0, {0, kPages - 11}), "more than 4294967296 pages"}}) {
        RecordedWorld world;
        world.pin_file();
        world.start();
        auto parts = world.finish();
        const auto told = std::ranges::find_if(parts, [](const auto& part) { return part.piece().pages_size() > 0; });
        REQUIRE(told != parts.end());
        *told->mutable_piece()->add_pages() = pages;
        const TemporaryFolder folder;
        write_recording(folder.file("r"), parts);
        auto reader = RecordingReader::open(folder.file("r")).value();
        Replay replay(reader->head());
        const ReplaySummary summary = replay.play(*reader);
        INFO(why);
        CHECK_THAT(summary.damage, Catch::Contains(why));
        CHECK_FALSE(summary.recorded_pins);
        CHECK(replay.engine().pins({}, 0).pins.size() == 1);
    }
}

TEST_CASE("nothing of a recording can be changed")
{
    RecordedWorld world;
    world.start();
    Replayed replayed(world);
    ReplayPipeline pipeline(*replayed.replay, replayed.reader->head());
    CHECK(pipeline.apply({}, false, {}, {}).error().code == ENOTSUP);
    CHECK(pipeline.remove("x", {}, {}).error().code == ENOTSUP);
    CHECK(pipeline.set_mode("x", Mode::kOff, {}, {}).error().code == ENOTSUP);
    CHECK(pipeline.release_hold(1, Outcome::kAllow, {}).error().code == ENOTSUP);
    CHECK(pipeline.acknowledge(1, RevocationIntent::kLettingGo, {}).error().code == ENOTSUP);
    CHECK(pipeline.audit({}, {}).error().code == ENOTSUP);
    CHECK(pipeline.test({}).error().code == ENOTSUP);
}

TEST_CASE("there is one recording at a time, and another one after it")
{
    RecordedWorld world;
    world.start();
    const auto refused = world.desk.start();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EUSERS);
    world.desk.stop(*world.tape);
    const auto next = world.desk.start();
    REQUIRE(next);
    // Whoever ends late ends nobody else's.
    world.desk.stop(*world.tape);
    CHECK_FALSE((*next)->closed());
}
