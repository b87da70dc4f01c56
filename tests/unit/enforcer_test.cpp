#include "act/enforcer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>

#include "support/fake_verdict_sink.h"

namespace pinwarden {
namespace {

constexpr FileKey kFile{.inode = 7, .device = 1, .generation = 0};
constexpr FileKey kOther{.inode = 8, .device = 1, .generation = 0};
constexpr Nanoseconds kSecond = 1'000'000'000;

using Calls = std::vector<std::string>;

Policy for_all(const std::string& name)
{
    Policy policy;
    policy.name = name;
    policy.mode = Mode::kEnforce;
    policy.operations = {Operation::kTruncate};
    policy.deny_errno = EBUSY;
    return policy;
}

Policy for_driver(const std::string& name, const std::string& driver)
{
    Policy policy = for_all(name);
    policy.pin.drivers = {driver};
    return policy;
}

// An enforcer with a ledger and what lies beyond it.
struct Bench {
    Ledger ledger;
    FakeVerdictSink sink;
    FakePathResolver resolver;
    Enforcer enforcer{sink, resolver};
    std::map<FileKey, std::uint64_t> sequences;

    // Pins pages of a file; the page frames are those from 1000 × id on.
    void pin(PinId id, const FileKey& file, const std::string& driver, std::uint64_t page, std::uint64_t pages,
             Nanoseconds time = 0)
    {
        PinEvent event;
        event.time = time;
        event.pin = id;
        event.address = id << 32U;
        event.pinned_pages = pages;
        event.long_term = true;
        ledger.pin(event, driver);
        ledger.range({.time = time,
                      .pin = id,
                      .address = id << 32U,
                      .page_index = page,
                      .pages = pages,
                      .sequence = ++sequences[file],
                      .file = file});
        ledger.pages({.time = time, .pin = id, .first = 0, .runs = {{id * 1000, pages}}});
    }

    void release(PinId id, std::uint64_t pages)
    {
        ReleaseEvent event;
        event.runs = {{id * 1000, pages}};
        ledger.release(event);
    }

    void name(const FileKey& file, const std::string& path)
    {
        FileEvent event;
        event.file = file;
        event.path = path;
        ledger.file(event);
    }

    Result<void> apply(const std::vector<Policy>& policies, Nanoseconds now = 0)
    {
        return enforcer.apply(policies, ledger, now);
    }

    Result<void> update(Nanoseconds now = 0) { return enforcer.update(ledger.take_changed_files(), ledger, now); }

    Calls take_calls() { return std::exchange(sink.calls, {}); }
};

bool covers(const FileState* state, std::uint64_t first, std::uint64_t end)
{
    return state != nullptr && state->first_page == first && state->end_page == end;
}

}  // namespace

TEST_CASE("every success is a new generation, the first of an empty list too", "[enforcer]")
{
    Bench bench;
    CHECK(bench.enforcer.generation() == 0);
    REQUIRE(bench.apply({}));
    CHECK(bench.enforcer.generation() == 1);
    REQUIRE(bench.apply({for_all("a")}));
    REQUIRE(bench.enforcer.remove("a", bench.ledger, 0));
    CHECK(bench.take_calls() == Calls{"install 1", "install 2", "install 3"});
    CHECK(bench.enforcer.generation() == 3);
    CHECK(bench.sink.installed.table.count == 0);
}

TEST_CASE("what fails leaves what was in force", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_driver("a", "vfio")}));
    bench.pin(1, kFile, "vfio", 0, 4);
    REQUIRE(bench.update());
    bench.take_calls();

    SECTION("a policy that is refused")
    {
        CHECK_FALSE(bench.apply({for_all("bad name")}));
        CHECK(bench.take_calls().empty());
    }
    SECTION("a name that is unknown")
    {
        CHECK(bench.enforcer.remove("x", bench.ledger, 0).error().code == ENOENT);
        CHECK(bench.take_calls().empty());
    }
    SECTION("a path that cannot be looked up")
    {
        Policy by_path = for_all("b");
        by_path.file.path_prefixes = {"/a"};
        bench.resolver.errors["/a"] = {"broken", EIO};
        CHECK(bench.apply({by_path}).error().code == EIO);
        CHECK(bench.take_calls().empty());
    }
    SECTION("a table that cannot be installed")
    {
        bench.sink.failing = {"install"};
        CHECK_FALSE(bench.apply({for_all("b")}));
        CHECK(bench.take_calls() == Calls{"verdict 7/0 in 2", "ack 7", "install 2", "clear 7/0 in 2"});
    }
    SECTION("a verdict that cannot be set")
    {
        bench.sink.failing = {"verdict 7/1"};
        CHECK_FALSE(bench.apply({for_driver("b", "vfio")}));
        CHECK(bench.take_calls().back().starts_with("clear"));
    }
    CHECK(bench.enforcer.generation() == 1);
    CHECK(bench.enforcer.policies().policies().size() == 1);
    CHECK(bench.sink.verdicts.size() == 1);
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 0, 4));
}

TEST_CASE("verdicts are there before their table, and the old ones go after it", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_driver("a", "vfio")}));
    bench.pin(1, kFile, "vfio", 2, 4);
    bench.pin(2, kOther, "io_uring", 0, 1);
    REQUIRE(bench.update());
    CHECK(bench.take_calls() == Calls{"install 1", "verdict 7/0 in 1", "ack 7", "verdict 8/0 in 1", "ack 8"});
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 2, 6));
    CHECK(bench.sink.verdict(kFile, 0, 1)->sequence == 1);
    CHECK(covers(bench.sink.verdict(kOther, 0, 1), 0, 0));

    REQUIRE(bench.apply({for_all("b"), for_driver("c", "io_uring")}));
    Calls calls = bench.take_calls();
    std::sort(calls.end() - 2, calls.end());
    CHECK(calls == Calls{"verdict 7/0 in 2", "verdict 7/2 in 2", "ack 7", "verdict 8/0 in 2", "verdict 8/2 in 2",
                         "ack 8", "install 2", "clear 7/0 in 1", "clear 8/0 in 1"});
    CHECK(covers(bench.sink.verdict(kOther, 2, 2), 0, 1));
    CHECK(bench.sink.verdicts.size() == 4);

    // Without policies that select pins, nothing stays.
    REQUIRE(bench.enforcer.remove("a", bench.ledger, 0));
    REQUIRE(bench.enforcer.remove("c", bench.ledger, 0));
    CHECK(bench.sink.verdicts.empty());
}

TEST_CASE("what could not be cleared is cleared before its half is used again", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_driver("a", "vfio")}));
    bench.pin(1, kFile, "vfio", 0, 4);
    REQUIRE(bench.update());
    bench.sink.failing = {"clear 7/0 in 1"};
    REQUIRE(bench.enforcer.remove("a", bench.ledger, 0));
    CHECK(bench.enforcer.generation() == 2);
    CHECK(bench.sink.verdicts.size() == 1);

    SECTION("it still cannot be")
    {
        bench.sink.failing = {"clear"};
        CHECK_FALSE(bench.apply({for_all("b")}));
        CHECK(bench.enforcer.generation() == 2);
    }
    SECTION("it can be")
    {
        bench.take_calls();
        REQUIRE(bench.apply({for_all("b")}));
        CHECK(bench.take_calls() == Calls{"clear 7/0 in 3", "ack 7", "install 3"});
        CHECK(bench.sink.verdicts.empty());
    }
}

TEST_CASE("an update sets verdicts first, then acknowledges", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_driver("a", "vfio"), for_all("b")}));
    bench.pin(1, kFile, "vfio", 10, 4);
    bench.pin(2, kFile, "io_uring", 0, 2);
    bench.take_calls();
    REQUIRE(bench.update());
    CHECK(bench.take_calls() == Calls{"verdict 7/0 in 1", "ack 7"});
    const FakeVerdictSink::Ack& ack = bench.sink.acks.at(kFile);
    CHECK(covers(&ack.state, 0, 14));
    CHECK(ack.state.sequence == 2);
    CHECK(ack.generation == 1);
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 10, 14));

    bench.release(1, 4);
    REQUIRE(bench.update());
    CHECK(covers(&bench.sink.acks.at(kFile).state, 0, 2));
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 0, 0));

    bench.release(2, 2);
    bench.take_calls();
    REQUIRE(bench.update());
    CHECK(bench.take_calls() == Calls{"clear 7/0 in 1", "ack 7"});
    CHECK(covers(&bench.sink.acks.at(kFile).state, 0, 0));
    CHECK(bench.sink.verdicts.empty());
}

TEST_CASE("a policy that is off needs no verdicts", "[enforcer]")
{
    Bench bench;
    Policy off = for_driver("a", "vfio");
    off.mode = Mode::kOff;
    REQUIRE(bench.apply({off}));
    bench.pin(1, kFile, "vfio", 0, 4);
    REQUIRE(bench.update());
    CHECK(bench.take_calls() == Calls{"install 1", "ack 7"});
}

TEST_CASE("with a range missing, the kernel is not told that all is seen", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_driver("a", "vfio")}));
    ++bench.sequences[kFile];
    bench.pin(1, kFile, "vfio", 3, 4);
    REQUIRE(bench.update());
    CHECK_FALSE(bench.sink.acks.at(kFile).state.complete);
    // What is known of the pins still holds.
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 3, 7));
    CHECK(bench.sink.verdict(kFile, 0, 1)->sequence == 0);
}

TEST_CASE("a file pinned through a covered path is told to the kernel, in every generation anew", "[enforcer]")
{
    Bench bench;
    Policy by_path = for_all("p");
    by_path.file.path_prefixes = {"/link"};
    bench.resolver.links["/link"] = "/mnt/a";
    bench.resolver.directories["/mnt/a"] = {{2, 1}};
    REQUIRE(bench.apply({for_all("all"), by_path}));
    bench.name(kFile, "/mnt/a/x");
    bench.name(kOther, "/mnt/ab");
    bench.pin(1, kFile, "vfio", 0, 4);
    bench.pin(2, kOther, "vfio", 0, 4);
    REQUIRE(bench.update());
    CHECK(bench.sink.acks.at(kFile).policies == 0b10);
    CHECK(bench.sink.acks.at(kOther).policies == 0);

    SECTION("when policies change")
    {
        bench.take_calls();
        REQUIRE(bench.enforcer.remove("all", bench.ledger, 0));
        CHECK(bench.take_calls() == Calls{"ack 7", "ack 8", "install 2"});
        CHECK(bench.sink.acks.at(kFile).policies == 0b1);
        CHECK(bench.sink.acks.at(kFile).generation == 2);
    }
    SECTION("when that fails, the new policies are not put in force without")
    {
        bench.sink.failing = {"ack 7"};
        CHECK_FALSE(bench.enforcer.remove("all", bench.ledger, 5));
        CHECK(bench.enforcer.generation() == 1);
        CHECK(bench.sink.generation == 1);
        bench.sink.failing.clear();
        REQUIRE(bench.enforcer.remove("all", bench.ledger, 6));
        CHECK(bench.sink.acks.at(kFile).generation == 2);
    }
}

TEST_CASE("one failing file does not keep the others from being done", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_driver("a", "vfio")}));
    bench.pin(1, kFile, "vfio", 0, 4);
    bench.pin(2, kOther, "vfio", 0, 4);
    bench.take_calls();
    bench.sink.failing = {"verdict 7"};
    const auto updated = bench.update(100);
    REQUIRE_FALSE(updated);
    CHECK_THAT(updated.error().message, Catch::StartsWith("verdict 7/0"));
    // Not acknowledged: the kernel must not take the missing verdict for the truth.
    CHECK(bench.take_calls() == Calls{"verdict 7/0 in 1", "verdict 8/0 in 1", "ack 8"});

    CHECK(bench.enforcer.next_tick() == 100 + kSecond);
    CHECK(bench.enforcer.tick(bench.ledger, 99 + kSecond));
    CHECK(bench.take_calls().empty());
    CHECK_FALSE(bench.enforcer.tick(bench.ledger, 100 + kSecond));
    bench.sink.failing.clear();
    bench.take_calls();
    REQUIRE(bench.enforcer.tick(bench.ledger, 100 + 2 * kSecond));
    CHECK(bench.take_calls() == Calls{"verdict 7/0 in 1", "ack 7"});
    CHECK_FALSE(bench.enforcer.next_tick());
}

TEST_CASE("a pin comes of age", "[enforcer]")
{
    Bench bench;
    Policy old_ones = for_all("old");
    old_ones.pin.min_age = 5 * kSecond;
    REQUIRE(bench.apply({old_ones}));
    bench.pin(1, kFile, "vfio", 0, 4, kSecond);
    bench.pin(2, kFile, "vfio", 10, 4, 2 * kSecond);
    CHECK_FALSE(bench.enforcer.next_tick());
    REQUIRE(bench.update(2 * kSecond));
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 0, 0));
    CHECK(bench.enforcer.next_tick() == 6 * kSecond);

    REQUIRE(bench.enforcer.tick(bench.ledger, 6 * kSecond));
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 0, 4));
    CHECK(bench.enforcer.next_tick() == 7 * kSecond);
    REQUIRE(bench.enforcer.tick(bench.ledger, 8 * kSecond));
    CHECK(covers(bench.sink.verdict(kFile, 0, 1), 0, 14));
    CHECK_FALSE(bench.enforcer.next_tick());

    // A new table knows it too.
    REQUIRE(bench.apply({for_all("b")}, 3 * kSecond));
    CHECK(bench.enforcer.next_tick() == 6 * kSecond);
    bench.release(1, 4);
    bench.release(2, 4);
    REQUIRE(bench.enforcer.tick(bench.ledger, 9 * kSecond));
    CHECK(bench.sink.verdicts.empty());
    CHECK_FALSE(bench.enforcer.next_tick());
}

TEST_CASE("mounts that come and go install a new table only if that changes something", "[enforcer]")
{
    Bench bench;
    Policy by_path = for_all("p");
    by_path.file.path_prefixes = {"/a"};
    REQUIRE(bench.apply({by_path}));
    CHECK(bench.enforcer.compiled().pending[0] == "path /a does not exist yet");
    REQUIRE(bench.enforcer.mounts_changed(bench.ledger, 0));
    CHECK(bench.enforcer.generation() == 1);

    bench.resolver.directories["/a"] = {{2, 1}};
    REQUIRE(bench.enforcer.mounts_changed(bench.ledger, 0));
    CHECK(bench.enforcer.generation() == 2);
    CHECK(bench.enforcer.compiled().pending[0].empty());
    CHECK(bench.sink.installed.prefixes == std::map<DirectoryId, std::uint64_t>{{{2, 1}, 1}});

    bench.resolver.errors["/a"] = {"broken", EIO};
    CHECK_FALSE(bench.enforcer.mounts_changed(bench.ledger, 0));
    CHECK(bench.enforcer.generation() == 2);
    CHECK(bench.sink.installed.prefixes.size() == 1);
}

TEST_CASE("cgroups that are made are looked at, and only then relied upon", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_all("all")}));
    bench.sink.made_cgroups = 3;
    CHECK(bench.enforcer.cgroups_were_made());
    // Nobody asks for any.
    REQUIRE(bench.enforcer.cgroups_changed(bench.ledger, 0));
    CHECK(bench.sink.known_cgroups == 3);
    CHECK(bench.enforcer.generation() == 1);

    Policy by_cgroup = for_all("by-cgroup");
    by_cgroup.caller.cgroups = {"/jobs"};
    REQUIRE(bench.apply({by_cgroup}));
    CHECK(bench.sink.installed.callers.empty());
    bench.sink.made_cgroups = 4;
    bench.resolver.cgroups["/jobs"] = 77;
    REQUIRE(bench.enforcer.cgroups_changed(bench.ledger, 0));
    CHECK(bench.enforcer.generation() == 3);
    CHECK(bench.sink.installed.callers.size() == 1);
    CHECK(bench.sink.known_cgroups == 4);
    CHECK_FALSE(bench.enforcer.cgroups_were_made());

    // What could not be told is not known.
    bench.sink.made_cgroups = 5;
    bench.resolver.cgroups["/jobs"] = 78;
    bench.sink.failing = {"install"};
    CHECK_FALSE(bench.enforcer.cgroups_changed(bench.ledger, 0));
    CHECK(bench.sink.known_cgroups == 4);
    CHECK(bench.enforcer.cgroups_were_made());
}

TEST_CASE("a file that was renamed stays covered by the path it was pinned through", "[enforcer]")
{
    Bench bench;
    bench.resolver.directories["/a"] = {{2, 1}};
    bench.resolver.directories["/b"] = {{3, 1}};
    Policy inside = for_all("inside");
    inside.file.path_prefixes = {"/a"};
    Policy elsewhere = for_all("elsewhere");
    elsewhere.file.path_prefixes = {"/b"};
    REQUIRE(bench.apply({inside, elsewhere}));
    const FileKey file{7, 1, 0};
    FileEvent name;
    name.file = file;
    name.path = "/a/x";
    name.parts = {{1, "", "/a/x"}};
    bench.ledger.file(name);
    bench.pin(1, file, "vfio", 0, 4);
    RenameEvent rename;
    rename.file = file;
    rename.device = 1;
    rename.path = "/a/x";
    rename.new_path = "/b/x";
    bench.ledger.rename(rename);
    REQUIRE(bench.ledger.find_file(file)->path == "/b/x");

    REQUIRE(bench.enforcer.update(bench.ledger.take_changed_files(), bench.ledger, 0));
    CHECK(bench.sink.acks.at(file).policies == 0b01);
    REQUIRE(bench.apply({for_all("third")}));
    CHECK(bench.sink.acks.at(file).policies == 0b01);
}

TEST_CASE("a decision is laid to the policy that had the slot when it was made", "[enforcer]")
{
    Bench bench;
    REQUIRE(bench.apply({for_all("a"), for_all("b")}));
    REQUIRE(bench.enforcer.remove("a", bench.ledger, 0));
    OperationEvent operation;
    operation.verdict = PW_VERDICT_DENY;
    operation.matched = 0b10;
    operation.policy = 1;
    operation.generation = 1;
    REQUIRE(bench.enforcer.deciding(operation) != nullptr);
    CHECK(bench.enforcer.deciding(operation)->name == "b");
    bench.enforcer.count(operation);
    CHECK(bench.enforcer.policies().counters("b").denied == 1);

    operation.generation = 2;
    CHECK(bench.enforcer.deciding(operation) == nullptr);  // slot 1 is no longer taken
    operation.policy = 0;
    CHECK(bench.enforcer.deciding(operation)->name == "b");
    operation.policy = -1;
    CHECK(bench.enforcer.deciding(operation) == nullptr);

    operation.generation = 1;
    operation.policy = 1;
    REQUIRE(bench.apply({for_all("c")}));
    CHECK(bench.enforcer.deciding(operation) == nullptr);  // two generations ago
    bench.enforcer.count(operation);
    CHECK(bench.enforcer.policies().counters("b").denied == 1);
}

}  // namespace pinwarden
