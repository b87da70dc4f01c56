// What becomes of an operation, the file, its owner and a bystander: every operation that meets a hold which ends in
// permission, on every file system, and under a policy that only monitors.
#include <sys/mount.h>

#include <catch2/catch.hpp>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinned_file.h"
#include "support/ways.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

PolicyText holding(const std::string& operations, const std::string& mode, const std::string& hold)
{
    return {.mode = mode, .operations = operations, .action = "hold: {" + hold + "}"};
}

// A letter a page: 'A' for one that is full of what PinnedFile wrote, '.' for zeros, '?' for anything else.
std::string pages_of(const std::string& path)
{
    constexpr std::size_t kPage = 4096;
    const std::string content = content_of(path);
    std::string pages;
    for (std::size_t at = 0; at < content.size(); at += kPage) {
        const std::string page = content.substr(at, kPage);
        const bool same = page.find_first_not_of(page.front()) == std::string::npos;
        pages += same && page.front() == 'A' ? 'A' : same && page.front() == '\0' ? '.' : '?';
    }
    return pages;
}

// One operation twice: each time it takes other pinned pages away, of the same pins.
struct Pair {
    std::string operation;
    std::string policy;
    std::vector<std::string> first;
    std::string after_first;
    std::vector<std::string> second;
    std::string after_second;
};

std::vector<Pair> pairs_on(const std::string& filesystem)
{
    std::vector<Pair> all{
        {"truncate", "truncate", {"28672"}, "AAAAAAA", {"16384"}, "AAAA"},
        {"ftruncate", "truncate", {"28672"}, "AAAAAAA", {"20480"}, "AAAAA"},
        {"punch_hole", "punch_hole", {"28672", "4096"}, "AAAAAAA.AAAAAAAA", {"16384", "8192"}, "AAAA..A.AAAAAAAA"},
        {"madv_remove", "madv_remove", {"28672", "4096"}, "AAAAAAA.AAAAAAAA", {"16384", "4096"}, "AAAA.AA.AAAAAAAA"},
    };
    if (filesystem != "tmpfs") {
        all.push_back(
            {"zero_range", "zero_range", {"28672", "4096"}, "AAAAAAA.AAAAAAAA", {"16384", "4096"}, "AAAA.AA.AAAAAAAA"});
        all.push_back({"collapse_range",
                       "collapse_range",
                       {"28672", "4096"},
                       "AAAAAAAAAAAAAAA",
                       {"16384", "8192"},
                       "AAAAAAAAAAAAA"});
        all.push_back({"insert_range",
                       "insert_range",
                       {"28672", "4096"},
                       "AAAAAAA.AAAAAAAAA",
                       {"16384", "4096"},
                       "AAAA.AAA.AAAAAAAAA"});
    }
    return all;
}

std::vector<std::string> command(const Pair& pair, const std::string& path, const std::vector<std::string>& arguments)
{
    return words({pair.operation, pair.policy, arguments}, path);
}

double ended(const std::string& outcome)
{
    return Daemon::metrics().sum("pinwarden_holds_ended_total", {{"outcome", outcome}});
}

void expect_alive(PinnedFile& file)
{
    CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
}

void expect_would_hold(Daemon& daemon, const std::string& operations, const std::vector<std::string>& command)
{
    const AppliedPolicy policy(daemon.api(), holding(operations, "monitor", "timeout: 1h, on_timeout: deny"));
    CHECK(call(command) == "ok");
    const auto status = policy.status();
    CHECK(status.matched() == 1);
    CHECK(status.would_have_held() == 1);
    CHECK(status.held() == 0);
    CHECK(status.denied() == 0);
}

void expect_held_then_allowed(Daemon& daemon, const std::string& operations, const std::vector<std::string>& command)
{
    const AppliedPolicy policy(daemon.api(),
                               holding(operations, "enforce", "timeout: 100ms, on_timeout: allow, errno: EPERM"));
    const double before = ended("timed_out_allow");
    CHECK(call(command) == "ok");
    CHECK(ended("timed_out_allow") == before + 1);
    const auto status = policy.status();
    CHECK(status.matched() == 1);
    CHECK(status.held() == 1);
    CHECK(status.would_have_held() == 0);
    CHECK(status.denied() == 0);
}

}  // namespace

TEST_CASE("every operation goes on at once where a policy only monitors, and after its time where one allows it then",
          "[outcome]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile bystander("tmpfs");
    for (const std::string filesystem : {"ext4", "xfs", "tmpfs"}) {
        for (const Pair& pair : pairs_on(filesystem)) {
            INFO(filesystem << ' ' << pair.operation);
            PinnedFile file(filesystem);
            expect_would_hold(daemon, pair.policy, command(pair, file.path, pair.first));
            CHECK(pages_of(file.path) == pair.after_first);
            expect_held_then_allowed(daemon, pair.policy, command(pair, file.path, pair.second));
            CHECK(pages_of(file.path) == pair.after_second);
            expect_alive(file);
            CHECK(bystander.whole());
            expect_alive(bystander);
        }
    }
    CHECK(daemon.api().holds().empty());
}

TEST_CASE("so does opening to truncate, of which a second one finds nothing left", "[outcome]")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    PinnedFile bystander("tmpfs");
    PinnedFile monitored(filesystem);
    PinnedFile held(filesystem);
    expect_would_hold(daemon, "truncate", {"open", monitored.path});
    CHECK(size_of(monitored.path) == 0);
    expect_held_then_allowed(daemon, "truncate", {"open", held.path});
    CHECK(size_of(held.path) == 0);
    expect_alive(monitored);
    expect_alive(held);
    CHECK(bystander.whole());
    expect_alive(bystander);
}

TEST_CASE("so does an umount, which fails after its time where the policy denies it then", "[outcome]")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    const std::string mode = GENERATE("monitor", "enforce");
    INFO(filesystem << ' ' << mode);
    Daemon& daemon = Daemon::shared();
    PinnedFile bystander("tmpfs");
    const OwnMount mount(filesystem);
    const std::string path = mount.in("pinned");
    Pinner pinner;
    pinner.ok("file " + path + " " + std::to_string(PinnedFile::kSize));
    pinner.ok("fill mapping 41");
    pinner.ok("pin " + Machine::instance().rdma(filesystem == "tmpfs" ? "rw" : Machine::instance().file_access()) +
              " 16384 16384");
    // Lazily, because the kernel itself refuses any other while a file is mapped.
    const std::vector<std::string> lazily{"umount", mount.path(), std::to_string(MNT_DETACH)};
    if (mode == "monitor") {
        expect_would_hold(daemon, "umount", lazily);
    } else {
        const double before = ended("timed_out_deny");
        {
            const AppliedPolicy policy(daemon.api(), holding("umount", mode, "timeout: 100ms, errno: EPERM"));
            CHECK(call(lazily) == "EPERM");
            CHECK(policy.status().held() == 1);
            CHECK(policy.status().denied() == 1);
        }
        CHECK(ended("timed_out_deny") == before + 1);
        CHECK(mount.mounted());
        CHECK(pages_of(path) == std::string(16, 'A'));
        expect_held_then_allowed(daemon, "umount", lazily);
    }
    CHECK_FALSE(mount.mounted());
    CHECK(pinner.ok("look mapping") == "41x16");
    CHECK(pinner.ok("pid") == std::to_string(pinner.pid()));
    CHECK(bystander.whole());
    expect_alive(bystander);
}
