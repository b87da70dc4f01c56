#include "ledger/ledger.h"

#include <catch2/catch.hpp>

#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("the backing tells what is under a pin", "[ledger]")
{
    struct Row {
        const char* what;
        const char* filesystem;
        std::vector<RangeEvent> ranges;
        Backing backing;
    };
    const std::vector<Row> rows = {
        {"no file", "ext4", {}, Backing::kAnonymous},
        {"a file", "ext4", {range_event(1, 1, 0, 8)}, Backing::kFile},
        {"tmpfs", "tmpfs", {range_event(1, 1, 0, 8)}, Backing::kShmem},
        {"devtmpfs", "devtmpfs", {range_event(1, 1, 0, 8)}, Backing::kShmem},
        {"hugetlbfs", "hugetlbfs", {range_event(1, 1, 0, 8)}, Backing::kHugetlb},
        {"two parts of a file", "xfs", {range_event(1, 1, 0, 4), range_event(1, 2, 8, 4, 4)}, Backing::kFile},
        {"file and anonymous", "xfs", {range_event(1, 1, 0, 4)}, Backing::kMixed},
        {"two kinds", "tmpfs", {range_event(1, 1, 0, 4), range_event(1, 1, 0, 4, 4, kOther)}, Backing::kMixed},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        Ledger ledger;
        ledger.file(file_event(kFile, "/x", row.filesystem));
        ledger.pin(pin_event(1, 8), "vfio");
        for (const RangeEvent& range : row.ranges) {
            ledger.range(range);
        }
        CHECK(ledger.find(1)->backing == row.backing);
        CHECK(ledger.sums(0).totals.at({"vfio", row.backing}).pins == 1);
        CHECK(ledger.sums(0).totals.at({"vfio", row.backing}).bytes == 32768);
    }
    CHECK(to_string(Backing::kHugetlb) == "hugetlb");
}

TEST_CASE("a name that comes late corrects the backing", "[ledger]")
{
    Ledger ledger;
    acquire_file(ledger, 1, 100, 4, 1, 0);
    CHECK(ledger.find(1)->backing == Backing::kFile);
    ledger.file(file_event(kFile, "memfd:x", "tmpfs"));
    CHECK(ledger.find(1)->backing == Backing::kShmem);
    CHECK(ledger.find_file(kFile)->path == "memfd:x");
    ledger.file(file_event(kFile, "/y", "tmpfs"));
    CHECK(ledger.find_file(kFile)->path == "/y");
}

TEST_CASE("a file's state covers the live pages of all its pins", "[ledger]")
{
    Ledger ledger;
    acquire_file(ledger, 1, 100, 10, 1, 0);
    acquire_file(ledger, 2, 200, 10, 2, 20);
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(0, 30));
    CHECK(ledger.file_state(kFile).sequence == 2);
    CHECK(ledger.file_state(kFile).complete);
    CHECK(ledger.take_changed_files() == std::vector<FileKey>{kFile});
    CHECK(ledger.take_changed_files().empty());

    ledger.release(release_event({{200, 4}, {209, 1}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(0, 29));
    CHECK(ledger.live_file_range(*ledger.find(2), kFile) == std::optional(Pages(24, 29)));
    CHECK(ledger.take_changed_files() == std::vector<FileKey>{kFile});

    ledger.release(release_event({{100, 10}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(24, 29));
    ledger.release(release_event({{204, 5}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(0, 0));
    CHECK(ledger.file_state(kFile).complete);
    CHECK(ledger.file_state(kFile).sequence == 2);
    CHECK(ledger.find_file(kFile)->pins.empty());
    CHECK(ledger.files() == std::vector<FileKey>{kFile});
}

TEST_CASE("pins on a range are found exactly, oldest first", "[ledger]")
{
    Ledger ledger;
    acquire_file(ledger, 2, 200, 10, 1, 5);
    acquire_file(ledger, 1, 100, 10, 2, 0);
    CHECK(ids(ledger.pins_on(kFile, 0, 100)) == std::vector<PinId>{1, 2});
    CHECK(ids(ledger.pins_on(kFile, 0, 5)) == std::vector<PinId>{1});
    CHECK(ids(ledger.pins_on(kFile, 10, 15)) == std::vector<PinId>{2});
    CHECK(ids(ledger.pins_on(kFile, 15, 16)).empty());
    CHECK(ids(ledger.pins_on(kFile, 7, 7)).empty());
    CHECK(ids(ledger.pins_on(kOther, 0, 100)).empty());
    // A hole in the middle of the first pin's pages, which its smallest range does not show.
    ledger.release(release_event({{102, 2}}));
    CHECK(ids(ledger.pins_on(kFile, 2, 4)).empty());
    CHECK(ids(ledger.pins_on(kFile, 2, 5)) == std::vector<PinId>{1});
}

TEST_CASE("ranges of a pin may lie within each other", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 12), "io_uring");
    // What is looked at page by page between two private mappings is a part of a shared one.
    ledger.range(range_event(1, 1, 20, 12, 0));
    ledger.range(range_event(1, 2, 24, 1, 4));
    ledger.range(range_event(1, 3, 25, 1, 5));
    ledger.pages(pages_event(1, {{100, 12}}));
    ledger.release(release_event({{107, 5}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(20, 27));
    CHECK(ledger.live_file_range(*ledger.find(1), kFile) == std::optional(Pages(20, 27)));
}

TEST_CASE("a pin may cover several files, and one file in several places", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 12), "io_uring");
    ledger.range(range_event(1, 1, 100, 4, 0));
    ledger.range(range_event(1, 1, 7, 4, 4, kOther));
    ledger.range(range_event(1, 2, 50, 4, 8));
    ledger.pages(pages_event(1, {{1000, 12}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(50, 104));
    CHECK(pages_of(ledger.file_state(kOther)) == Pages(7, 11));
    CHECK(ledger.take_changed_files().size() == 2);

    ledger.release(release_event({{1002, 4}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(50, 102));
    CHECK(pages_of(ledger.file_state(kOther)) == Pages(9, 11));
    CHECK(ledger.take_changed_files().size() == 2);

    ledger.release(release_event({{1006, 2}}));
    CHECK(pages_of(ledger.file_state(kOther)) == Pages(0, 0));
    CHECK(ledger.find_file(kOther)->pins.empty());
    CHECK_FALSE(ledger.live_file_range(*ledger.find(1), kOther).has_value());

    ledger.release(release_event({{1008, 4}}));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(100, 102));
    ledger.release(release_event({{1000, 2}}));
    CHECK(ledger.find_file(kFile)->pins.empty());
    CHECK(ledger.pins().empty());
}

TEST_CASE("a range that reaches beyond what was pinned is cut", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 4), "rdma_rxe");
    ledger.range(range_event(1, 1, 10, 100));
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(10, 14));
}

TEST_CASE("missing sequence numbers make a file incomplete", "[ledger]")
{
    Ledger ledger;
    SECTION("in order")
    {
        acquire_file(ledger, 1, 100, 1, 1, 0);
        acquire_file(ledger, 2, 101, 1, 2, 0);
        CHECK(ledger.file_state(kFile).complete);
        CHECK(ledger.find_file(kFile)->ranges_seen == 2);
    }
    SECTION("overtaken on another processor")
    {
        acquire_file(ledger, 2, 101, 1, 2, 0);
        CHECK_FALSE(ledger.file_state(kFile).complete);
        acquire_file(ledger, 1, 100, 1, 1, 0);
        CHECK(ledger.file_state(kFile).complete);
        CHECK(ledger.file_state(kFile).sequence == 2);
    }
    SECTION("lost")
    {
        acquire_file(ledger, 1, 100, 1, 1, 0);
        acquire_file(ledger, 3, 102, 1, 3, 0);
        CHECK_FALSE(ledger.file_state(kFile).complete);
        CHECK(ledger.find_file(kFile)->last_sequence == 3);
        CHECK(ledger.find_file(kFile)->ranges_seen == 2);
    }
    SECTION("a range whose pin was lost")
    {
        acquire_file(ledger, 1, 100, 1, 1, 0);
        ledger.range(range_event(9, 2, 5, 1));
        CHECK(ledger.file_state(kFile).sequence == 2);
        CHECK_FALSE(ledger.file_state(kFile).complete);
        CHECK_FALSE(ledger.certain());
    }
    SECTION("a file the kernel's table had no room for")
    {
        acquire_file(ledger, 1, 100, 1, 0, 7);
        CHECK_FALSE(ledger.file_state(kFile).complete);
        CHECK(pages_of(ledger.file_state(kFile)) == Pages(7, 8));
    }
    SECTION("a file never heard of")
    {
        CHECK_FALSE(ledger.file_state(kFile).complete);
        CHECK(ledger.file_state(kFile).sequence == 0);
    }
}

TEST_CASE("counting starts anew when the kernel has forgotten a file", "[ledger]")
{
    Ledger ledger;
    acquire_file(ledger, 1, 100, 1, 1, 0);
    acquire_file(ledger, 2, 101, 1, 3, 0);

    SECTION("with no pins left, even after a loss")
    {
        ledger.release(release_event({{100, 2}}));
        acquire_file(ledger, 3, 100, 1, 1, 0);
        CHECK(ledger.file_state(kFile).complete);
        CHECK(ledger.file_state(kFile).sequence == 1);
        CHECK(ledger.find_file(kFile)->ranges_seen == 1);
    }
    SECTION("but with pins of before, nothing is certain")
    {
        acquire_file(ledger, 3, 102, 1, 1, 0);
        CHECK_FALSE(ledger.file_state(kFile).complete);
        acquire_file(ledger, 4, 103, 1, 2, 0);
        CHECK_FALSE(ledger.file_state(kFile).complete);
        ledger.release(release_event({{100, 4}}));
        acquire_file(ledger, 5, 100, 1, 1, 0);
        CHECK(ledger.file_state(kFile).complete);
    }
}

TEST_CASE("a long gap does not pile up", "[ledger]")
{
    FileTable files;
    for (std::uint64_t sequence = 2; sequence < 5000; ++sequence) {
        files.range_arrived(kFile, sequence);
    }
    files.set_span(kFile, 1, FileSpan(0, 1));
    files.range_arrived(kFile, 1);
    CHECK_FALSE(files.state(kFile).complete);
    CHECK(files.state(kFile).sequence == 4999);
    files.set_span(kFile, 1, std::nullopt);
    files.range_arrived(kFile, 1);
    CHECK(files.state(kFile).complete);
    CHECK(files.state(kFile).sequence == 1);
}

TEST_CASE("files without pins are kept up to a bound, oldest go first", "[ledger]")
{
    FileTable files(2);
    const auto key = [](std::uint64_t inode) { return FileKey{inode, 1, 1}; };
    for (const std::uint64_t inode : {1U, 2U, 3U}) {
        files.name(file_event(key(inode)));
        files.set_span(key(inode), inode, FileSpan(0, 1));
    }
    CHECK(files.keys().size() == 3);
    files.set_span(key(2), 2, std::nullopt);
    files.set_span(key(1), 1, std::nullopt);
    CHECK(files.keys().size() == 3);
    files.name(file_event(key(4)));
    CHECK(files.find(key(2)) == nullptr);
    CHECK(files.find(key(1)) != nullptr);
    CHECK(files.find(key(3))->pins.size() == 1);
    CHECK(files.state(key(2)).sequence == 0);
}

TEST_CASE("a memfd's folios count whole until the last is let go", "[ledger]")
{
    Ledger ledger;
    ledger.file(file_event(kFile, "memfd:vm", "tmpfs"));
    auto pin = pin_event(1, 3);
    pin.function = PW_MEMFD_PIN_FOLIOS;
    pin.address = 2 * 4096;
    ledger.pin(pin, "iommufd");
    ledger.range({1, 1, 2 * 4096, 2, 1030, 1, kFile});
    ledger.pages(pages_event(1, {{512, 1}, {1024, 1}, {1536, 1}}));
    CHECK(ledger.find(1)->backing == Backing::kShmem);
    CHECK(ledger.find(1)->bytes == 1030 * 4096);

    CHECK(ledger.release(release_event({{512, 1}}, kMm, 512)).released[0].bytes == 0);
    ledger.release(release_event({{1536, 1}}));
    CHECK(ledger.find(1)->bytes == 1030 * 4096);
    CHECK(ledger.find(1)->live_pages == 1);
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(2, 1032));
    CHECK(ids(ledger.pins_on(kFile, 2, 3)) == std::vector<PinId>{1});
    CHECK(ids(ledger.pins_on(kFile, 1032, 2000)).empty());

    const auto last = ledger.release(release_event({{1024, 1}}));
    CHECK(last.released[0].fully);
    CHECK(last.released[0].bytes == 1030 * 4096);
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(0, 0));
}

namespace {

FileEvent placed(FileKey file, const std::string& path)
{
    FileEvent event = file_event(file, "/mnt" + path);
    event.parts = {{kFile.device, "", path}, {5, "", "/mnt"}};
    return event;
}

RenameEvent renamed(FileKey file, const std::string& path, const std::string& new_path)
{
    RenameEvent event;
    event.file = file;
    event.device = kFile.device;
    event.path = path;
    event.new_path = new_path;
    return event;
}

}  // namespace

TEST_CASE("a file that is renamed has its new path, and remembers the one it was pinned through", "[ledger]")
{
    Ledger ledger;
    ledger.file(placed(kFile, "/a/x"));
    ledger.file(placed(kOther, "/a/x"));  // as if it had been seen there before
    ledger.rename(renamed(kFile, "/a/x", "/y"));
    const FileRecord& file = *ledger.find_file(kFile);
    CHECK(file.path == "/mnt/y");
    CHECK(file.pinned_path == "/mnt/a/x");
    CHECK_FALSE(file.deleted);
    CHECK(ledger.find_file(kOther)->path == "/mnt/a/x");
    ledger.rename(renamed({99, 1, 1}, "/y", "/z"));
    CHECK(ledger.find_file(kFile)->path == "/mnt/y");
}

TEST_CASE("a directory takes all files below it along, and an exchange swaps them", "[ledger]")
{
    Ledger ledger;
    ledger.file(placed(kFile, "/a/x"));
    ledger.file(placed(kOther, "/b/x"));
    RenameEvent event = renamed({99, 1, 1}, "/a", "/c");
    event.directory = true;
    ledger.rename(event);
    CHECK(ledger.find_file(kFile)->path == "/mnt/c/x");
    CHECK(ledger.find_file(kOther)->path == "/mnt/b/x");

    event = renamed({99, 1, 1}, "/c", "/b");
    event.exchange = true;
    ledger.rename(event);
    CHECK(ledger.find_file(kFile)->path == "/mnt/b/x");
    CHECK(ledger.find_file(kOther)->path == "/mnt/c/x");
}

TEST_CASE("a file is marked deleted when its name goes and none is left", "[ledger]")
{
    Ledger ledger;
    ledger.file(placed(kFile, "/a/x"));
    // Another hard link of it went.
    ledger.rename(renamed(kFile, "/b/x", ""));
    CHECK_FALSE(ledger.find_file(kFile)->deleted);
    // This one went, and another is known.
    ledger.rename(renamed(kFile, "/a/x", "/c/x"));
    CHECK(ledger.find_file(kFile)->path == "/mnt/c/x");
    CHECK_FALSE(ledger.find_file(kFile)->deleted);
    // This one too, and no other is known.
    ledger.rename(renamed(kFile, "/c/x", ""));
    CHECK(ledger.find_file(kFile)->deleted);
    CHECK(ledger.find_file(kFile)->path == "/mnt/c/x");

    // The last name goes, whatever it is called.
    ledger.file(placed(kOther, "/a/y"));
    RenameEvent last = renamed(kOther, "/elsewhere", "");
    last.unlinked = true;
    ledger.rename(last);
    CHECK(ledger.find_file(kOther)->deleted);
    // What was deleted stays where it was.
    RenameEvent directory = renamed({99, 1, 1}, "/a", "/d");
    directory.directory = true;
    ledger.rename(directory);
    CHECK(ledger.find_file(kOther)->path == "/mnt/a/y");
}
