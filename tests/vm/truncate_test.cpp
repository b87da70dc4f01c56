// Truncates that meet pins: seen and counted under a monitor policy, stopped under an enforcing one.
#include <catch2/catch.hpp>
#include <functional>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 65536;  // 16 pages

// The difference a story makes to a counter.
class Counted {
public:
    Counted(std::string name, Metrics::Labels labels)
        : name_(std::move(name)), labels_(std::move(labels)), before_(Daemon::metrics().sum(name_, labels_))
    {
    }
    [[nodiscard]] double more() const { return Daemon::metrics().sum(name_, labels_) - before_; }

private:
    std::string name_;
    Metrics::Labels labels_;
    double before_;
};

Counted conflicts(const std::string& verdict, const std::string& mode)
{
    return {"pinwarden_conflicts_total", {{"operation", "truncate"}, {"verdict", verdict}, {"mode", mode}}};
}

struct Way {
    std::string name;
    std::function<int(const std::string& path)> to_nothing;
};

const std::vector<Way>& ways()
{
    static const std::vector<Way> all{
        {"truncate", [](const std::string& path) { return try_truncate(path, 0); }},
        {"ftruncate", [](const std::string& path) { return try_ftruncate(path, 0); }},
        {"open(O_TRUNC)", [](const std::string& path) { return try_open_truncating(path); }},
    };
    return all;
}

struct PinnedFile {
    // Pages 4 to 7 of a file of 16 pages, in the hands of an RDMA device.
    explicit PinnedFile(const std::string& filesystem) : path(Machine::instance().folder(filesystem) + "/pinned")
    {
        make_file(path, kSize);
        pinner.ok("file " + path + " " + std::to_string(kSize));
        const std::string access = filesystem == "tmpfs" ? "rw" : Machine::instance().file_access();
        pinner.ok("pin " + Machine::instance().rdma(access) + " 16384 16384");
    }

    std::string path;
    Pinner pinner;
};

}  // namespace

TEST_CASE("under a monitor policy a truncate goes through, and is counted once")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.name = "monitor", .mode = "monitor"});
    PinnedFile file("ext4");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT});
    const Counted would_deny = conflicts("deny", "monitor");
    const Counted all("pinwarden_conflicts_total", {});

    CHECK(try_ftruncate(file.path, 0) == 0);
    CHECK(size_of(file.path) == 0);

    CHECK(would_deny.more() == 1);
    CHECK(all.more() == 1);
    CHECK(policy.status().state() == "monitoring");
    CHECK(policy.status().matched() == 1);
    CHECK(policy.status().would_have_denied() == 1);
    CHECK(policy.status().denied() == 0);
    const auto seen =
        watch.wait_for("conflict", [](const auto& event) { return event.kind() == v1::EVENT_KIND_CONFLICT; })
            .conflict();
    CHECK(seen.operation() == "truncate");
    CHECK(seen.file().path() == file.path);
    CHECK(seen.old_size() == kSize);
    CHECK(seen.new_size() == 0);
    CHECK(seen.caller().pid() == static_cast<unsigned>(getpid()));
    REQUIRE(seen.pins_size() == 1);
    CHECK(seen.pins(0).driver() == "rdma_rxe");
    CHECK(seen.pins(0).owner().pid() == static_cast<unsigned>(file.pinner.pid()));
    CHECK(seen.verdict() == "would_deny");
    CHECK(seen.policy() == "monitor");
    CHECK_FALSE(seen.unresolved());
    watch.wait_for("verdict", [](const auto& event) { return event.kind() == v1::EVENT_KIND_VERDICT; });
    CHECK(watch.so_far().size() == 2);

    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("without a policy a truncate that meets a pin is counted, and nothing more")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const Counted allowed = conflicts("allow", "none");
    CHECK(try_truncate(file.path, 0) == 0);
    CHECK(allowed.more() == 1);
    file.pinner.ok("release");
    // Nobody's pages any more.
    CHECK(try_truncate(file.path, kSize) == 0);
    CHECK(try_truncate(file.path, 0) == 0);
    CHECK(allowed.more() == 1);
    daemon.expect_nothing_pinned();
}

TEST_CASE("under an enforcing policy every way to truncate pinned pages fails and changes nothing")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    PinnedFile file(filesystem);
    const std::string before = content_of(file.path);
    const Counted denied = conflicts("deny", "enforce");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_VERDICT});

    for (const Way& way : ways()) {
        INFO(way.name);
        CHECK(way.to_nothing(file.path) == EBUSY);
        CHECK(content_of(file.path) == before);
    }
    CHECK(denied.more() == 3);
    CHECK(policy.status().denied() == 3);
    CHECK(policy.status().would_have_denied() == 0);
    const auto verdict = watch.wait_for("verdict", [](const auto&) { return true; }).conflict();
    CHECK(verdict.verdict() == "deny");
    CHECK(verdict.error() == "EBUSY");
    CHECK(verdict.policy() == "test");
    CHECK_FALSE(verdict.reason().empty());

    file.pinner.ok("release");
    for (const Way& way : ways()) {
        INFO(way.name);
        CHECK(way.to_nothing(file.path) == 0);
        CHECK(size_of(file.path) == 0);
        make_file(file.path, kSize);
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("only what takes pinned pages away is denied")
{
    const std::string filesystem = GENERATE("ext4", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    PinnedFile file(filesystem);  // bytes 16384 to 32767

    struct Row {
        off_t size;
        int error;
        std::string why;
    };
    const std::vector<Row> rows{
        {0, EBUSY, "everything"},
        {16384, EBUSY, "from the first pinned page on"},
        {20000, EBUSY, "the first pinned page is cut in the middle"},
        {32767, EBUSY, "the last byte of the last pinned page"},
        {32768, 0, "just behind"},
        {40000, 0, "behind, within a page"},
        {kSize, 0, "as long as it is"},
        {131072, 0, "longer"},
    };
    for (const Row& row : rows) {
        INFO(row.why << ": " << row.size);
        const std::string before = content_of(file.path);
        CHECK(try_truncate(file.path, row.size) == row.error);
        CHECK(size_of(file.path) == (row.error == 0 ? row.size : kSize));
        const auto kept = static_cast<std::size_t>(std::min(size_of(file.path), kSize));
        CHECK(content_of(file.path).substr(0, kept) == before.substr(0, kept));
        REQUIRE(try_truncate(file.path, kSize) == 0);
    }
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("after the last release a truncate succeeds at once, a hundred times")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string path = Machine::instance().folder("ext4") + "/again";
    const std::string rdma = Machine::instance().rdma(Machine::instance().file_access());
    Pinner pinner;
    pinner.ok("file " + path + " 65536");
    for (int i = 0; i < 100; ++i) {
        INFO("round " << i);
        pinner.ok("pin " + rdma);
        REQUIRE(try_truncate(path, 0) == EBUSY);
        pinner.ok("release");
        REQUIRE(try_truncate(path, 0) == 0);
        REQUIRE(try_truncate(path, kSize) == 0);
    }
    CHECK(policy.status().denied() == 100);
    daemon.expect_nothing_pinned();
}

TEST_CASE("of several pins on a file the last one counts")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string path = Machine::instance().folder("tmpfs") + "/several";
    const std::string rdma = Machine::instance().rdma("rw");
    Pinner one;
    Pinner two;
    one.ok("file " + path + " 65536");
    two.ok("file " + path + " 65536");
    one.ok("pin " + rdma + " 0 16384");
    two.ok("pin uring 32768 16384");

    CHECK(try_truncate(path, 49152) == 0);
    CHECK(try_truncate(path, 40000) == EBUSY);
    CHECK(try_truncate(path, 20000) == EBUSY);
    two.ok("release");
    CHECK(try_truncate(path, 20000) == 0);
    CHECK(try_truncate(path, 0) == EBUSY);
    one.ok("release");
    CHECK(try_truncate(path, 0) == 0);
    daemon.expect_nothing_pinned();
}

TEST_CASE("files nobody has pinned are never denied")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    PinnedFile file("ext4");
    for (int i = 0; i < 20; ++i) {
        const std::string bystander = file.path + "." + std::to_string(i);
        make_file(bystander, kSize);
        CHECK(ways()[static_cast<std::size_t>(i) % ways().size()].to_nothing(bystander) == 0);
    }
    // A file that is mapped, open and full of pages, but pinned nowhere.
    Pinner idle;
    idle.ok("file " + file.path + ".mapped 65536");
    idle.ok("fill mapping 41");
    CHECK(try_truncate(file.path + ".mapped", 0) == 0);
    // An inode that is used again is another file.
    file.pinner.ok("release");
    REQUIRE(shell("rm " + file.path).status == 0);
    make_file(file.path, kSize);
    CHECK(try_truncate(file.path, 0) == 0);
    CHECK(policy.status().denied() == 0);
    daemon.expect_nothing_pinned();
}

TEST_CASE("memory a process maps privately is no part of the file")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string path = Machine::instance().folder("ext4") + "/private";
    make_file(path, kSize);
    Pinner pinner;
    pinner.ok("file " + path + " 65536 private");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 1);
    CHECK(pins[0].backing() == "anonymous");
    CHECK(try_truncate(path, 0) == 0);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("a device that only reads private memory may hold the file's own pages")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string path = Machine::instance().folder("ext4") + "/private";
    make_file(path, kSize);
    Pinner pinner;
    pinner.ok("file " + path + " 65536 private");
    // Not RDMA: before 6.2 it asks to write even for a region the device may only read.
    pinner.ok("pin " + Machine::instance().vfio("ro"));
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 1);
    if (Machine::instance().older_than(6, 2)) {
        CHECK(pins[0].backing() == "file");
        REQUIRE(pins[0].ranges_size() == 1);
        CHECK(pins[0].ranges(0).first_page() == 0);
        CHECK(pins[0].ranges(0).pages() == 16);
        CHECK(try_truncate(path, 0) == EBUSY);
    } else {
        // From then on the kernel gives the process copies before it lets a device hold them.
        CHECK(pins[0].backing() == "anonymous");
        CHECK(try_truncate(path, 0) == 0);
    }
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}
