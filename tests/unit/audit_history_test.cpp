#include "publish/audit_history.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "support/audit_desk.h"

namespace pinwarden::test {
namespace {

using Lines = std::vector<std::string>;

// "5 keep" is of second 5 and concerns that policy; everything else is no record.
std::optional<AuditLineFacts> look(const std::string& line)
{
    if (line.empty() || line.front() < '0' || line.front() > '9') {
        return std::nullopt;
    }
    return AuditLineFacts{.time = static_cast<Nanoseconds>(line.front() - '0'), .policies = {line.substr(2)}};
}

struct Read {
    Lines lines;
    std::vector<std::uint64_t> skipped;
    std::uint64_t skipped_at_end = 0;
};

Read read(AuditFile& file, const AuditWish& wish)
{
    Read all;
    all.skipped_at_end = read_audit_lines(file.parts().value(), wish, look, [&](const AuditLine& line) {
        all.lines.push_back(line.text);
        all.skipped.push_back(line.skipped_before);
        return true;
    });
    return all;
}

// Two files: 1 to 3 in the old one.
struct Bench {
    Bench()
    {
        std::ofstream(desk.path() + ".1") << "1 a\n2 b\n3 a\n";
        std::ofstream(desk.path()) << "4 b\n5 a\n6 b\n";
    }

    AuditDesk desk;
    AuditFile file{desk.path()};
};

}  // namespace

TEST_CASE("records are read over all files, oldest first, as they are wanted", "[audit_log]")
{
    struct Row {
        AuditWish wish;
        Lines lines;
    };
    const Row rows[] = {{{}, {"1 a", "2 b", "3 a", "4 b", "5 a", "6 b"}},
                        {{.last = 2}, {"5 a", "6 b"}},
                        {{.last = 3}, {"4 b", "5 a", "6 b"}},
                        {{.last = 4}, {"3 a", "4 b", "5 a", "6 b"}},
                        {{.last = 100}, {"1 a", "2 b", "3 a", "4 b", "5 a", "6 b"}},
                        {{.since = 3}, {"3 a", "4 b", "5 a", "6 b"}},
                        {{.since = 7}, {}},
                        {{.policy = "a"}, {"1 a", "3 a", "5 a"}},
                        {{.last = 2, .policy = "a"}, {"3 a", "5 a"}},
                        {{.last = 2, .since = 4, .policy = "a"}, {"5 a"}},
                        {{.policy = "c"}, {}}};
    Bench bench;
    for (const Row& row : rows) {
        INFO("last " << row.wish.last << " since " << row.wish.since << " policy " << row.wish.policy);
        CHECK(read(bench.file, row.wish).lines == row.lines);
    }
}

TEST_CASE("torn and foreign lines are skipped and counted", "[audit_log]")
{
    AuditDesk desk;
    const std::string endless(3U << 20U, 'x');
    std::ofstream(desk.path()) << "{\"ti\n1 a\n\nwhat\n" << endless << "\n2 b\n3 a\nx\n4 to";
    AuditFile file(desk.path());
    const Read all = read(file, {});
    // Of the last one the end is missing, but it is a record.
    CHECK(all.lines == Lines{"1 a", "2 b", "3 a", "4 to"});
    CHECK(all.skipped == std::vector<std::uint64_t>{1, 2, 0, 1});
    std::ofstream(desk.path(), std::ios::app) << "\n{";
    CHECK(read(file, {}).skipped_at_end == 1);
    CHECK(read(file, {.last = 1}).skipped == std::vector<std::uint64_t>{1});
    CHECK(read(file, {.last = 2}).skipped == std::vector<std::uint64_t>{0, 1});
}

TEST_CASE("what is written while it is read is not", "[audit_log]")
{
    Bench bench;
    const auto parts = bench.file.parts();
    REQUIRE(parts);
    REQUIRE(bench.file.append("7 a", {}));
    Lines lines;
    read_audit_lines(*parts, {.last = 1}, look, [&](const AuditLine& line) {
        lines.push_back(line.text);
        return true;
    });
    CHECK(lines == Lines{"6 b"});
}

TEST_CASE("reading ends when nobody wants more", "[audit_log]")
{
    Bench bench;
    Lines lines;
    read_audit_lines(bench.file.parts().value(), {}, look, [&](const AuditLine& line) {
        lines.push_back(line.text);
        return lines.size() < 2;
    });
    CHECK(lines == Lines{"1 a", "2 b"});
}

TEST_CASE("an empty log has no lines", "[audit_log]")
{
    AuditDesk desk;
    AuditFile file(desk.path());
    CHECK(read(file, {.last = 5}).lines.empty());
}

}  // namespace pinwarden::test
