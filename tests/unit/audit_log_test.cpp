#include "act/audit_log.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <sys/stat.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/test_clock.h"

namespace pinwarden::test {
namespace {

namespace fs = std::filesystem;

// A folder of its own for each test, gone afterwards, and a clock that stands at 2026-11-26T04:16:53Z.
struct Desk {
    Desk()
    {
        std::string pattern = fs::temp_directory_path() / "pinwarden-audit-XXXXXX";
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        folder = pattern;
        clock.time = 7'000'000'000;
        clock.unix_offset = 1'795'666'613'000'000'005 - clock.time;
    }
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    ~Desk() { fs::remove_all(folder); }

    [[nodiscard]] std::string path() const { return folder / "audit.jsonl"; }

    fs::path folder;
    TestClock clock;
};

std::string text_of(const fs::path& path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> lines_of(const fs::path& path)
{
    std::vector<std::string> lines;
    std::stringstream text(text_of(path));
    for (std::string line; std::getline(text, line);) {
        lines.push_back(line);
    }
    return lines;
}

bool is_json(const std::string& line)
{
    google::protobuf::Struct parsed;
    return google::protobuf::util::JsonStringToMessage(line, &parsed).ok();
}

AuditEntry entry()
{
    AuditEntry entry;
    entry.policy = "datasets";
    entry.generation = 3;
    entry.rule = "revoke.then[0]";
    entry.signal = SIGTERM;
    entry.victim.process = {4711, 123'456'789'012'345'678};
    entry.victim.uid = 1000;
    entry.victim.comm = "work\ner";
    entry.victim.executable = "/usr/bin/worker";
    entry.victim.cgroup = "/system.slice/worker.service";
    entry.operation.operation = "truncate";
    entry.operation.file = "/mnt/data/x";
    entry.operation.first_page = 1;
    entry.operation.end_page = 5;
    entry.operation.caller.process = {812, 9};
    entry.operation.caller.uid = 0;
    entry.operation.caller.comm = "truncate";
    entry.held = {.pins = {7, 8}, .bytes = 16384, .drivers = {"vfio"}};
    return entry;
}

}  // namespace

TEST_CASE("a record tells who was hit, by what, on which ground, and how it ended", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock);
    const auto id = log.begin(entry());
    REQUIRE(id);
    CHECK(*id == 1'795'666'613'000'000);
    const std::string begun =
        R"({"time":"2026-11-26T04:16:53.000000005Z","id":1795666613000000,"phase":"begin","policy":"datasets",)"
        R"("generation":3,"rule":"revoke.then[0]","action":{"signal":"SIGTERM","target":"owners"},)"
        R"("victim":{"pid":4711,"start_time":"123456789012345678","uid":1000,"comm":"work\ner",)"
        R"("executable":"/usr/bin/worker","cgroup":"/system.slice/worker.service"},)"
        R"("evidence":{"operation":"truncate","caller":{"pid":812,"uid":0,"comm":"truncate"},"file":"/mnt/data/x",)"
        R"("range":{"first_page":1,"end_page":5},"pins":[7,8],"pin_count":2,"bytes":16384,"drivers":["vfio"]},)"
        R"("asked_by":null})";
    // It is there before anything is done.
    CHECK(text_of(desk.path()) == begun + "\n");

    desk.clock.time += 1500;
    REQUIRE(log.complete(*id, {.result = "sent", .reason = "", .took = 1500}));
    CHECK(lines_of(desk.path()) ==
          std::vector<std::string>{begun, R"({"time":"2026-11-26T04:16:53.000001505Z","id":1795666613000000,)"
                                          R"("phase":"complete","outcome":"sent","reason":"","took_ns":1500})"});
    for (const std::string& line : lines_of(desk.path())) {
        CHECK(is_json(line));
    }
}

TEST_CASE("an operator who asked is named, and so is nobody", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock);
    AuditEntry asked = entry();
    asked.asked_by = Requester{.uid = 1001, .pid = 99};
    asked.victim.uid = std::nullopt;
    asked.target = SignalTarget::kCaller;
    REQUIRE(log.begin(asked));
    CHECK_THAT(text_of(desk.path()), Catch::Contains(R"("asked_by":{"uid":1001,"pid":99})") &&
                                         Catch::Contains(R"("uid":null,"comm")") &&
                                         Catch::Contains(R"("target":"caller")"));
}

TEST_CASE("a record stays short however many pins there are", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock);
    AuditEntry many = entry();
    many.held.pins.assign(100'000, 1'000'000);
    REQUIRE(log.begin(many));
    const auto lines = lines_of(desk.path());
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].size() < 2048);
    CHECK_THAT(lines[0], Catch::Contains(R"("pin_count":100000)"));
    CHECK(is_json(lines[0]));
}

TEST_CASE("records have ids of their own", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock);
    const AuditId first = log.begin(entry()).value();
    CHECK(log.begin(entry()).value() == first + 1);
    // A clock that goes back makes no difference, nor does a restart.
    desk.clock.time -= 1'000'000;
    CHECK(log.begin(entry()).value() == first + 2);
    desk.clock.time += 2'000'000;
    FileAuditLog next(desk.path(), desk.clock);
    CHECK(next.begin(entry()).value() > first + 2);
    CHECK(lines_of(desk.path()).size() == 4);
}

TEST_CASE("file and folders are made, for their owner and group only", "[audit-log]")
{
    Desk desk;
    const fs::path path = desk.folder / "a" / "b" / "audit.jsonl";
    FileAuditLog log(path, desk.clock);
    REQUIRE(log.open());
    const auto mode = [](const fs::path& of) {
        struct stat found{};
        REQUIRE(stat(of.c_str(), &found) == 0);
        return found.st_mode & 07777U;
    };
    const mode_t mask = umask(0);
    umask(mask);
    CHECK(mode(path) == (0640U & ~mask));
    CHECK(mode(desk.folder / "a") == (0750U & ~mask));
    CHECK(mode(desk.folder / "a" / "b") == (0750U & ~mask));
    CHECK(fs::file_size(path) == 0);
}

TEST_CASE("a full file is put aside, and the oldest goes", "[audit-log]")
{
    Desk desk;
    // Room for two records.
    FileAuditLog sizer(desk.folder / "one", desk.clock);
    REQUIRE(sizer.begin(entry()));
    const auto size = fs::file_size(desk.folder / "one");
    FileAuditLog log(desk.path(), desk.clock, {.bytes = 2 * size, .keep = 2});
    std::vector<AuditId> ids;
    for (int i = 0; i < 9; ++i) {
        ids.push_back(log.begin(entry()).value());
    }
    const auto has = [&](const std::string& path, std::size_t record) {
        return text_of(path).find("\"id\":" + std::to_string(ids[record]) + ",") != std::string::npos;
    };
    CHECK(lines_of(desk.path()).size() == 1);
    CHECK(has(desk.path(), 8));
    CHECK((has(desk.path() + ".1", 6) && has(desk.path() + ".1", 7)));
    CHECK((has(desk.path() + ".2", 4) && has(desk.path() + ".2", 5)));
    CHECK_FALSE(fs::exists(desk.path() + ".3"));

    // A record is completed wherever it is.
    REQUIRE(log.begin(entry()));
    REQUIRE(log.complete(ids[8], {.result = "sent", .reason = "", .took = 1}));
    CHECK(lines_of(desk.path()).size() == 3);
}

TEST_CASE("no old file needs to be kept", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock, {.bytes = 1, .keep = 0});
    REQUIRE(log.begin(entry()));
    REQUIRE(log.begin(entry()));
    CHECK(lines_of(desk.path()).size() == 1);
    CHECK_FALSE(fs::exists(desk.path() + ".1"));
}

TEST_CASE("a file that cannot be put aside keeps signals from being sent", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock, {.bytes = 1, .keep = 1});
    REQUIRE(log.begin(entry()));
    fs::create_directories(fs::path(desk.path() + ".1") / "in the way");
    const auto id = log.begin(entry());
    REQUIRE_FALSE(id);
    CHECK_THAT(id.error().message, Catch::Contains("rename " + desk.path()));
    CHECK(lines_of(desk.path()).size() == 1);
}

TEST_CASE("without room on the disk there is no record, and it says so", "[audit-log]")
{
    Desk desk;
    FileAuditLog log("/dev/full", desk.clock);
    const auto id = log.begin(entry());
    REQUIRE_FALSE(id);
    CHECK(id.error().code == ENOSPC);
    CHECK(id.error().message ==
          "audit log /dev/full: write: No space left on device; no signal is sent without its record: make room, or "
          "mend what keeps it from being written");
    CHECK(log.complete(1, {.result = "sent", .reason = "", .took = 1}).error().code == ENOSPC);
}

TEST_CASE("a file that cannot be opened is an error", "[audit-log]")
{
    Desk desk;
    std::ofstream(desk.folder / "file") << "x";
    FileAuditLog below_a_file(desk.folder / "file" / "audit.jsonl", desk.clock);
    CHECK(below_a_file.open().error().code == ENOTDIR);
    CHECK_FALSE(below_a_file.begin(entry()));
    FileAuditLog a_folder(desk.folder, desk.clock);
    CHECK(a_folder.open().error().code == EISDIR);
    CHECK_FALSE(a_folder.begin(entry()));
}

TEST_CASE("a file that was moved away is left alone", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock);
    const AuditId id = log.begin(entry()).value();
    SECTION("and another begun")
    {
        fs::rename(desk.path(), desk.folder / "old");
        REQUIRE(log.begin(entry()));
        CHECK(lines_of(desk.folder / "old").size() == 1);
        CHECK(lines_of(desk.path()).size() == 1);
    }
    SECTION("also where only the end of a record is missing")
    {
        fs::rename(desk.path(), desk.folder / "old");
        REQUIRE(log.complete(id, {.result = "sent", .reason = "", .took = 1}));
        CHECK(lines_of(desk.folder / "old").size() == 1);
        CHECK_THAT(text_of(desk.path()), Catch::Contains(R"("phase":"complete")"));
    }
    SECTION("with its folder")
    {
        fs::remove_all(desk.folder);
        REQUIRE(log.begin(entry()));
        CHECK(lines_of(desk.path()).size() == 1);
    }
    SECTION("and so is one that was emptied")
    {
        fs::resize_file(desk.path(), 0);
        REQUIRE(log.begin(entry()));
        CHECK(lines_of(desk.path()).size() == 1);
        CHECK(is_json(lines_of(desk.path())[0]));
    }
}

TEST_CASE("a line that was cut off does not spoil the next", "[audit-log]")
{
    Desk desk;
    FileAuditLog log(desk.path(), desk.clock);
    std::ofstream(desk.path()) << R"({"time":"2026-11-26T04:1)";
    const AuditId id = log.begin(entry()).value();
    const auto lines = lines_of(desk.path());
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] == R"({"time":"2026-11-26T04:1)");
    CHECK(is_json(lines[1]));
    REQUIRE(log.complete(id, {.result = "gone", .reason = "it has ended", .took = 2}));
    CHECK(lines_of(desk.path()).size() == 3);
}

TEST_CASE("times are in UTC, to the nanosecond", "[audit-log]")
{
    CHECK(format_utc(0) == "1970-01-01T00:00:00.000000000Z");
    CHECK(format_utc(1'795'666'613'120'000'005) == "2026-11-26T04:16:53.120000005Z");
    CHECK(format_utc(951'782'400'999'999'999) == "2000-02-29T00:00:00.999999999Z");
}

}  // namespace pinwarden::test
