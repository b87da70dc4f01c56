#include "act/audit_file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/audit_desk.h"

namespace pinwarden::test {
namespace {

namespace fs = std::filesystem;

constexpr AuditSink::How kBegin{.sync = true, .may_turn = true};
constexpr AuditSink::How kComplete{.sync = true, .may_turn = false};
constexpr AuditSink::How kLater{.sync = false, .may_turn = true};

using Lines = std::vector<std::string>;

std::string content(const AuditFile::Part& part)
{
    std::string text(part.bytes + 1, ' ');
    text.resize(static_cast<std::size_t>(pread(part.fd.get(), text.data(), text.size(), 0)));
    return text.substr(0, part.bytes);
}

}  // namespace

TEST_CASE("a line is in the file when append returns, and a later one after it", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path());
    REQUIRE(file.append("{1}", kBegin));
    CHECK(text_of(desk.path()) == "{1}\n");
    REQUIRE(file.append("{2}", kLater));
    CHECK(text_of(desk.path()) == "{1}\n{2}\n");
    CHECK(file.sync());
    CHECK(file.sync());
}

TEST_CASE("file and folders are made, for their owner and group only", "[audit_log]")
{
    AuditDesk desk;
    const fs::path path = desk.folder / "a" / "b" / "audit.jsonl";
    AuditFile file(path);
    REQUIRE(file.open());
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

TEST_CASE("a full file is put aside, and the oldest goes", "[audit_log]")
{
    AuditDesk desk;
    const AuditSink::How how = GENERATE(kBegin, kLater);
    // Room for two lines.
    AuditFile file(desk.path(), {.bytes = 8, .keep = 2});
    for (int i = 0; i < 9; ++i) {
        REQUIRE(file.append("{" + std::to_string(i) + "}", how));
    }
    CHECK(lines_of(desk.path()) == Lines{"{8}"});
    CHECK(lines_of(desk.path() + ".1") == Lines{"{6}", "{7}"});
    CHECK(lines_of(desk.path() + ".2") == Lines{"{4}", "{5}"});
    CHECK_FALSE(fs::exists(desk.path() + ".3"));

    // A record is completed wherever it is.
    REQUIRE(file.append("{9}", how));
    REQUIRE(file.append("{10}", kComplete));
    CHECK(lines_of(desk.path()).size() == 3);
}

TEST_CASE("no old file needs to be kept", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path(), {.bytes = 1, .keep = 0});
    REQUIRE(file.append("{1}", kBegin));
    REQUIRE(file.append("{2}", kBegin));
    CHECK(lines_of(desk.path()) == Lines{"{2}"});
    CHECK_FALSE(fs::exists(desk.path() + ".1"));
}

TEST_CASE("a file that cannot be put aside is an error, and stays", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path(), {.bytes = 1, .keep = 1});
    REQUIRE(file.append("{1}", kBegin));
    fs::create_directories(fs::path(desk.path() + ".1") / "in the way");
    const auto written = file.append("{2}", kBegin);
    REQUIRE_FALSE(written);
    CHECK_THAT(written.error().message, Catch::Contains("rename " + desk.path()));
    CHECK(lines_of(desk.path()) == Lines{"{1}"});
}

TEST_CASE("without room on the disk nothing is written, and it says so", "[audit_log]")
{
    AuditFile file("/dev/full");
    const auto written = file.append("{1}", kBegin);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ENOSPC);
    CHECK(written.error().message == "audit log /dev/full: write: No space left on device");
}

TEST_CASE("a file that cannot be opened is an error", "[audit_log]")
{
    AuditDesk desk;
    std::ofstream(desk.folder / "file") << "x";
    AuditFile below_a_file(desk.folder / "file" / "audit.jsonl");
    CHECK(below_a_file.open().error().code == ENOTDIR);
    CHECK_FALSE(below_a_file.append("{1}", kBegin));
    CHECK(below_a_file.parts().error().code == ENOTDIR);
    AuditFile a_folder(desk.folder);
    CHECK(a_folder.open().error().code == EISDIR);
    CHECK_FALSE(a_folder.append("{1}", kBegin));
}

TEST_CASE("a file that was moved away is left alone", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path());
    REQUIRE(file.append("{1}", kBegin));
    const AuditSink::How how = GENERATE(kBegin, kComplete, kLater);
    SECTION("and another begun")
    {
        fs::rename(desk.path(), desk.folder / "old");
        REQUIRE(file.append("{2}", how));
        CHECK(lines_of(desk.folder / "old") == Lines{"{1}"});
        CHECK(lines_of(desk.path()) == Lines{"{2}"});
    }
    SECTION("with its folder")
    {
        fs::remove_all(desk.folder);
        REQUIRE(file.append("{2}", how));
        CHECK(lines_of(desk.path()) == Lines{"{2}"});
    }
    SECTION("and so is one that was emptied")
    {
        fs::resize_file(desk.path(), 0);
        REQUIRE(file.append("{2}", how));
        CHECK(lines_of(desk.path()) == Lines{"{2}"});
    }
}

TEST_CASE("a line that was cut off does not spoil the next", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path());
    std::ofstream(desk.path()) << R"({"time":"2026-11-26T04:1)";
    REQUIRE(file.append("{2}", kBegin));
    REQUIRE(file.append("{3}", kComplete));
    CHECK(lines_of(desk.path()) == Lines{R"({"time":"2026-11-26T04:1)", "{2}", "{3}"});
}

TEST_CASE("what was written is read as it was at one moment, and every line after it is told", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path(), {.bytes = 8, .keep = 2});
    Lines told;
    bool subscribed = false;
    file.on_written([&](const std::string& line) {
        if (subscribed) {
            told.push_back(line);
        }
    });
    for (const char* line : {"{1}", "{2}", "{3}"}) {
        REQUIRE(file.append(line, kBegin));
    }
    const auto parts = file.parts([&]() -> Result<void> {
        subscribed = true;
        return {};
    });
    REQUIRE(parts);
    // Also when files are put aside meanwhile.
    for (const char* line : {"{4}", "{5}", "{6}"}) {
        REQUIRE(file.append(line, kLater));
    }
    REQUIRE(parts->size() == 2);
    CHECK(content(parts->at(0)) == "{1}\n{2}\n");
    CHECK(content(parts->at(1)) == "{3}\n");
    CHECK(told == Lines{"{4}", "{5}", "{6}"});

    const auto refused = file.parts([]() -> Result<void> { return fail("too many", EUSERS); });
    CHECK(refused.error().code == EUSERS);
}

TEST_CASE("what is no regular file cannot be read again", "[audit_log]")
{
    AuditFile file("/dev/null");
    CHECK_FALSE(file.append("{1}", kBegin));  // it could not wait for a disk
    const auto parts = file.parts();
    REQUIRE_FALSE(parts);
    CHECK(parts.error().message ==
          "audit log /dev/null: it is no regular file, so what was written cannot be read again");
}

}  // namespace pinwarden::test
