#include <catch2/catch.hpp>
#include <string>

#include "support/decoding.h"

using namespace pinwarden;
using namespace pinwarden::test;
using namespace std::string_view_literals;

TEST_CASE("a pin record becomes an event", "[decoder]")
{
    const auto event = decoded<PinEvent>(bytes_of(raw_pin()));
    CHECK(event.time == 1111);
    CHECK(event.pin == 5);
    CHECK(event.address == 0x7f0000000000);
    CHECK(event.requested_pages == 16);
    CHECK(event.pinned_pages == 12);
    CHECK(event.error == 0);
    CHECK(event.function == PW_PIN_USER_PAGES_FAST);
    CHECK(event.long_term);
    CHECK(event.writable);
    CHECK_FALSE(event.remote);
    CHECK(event.scope == Scope{PW_SCOPE_RDMA_REGION, 6});
    CHECK(event.owner.process == ProcessId{100, 1'000'100});
    CHECK(event.owner.tid == 101);
    CHECK(event.owner.uid == 1000);
    CHECK(event.owner.gid == 1001);
    CHECK(event.owner.cgroup == 7);
    CHECK(event.owner.comm == "owner");
    CHECK(event.stack == std::vector<std::uint64_t>{0xffffffff81000010, 0xffffffff81000020});
}

TEST_CASE("a failed pin has a positive errno and no pages", "[decoder]")
{
    auto raw = raw_pin();
    raw.error = -14;
    const auto event = decoded<PinEvent>(bytes_of(raw));
    CHECK(event.error == 14);
    CHECK(event.pinned_pages == 0);
}

TEST_CASE("a command name may fill its field without a NUL", "[decoder]")
{
    auto raw = raw_pin();
    set_text(raw.owner.comm, "sixteen-letters!");
    CHECK(decoded<PinEvent>(bytes_of(raw)).owner.comm == "sixteen-letters!");
}

TEST_CASE("a user stack becomes an event, as far as it has frames", "[decoder]")
{
    const auto event = decoded<UserStackEvent>(bytes_of(raw_user_stack()));
    CHECK(event.pin == 5);
    REQUIRE(event.frames.size() == 2);
    CHECK(event.frames[0].in_file);
    CHECK(event.frames[0].build_id[1] == 0xcd);
    CHECK(event.frames[0].place == 0x1234);
    CHECK_FALSE(event.frames[1].in_file);
    CHECK(event.frames[1].place == 0x7f0000001000);
    auto cut = raw_user_stack();
    cut.frame[1].status = PW_USER_FRAME_NONE;
    CHECK(decoded<UserStackEvent>(bytes_of(cut)).frames.size() == 1);
}

TEST_CASE("a range record becomes an event", "[decoder]")
{
    const auto event = decoded<RangeEvent>(bytes_of(raw_range()));
    CHECK(event.pin == 5);
    CHECK(event.address == 0x7f0000000000);
    CHECK(event.page_index == 3);
    CHECK(event.pages == 12);
    CHECK(event.sequence == 1);
    CHECK(event.file == FileKey{42, 8U << 20U | 1U, 9});
    CHECK(event.file.device_major() == 8);
    CHECK(event.file.device_minor() == 1);
}

TEST_CASE("page lists are compressed into runs", "[decoder]")
{
    struct Row {
        std::vector<std::uint64_t> pages;
        std::vector<PageRun> runs;
    };
    const std::vector<Row> rows = {
        {page_addresses({}), {}},
        {page_addresses({7}), {{7, 1}}},
        {page_addresses({7, 8, 9}), {{7, 3}}},
        {page_addresses({9, 8, 7}), {{9, 1}, {8, 1}, {7, 1}}},
        {page_addresses({7, 7, 8}), {{7, 1}, {7, 2}}},
        {page_addresses({0, 1, 100, 101, 50}), {{0, 2}, {100, 2}, {50, 1}}},
    };
    for (const Row& row : rows) {
        const auto pages = decoded<PagesEvent>(pages_record(5, 512, row.pages));
        CHECK(pages.pin == 5);
        CHECK(pages.first == 512);
        CHECK(pages.runs == row.runs);
        const auto release = decoded<ReleaseEvent>(release_pages_record(row.pages));
        CHECK(release.runs == row.runs);
        CHECK(release.span == 0);
        CHECK(release.function == PW_UNPIN_USER_PAGES);
    }
}

TEST_CASE("the release of an object names no pages", "[decoder]")
{
    const auto release = decoded<ReleaseEvent>(bytes_of(raw_release_object()));
    CHECK(release.whole);
    CHECK(release.scope == Scope{PW_SCOPE_RDMA_REGION, 6});
    CHECK(release.time == 1121);
    CHECK(release.mm == 0xffff888000001000);
    CHECK(release.pid == 100);
    CHECK(release.tid == 101);
    CHECK(release.runs.empty());
    CHECK_FALSE(decoded<ReleaseEvent>(bytes_of(raw_release(1, 1))).whole);
}

TEST_CASE("a pin may leave its stack to the first of its object", "[decoder]")
{
    pw_pin pin = raw_pin();
    CHECK_FALSE(decoded<PinEvent>(bytes_of(pin)).more);
    pin.flags |= PW_PIN_MORE;
    pin.stack_depth = 0;
    CHECK(decoded<PinEvent>(bytes_of(pin)).more);
    CHECK(decoded<PinEvent>(bytes_of(pin)).stack.empty());
}

TEST_CASE("a page list may lie in a record that was reserved longer", "[decoder]")
{
    auto record = pages_record(5, 0, page_addresses({7, 8}));
    record.resize(offsetof(pw_pages, page) + 64 * sizeof(std::uint64_t), std::byte{0xff});
    CHECK(decoded<PagesEvent>(record).runs == std::vector<PageRun>{{7, 2}});
}

TEST_CASE("a release record is one run", "[decoder]")
{
    const auto exact = decoded<ReleaseEvent>(bytes_of(raw_release(70, 3)));
    CHECK(exact.runs == std::vector<PageRun>{{70, 3}});
    CHECK(exact.span == 0);
    CHECK(exact.pid == 100);
    CHECK(exact.tid == 101);
    CHECK(exact.scope == Scope{PW_SCOPE_RDMA_REGION, 6});
    const auto anywhere = decoded<ReleaseEvent>(bytes_of(raw_release(512, 4, 512)));
    CHECK(anywhere.runs == std::vector<PageRun>{{512, 4}});
    CHECK(anywhere.span == 512);
    CHECK_FALSE(anywhere.named);
    CHECK_FALSE(anywhere.making);
    auto named = raw_release(512, 1, 512);
    named.offset = 7;
    named.flags = PW_RELEASE_MAKING;
    CHECK(decoded<ReleaseEvent>(bytes_of(named)).named == PageNumber{519});
    CHECK(decoded<ReleaseEvent>(bytes_of(named)).making);
    CHECK(decoded<ReleaseEvent>(bytes_of(raw_release(70, 0))).runs.empty());
}

TEST_CASE("an operation record becomes an event", "[decoder]")
{
    const auto event = decoded<OperationEvent>(bytes_of(raw_operation()));
    CHECK(event.operation == PW_OPERATION_TRUNCATE);
    CHECK(event.file_size == 40960);
    CHECK(event.offset == 4096);
    CHECK(event.matched == 5);
    CHECK(event.verdict == PW_VERDICT_DENY);
    CHECK(event.error == 16);
    CHECK(event.policy == 2);
    CHECK(event.generation == 2);
    CHECK(event.unresolved);
    CHECK(event.caller.comm == "truncate");
    auto undecided = raw_operation();
    undecided.policy = 0;
    CHECK(decoded<OperationEvent>(bytes_of(undecided)).policy == -1);
    auto waits = raw_operation();
    for (const pw_verdict verdict : {PW_VERDICT_HOLD, PW_VERDICT_WOULD_HOLD}) {
        waits.verdict = verdict;
        waits.hold = verdict == PW_VERDICT_HOLD ? 9 : 0;
        CHECK(decoded<OperationEvent>(bytes_of(waits)).verdict == verdict);
        CHECK(decoded<OperationEvent>(bytes_of(waits)).hold == waits.hold);
        // Only who is held has a number.
        waits.hold = 9 - waits.hold;
        CHECK_FALSE(kDecoder.decode(bytes_of(waits)).has_value());
    }
    // Or was, until it went ahead.
    for (const std::uint64_t hold : {0U, 9U}) {
        for (const pw_verdict verdict : {PW_VERDICT_SIGNAL, PW_VERDICT_NOTIFY}) {
            waits.verdict = verdict;
            waits.hold = hold;
            CHECK(decoded<OperationEvent>(bytes_of(waits)).hold == hold);
        }
    }
}

TEST_CASE("the end of a hold becomes an event", "[decoder]")
{
    pw_hold_end end{};
    end.header = {PW_KIND_HOLD_END, sizeof(end), 1111};
    end.hold = 9;
    end.since = 1000;
    end.asked = 3;
    end.outcome = PW_HOLD_TIMED_OUT_DENY;
    end.error = -16;
    const auto event = decoded<HoldEndEvent>(bytes_of(end));
    CHECK(event.time == 1111);
    CHECK(event.hold == 9);
    CHECK(event.since == 1000);
    CHECK(event.asked == 3);
    CHECK(event.outcome == PW_HOLD_TIMED_OUT_DENY);
    CHECK(event.error == 16);
    for (const std::uint32_t outcome : {0U, static_cast<std::uint32_t>(PW_HOLD_OUTCOMES)}) {
        end.outcome = outcome;
        CHECK_FALSE(kDecoder.decode(bytes_of(end)).has_value());
    }
}

TEST_CASE("an exit record becomes an event", "[decoder]")
{
    CHECK(decoded<ExitEvent>(bytes_of(raw_exit())).process == ProcessId{100, 1'000'100});
}

TEST_CASE("an owner record becomes an event", "[decoder]")
{
    const auto event = decoded<OwnerEvent>(owner_record("train\0bin\0opt\0"sv));
    CHECK(event.time == 1110);
    CHECK(event.process == ProcessId{100, 1'000'100});
    CHECK(event.executable == "/opt/bin/train");
    CHECK_FALSE(event.deleted);
    CHECK(decoded<OwnerEvent>(owner_record("train\0"sv, PW_FILE_UNLINKED)).deleted);
}

TEST_CASE("a memory file has no name to lose", "[decoder]")
{
    constexpr std::uint64_t kTmpfs = 0x01021994;
    const auto file = decoded<FileEvent>(file_record("memfd:ring\0"sv, PW_FILE_UNLINKED, "tmpfs", kTmpfs));
    CHECK(file.path == "memfd:ring");
    CHECK_FALSE(file.deleted);
    CHECK_FALSE(decoded<OwnerEvent>(owner_record("memfd:program\0"sv, PW_FILE_UNLINKED, kTmpfs)).deleted);
    CHECK(decoded<FileEvent>(file_record("ring\0"sv, PW_FILE_UNLINKED, "tmpfs", kTmpfs)).deleted);
}

TEST_CASE("an invalidation record becomes an event", "[decoder]")
{
    auto raw = raw_invalidation();
    raw.operation = PW_INVALIDATION_MREMAP;
    raw.moved_to = 0x7e0000000000;
    raw.moved_bytes = 0x3000;
    raw.replaced = 0x7e0000000000;
    raw.replaced_end = 0x7e0000003000;
    const auto event = decoded<InvalidationEvent>(bytes_of(raw));
    CHECK(event.time == 1119);
    CHECK(event.operation == PW_INVALIDATION_MREMAP);
    CHECK(event.space == 4);
    CHECK(event.range == AddressRange{0x7f0000000000, 0x4000});
    CHECK(event.moved_to == AddressRange{0x7e0000000000, 0x3000});
    CHECK(event.replaced == AddressRange{0x7e0000000000, 0x3000});
    CHECK(event.caller.process == ProcessId{100, 1'000'100});
}

TEST_CASE("a notifier record becomes an event", "[decoder]")
{
    const auto event = decoded<NotifierEvent>(bytes_of(raw_notifier()));
    CHECK(event.notifier == 0xffff888000002000);
    CHECK_FALSE(event.gone);
    CHECK(event.callback == 0xffffffff81000020);
    CHECK(event.kind == PW_NOTIFIER_RANGE);
    CHECK(event.range == AddressRange{0x7f0000000000, 65536});
    CHECK(event.owner.comm == "owner");
    auto gone = raw_notifier();
    gone.kind = 0;
    CHECK(refusal(bytes_of(gone)) != "accepted");
    gone.gone = 1;
    CHECK(decoded<NotifierEvent>(bytes_of(gone)).gone);
}

TEST_CASE("path components become a path", "[decoder]")
{
    constexpr std::uint64_t kExt4 = 0xef53;
    constexpr std::uint64_t kTmpfs = 0x01021994;
    constexpr std::uint64_t kHugetlbfs = 0x958458f6;
    struct Row {
        std::string_view components;
        bool cut;
        std::uint64_t magic;
        std::string path;
    };
    const std::vector<Row> rows = {
        {"x\0data\0mnt\0"sv, false, kExt4, "/mnt/data/x"},
        {"x\0"sv, false, kExt4, "/x"},
        {"x\0"sv, false, kTmpfs, "/x"},
        {"x\0data\0"sv, true, kExt4, ".../data/x"},
        {""sv, false, kExt4, ""},
        {""sv, true, kExt4, "..."},
        {"x\0data\0/\0"sv, false, kExt4, "/data/x"},
        {"memfd:ring\0"sv, false, kTmpfs, "memfd:ring"},
        {"memfd:ring\0"sv, true, kTmpfs, "memfd:ring"},
        {"memfd:huge\0"sv, false, kHugetlbfs, "memfd:huge"},
        {"memfd:ring\0"sv, false, kExt4, "/memfd:ring"},
        {"memfd:ring\0shm\0"sv, false, kTmpfs, "/shm/memfd:ring"},
        {"dev/zero\0"sv, false, kTmpfs, "/dev/zero"},
        {"SYSV00000000\0"sv, false, kTmpfs, "SYSV00000000"},
        {"new\nline\0tmp\0"sv, false, kExt4, "/tmp/new\nline"},
    };
    for (const Row& row : rows) {
        const auto event =
            decoded<FileEvent>(file_record(row.components, row.cut ? PW_FILE_PATH_CUT : 0, "somefs", row.magic));
        CHECK(event.path == row.path);
    }
    const auto event = decoded<FileEvent>(file_record("x\0"sv, PW_FILE_UNLINKED, "xfs"));
    CHECK(event.deleted);
    CHECK(event.filesystem == "xfs");
    CHECK(event.filesystem_magic == kExt4);
}

TEST_CASE("a file's path is told by the mounts it leads through", "[decoder]")
{
    struct Row {
        std::string_view components;
        std::string path;
        std::vector<PathPart> parts;
    };
    constexpr std::uint32_t kDevice = 8U << 20U | 1U;
    const std::vector<Row> rows = {
        {"x\0a\0/aaiaaaab\0"sv, "/a/x", {{kDevice, "", "/a/x"}}},
        {"x\0/aaiaaaab\0data\0mnt\0/aaaaaabp\0"sv, "/mnt/data/x", {{kDevice, "", "/x"}, {31, "", "/mnt/data"}}},
        {"x\0//\0b\0a\0/aaiaaaab\0srv\0/aaaaaabp\0"sv, "/srv/x", {{kDevice, "/a/b", "/x"}, {31, "", "/srv"}}},
        // A file that is bound itself.
        {"//\0x\0a\0/aaiaaaab\0y\0srv\0/aaaaaabp\0"sv, "/srv/y", {{kDevice, "/a/x", ""}, {31, "", "/srv/y"}}},
        // Cut: the device of the last part is not there.
        {"x\0/aaiaaaab\0data\0"sv, "/data/x", {{kDevice, "", "/x"}, {0, "", "/data"}}},
        {"x\0//\0b\0"sv, "/x", {{0, "/b", "/x"}}},
    };
    for (const Row& row : rows) {
        const auto event = decoded<FileEvent>(file_record(row.components));
        CHECK(event.path == row.path);
        CHECK(event.parts == row.parts);
        CHECK_FALSE(event.cut);
        const auto cut = decoded<FileEvent>(file_record(row.components, PW_FILE_PATH_CUT));
        CHECK(cut.path == "..." + row.path);
        CHECK(cut.cut);
    }
    CHECK(decoded<FileEvent>(file_record("memfd:x\0"sv, 0, "tmpfs", 0x01021994)).parts.empty());
}

TEST_CASE("a rename record becomes an event", "[decoder]")
{
    const auto event = decoded<RenameEvent>(bytes_of(raw_rename()));
    CHECK(event.file == FileKey{42, 8U << 20U | 1U, 9});
    CHECK(event.device == (8U << 20U | 1U));
    CHECK(event.path == "/data/x");
    CHECK(event.new_path == "/y");
    CHECK_FALSE((event.directory || event.exchange || event.unlinked));
    struct Row {
        std::uint32_t flags;
        bool directory;
        bool exchange;
        bool unlinked;
        std::string path;
        std::string new_path;
    };
    const std::vector<Row> rows = {
        {PW_RENAME_DIRECTORY, true, false, false, "/data/x", "/y"},
        {PW_RENAME_EXCHANGE, false, true, false, "/data/x", "/y"},
        {PW_RENAME_LOST, false, false, false, "/data/x", ""},
        {PW_RENAME_LOST | PW_RENAME_UNLINKED, false, false, true, "/data/x", ""},
        {PW_RENAME_CUT, false, false, false, ".../data/x", ".../y"},
    };
    for (const Row& row : rows) {
        pw_rename raw = raw_rename();
        raw.flags = row.flags;
        const auto flagged = decoded<RenameEvent>(bytes_of(raw));
        CHECK(flagged.directory == row.directory);
        CHECK(flagged.exchange == row.exchange);
        CHECK(flagged.unlinked == row.unlinked);
        CHECK(flagged.path == row.path);
        CHECK(flagged.new_path == row.new_path);
    }
}
