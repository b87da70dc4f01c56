// Holes, zeroed, collapsed and inserted ranges that meet pins: seen without any policy, stopped by one.
#include <linux/falloc.h>

#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 65536;  // 16 pages, of which 4 to 7 are pinned
constexpr off_t kPage = 4096;

struct Way {
    std::string operation;
    int mode;
    bool tmpfs;  // can do it
};

const std::vector<Way>& ways()
{
    static const std::vector<Way> all{
        {"punch_hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, true},
        {"zero_range", FALLOC_FL_ZERO_RANGE, false},
        {"collapse_range", FALLOC_FL_COLLAPSE_RANGE, false},
        {"insert_range", FALLOC_FL_INSERT_RANGE, false},
    };
    return all;
}

// Every way on every file system that has it.
std::vector<std::pair<std::string, Way>> possible()
{
    std::vector<std::pair<std::string, Way>> all;
    for (const std::string filesystem : {"ext4", "xfs", "tmpfs"}) {
        for (const Way& way : ways()) {
            if (filesystem != "tmpfs" || way.tmpfs) {
                all.emplace_back(filesystem, way);
            }
        }
    }
    return all;
}

bool moves_what_lies_behind(const Way& way)
{
    return way.operation == "collapse_range" || way.operation == "insert_range";
}

// From the block in front of the range on, on XFS.
off_t first_free_of(const Way& way, const std::string& filesystem)
{
    return (filesystem == "xfs" && moves_what_lies_behind(way) ? 9 : 8) * kPage;
}

double conflicts(const std::string& operation = "", const std::string& verdict = "")
{
    Metrics::Labels labels;
    if (!operation.empty()) {
        labels["operation"] = operation;
    }
    if (!verdict.empty()) {
        labels["verdict"] = verdict;
    }
    return Daemon::metrics().sum("pinwarden_conflicts_total", labels);
}

struct PinnedFile {
    explicit PinnedFile(const std::string& filesystem) : path(Machine::instance().folder(filesystem) + "/pinned")
    {
        make_file(path, kSize);
        pinner.ok("file " + path + " " + std::to_string(kSize));
        pinner.ok("fill mapping 41");
        const std::string access = filesystem == "tmpfs" ? "rw" : Machine::instance().file_access();
        pinner.ok("pin " + Machine::instance().rdma(access) + " 16384 16384");
    }

    std::string path;
    Pinner pinner;
};

bool permission_hook_attached(Daemon& daemon)
{
    const auto status = daemon.api().status();
    for (const auto& hook : status.hooks()) {
        if (hook.name() == "security_file_permission") {
            return hook.attached();
        }
    }
    return false;
}

}  // namespace

TEST_CASE("without a policy an operation on pinned pages is seen, and one beside them is not")
{
    const auto [filesystem, way] = GENERATE(from_range(possible()));
    INFO(filesystem << ' ' << way.operation);
    Daemon& daemon = Daemon::shared();
    CHECK_FALSE(permission_hook_attached(daemon));
    PinnedFile file(filesystem);
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT});
    const double all = conflicts();
    const double before = conflicts(way.operation, "allow");
    CHECK(try_fallocate(file.path, way.mode, first_free_of(way, filesystem), kPage) == 0);
    CHECK(conflicts() == all);
    CHECK(try_fallocate(file.path, way.mode, 7 * kPage, kPage) == 0);
    CHECK(conflicts(way.operation, "allow") == before + 1);
    const auto seen = watch.wait_for("conflict", [](const auto&) { return true; }).conflict();
    CHECK(seen.operation() == way.operation);
    CHECK(seen.offset() == 7 * kPage);
    CHECK(seen.length() == kPage);
    CHECK(seen.pins_size() == 1);
    file.pinner.end();
    daemon.expect_nothing_pinned();
}

TEST_CASE("an enforcing policy stops it, exactly by range, and lets it through after the release")
{
    const auto [filesystem, way] = GENERATE(from_range(possible()));
    INFO(filesystem << ' ' << way.operation);
    Daemon& daemon = Daemon::shared();
    PinnedFile file(filesystem);
    {
        const AppliedPolicy policy(daemon.api(), {.operations = way.operation});
        CHECK(permission_hook_attached(daemon));
        CHECK(try_fallocate(file.path, way.mode, 7 * kPage, kPage) == EBUSY);
        CHECK(try_fallocate(file.path, way.mode, 4 * kPage, kPage) == EBUSY);
        CHECK(try_fallocate(file.path, way.mode, 3 * kPage, kPage) == (moves_what_lies_behind(way) ? EBUSY : 0));
        CHECK(policy.status().denied() == (moves_what_lies_behind(way) ? 3 : 2));
        CHECK(file.pinner.ok("look mapping").find("41") != std::string::npos);
        CHECK(try_fallocate(file.path, way.mode, first_free_of(way, filesystem), kPage) == 0);
        file.pinner.ok("release");
        CHECK(try_fallocate(file.path, way.mode, 4 * kPage, kPage) == 0);
    }
    CHECK_FALSE(permission_hook_attached(daemon));
    file.pinner.end();
    daemon.expect_nothing_pinned();
}

TEST_CASE("a monitoring policy counts what it would have stopped, without the hook on reads and writes")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const AppliedPolicy policy(daemon.api(), {.mode = "monitor", .operations = "punch_hole"});
    CHECK_FALSE(permission_hook_attached(daemon));
    CHECK(try_fallocate(file.path, ways().front().mode, 5 * kPage, kPage) == 0);
    CHECK(policy.status().would_have_denied() == 1);
    file.pinner.end();
}

TEST_CASE("madvise(MADV_REMOVE) is an operation of its own, and can be stopped")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    {
        const AppliedPolicy policy(daemon.api(), {.operations = "madv_remove"});
        CHECK(file.pinner.error("advise remove 16384 4096") == "EBUSY");
        CHECK(policy.status().denied() == 1);
        // By another name.
        CHECK(try_fallocate(file.path, ways().front().mode, 5 * kPage, kPage) == 0);
    }
    file.pinner.end();
}
