#include "correlate/conflict.h"

#include <catch2/catch.hpp>

#include "support/records.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Pin 1 has the file's pages 0-9, pin 2 pages 20-29.
Ledger two_pins()
{
    Ledger ledger;
    ledger.file(file_event());
    ledger.pin(pin_event(1, 10), "rdma_rxe");
    ledger.range(range_event(1, 1, 0, 10));
    ledger.pages(pages_event(1, {{100, 10}}));
    ledger.pin(pin_event(2, 10), "vfio");
    ledger.range(range_event(2, 2, 20, 10));
    ledger.pages(pages_event(2, {{200, 10}}));
    return ledger;
}

std::vector<PinId> ids(const Conflict& conflict)
{
    std::vector<PinId> ids;
    for (const PinRecord& pin : conflict.pins) {
        ids.push_back(pin.id);
    }
    return ids;
}

}  // namespace

TEST_CASE("an umount conflicts with every pin on the file system", "[conflict]")
{
    Ledger ledger = two_pins();
    const FileKey other{77, kFile.device, 1};
    const FileKey elsewhere{77, kFile.device + 1, 1};
    PinId id = 3;
    for (const FileKey& key : {other, elsewhere}) {
        ledger.pin(pin_event(id, 4), "io_uring");
        ledger.range(range_event(id, 1, 0, 4, 0, key));
        ledger.pages(pages_event(id, {{100 * id, 4}}));
        ++id;
    }
    OperationEvent umount = truncate_event(0, 0, {0, kFile.device, 0});
    umount.operation = PW_OPERATION_UMOUNT;
    const Conflict conflict = correlate(ledger, umount);
    CHECK(ids(conflict) == std::vector<PinId>{1, 2, 3});
    REQUIRE(conflict.pin_files.size() == 3);
    CHECK(conflict.pin_files[0].key == kFile);
    CHECK(conflict.pin_files[2].key == other);
    CHECK(conflict.filesystem == "ext4");
}

TEST_CASE("a truncate conflicts with the pins on the pages it takes away", "[conflict]")
{
    struct Row {
        const char* what;
        std::uint64_t old_size;
        std::uint64_t new_size;
        std::uint64_t first;
        std::uint64_t end;
        std::vector<PinId> pins;
    };
    constexpr std::uint64_t kSize = 30 * 4096;
    const std::vector<Row> rows = {
        {"to nothing", kSize, 0, 0, 30, {1, 2}},
        {"between the pins", kSize, 10 * 4096, 10, 30, {2}},
        {"into the first pin's last page", kSize, 10 * 4096 - 1, 9, 30, {1, 2}},
        {"into the middle of the last page", kSize, 29 * 4096 + 1, 29, 30, {2}},
        {"growing", kSize, kSize + 1, 0, 0, {}},
        {"only between", 20 * 4096, 10 * 4096, 10, 20, {}},
    };
    const Ledger ledger = two_pins();
    for (const Row& row : rows) {
        INFO(row.what);
        const Conflict conflict = correlate(ledger, truncate_event(row.old_size, row.new_size));
        CHECK(conflict.first_page == row.first);
        CHECK(conflict.end_page == row.end);
        CHECK(ids(conflict) == row.pins);
        CHECK(conflict.path == "/mnt/data/x");
        CHECK(conflict.filesystem == "ext4");
        CHECK(conflict.operation.file_size == row.old_size);
    }
}

TEST_CASE("what other operations take away is a range, or all that lies behind", "[conflict]")
{
    struct Row {
        const char* what;
        pw_operation_kind operation;
        std::uint64_t offset;
        std::uint64_t length;
        std::uint64_t first;
        std::uint64_t end;
        std::vector<PinId> pins;
    };
    constexpr std::uint64_t kSize = 30 * 4096;
    const std::vector<Row> rows = {
        {"the first pin", PW_OPERATION_PUNCH_HOLE, 0, 4096, 0, 1, {1}},
        {"between the pins", PW_OPERATION_PUNCH_HOLE, 10 * 4096, 10 * 4096, 10, 20, {}},
        {"a byte of the second pin's first page", PW_OPERATION_ZERO_RANGE, 20 * 4096 - 1, 2, 19, 21, {2}},
        {"up to a page's end", PW_OPERATION_MADV_REMOVE, 4096, 4096, 1, 2, {1}},
        {"all behind, too", PW_OPERATION_COLLAPSE_RANGE, 10 * 4096, 4096, 10, 30, {2}},
        {"all behind, too", PW_OPERATION_INSERT_RANGE, 0, 4096, 0, 30, {1, 2}},
    };
    const Ledger ledger = two_pins();
    for (const Row& row : rows) {
        INFO(row.what);
        const Conflict conflict = correlate(ledger, range_event(row.operation, row.offset, row.length, kSize));
        CHECK(conflict.first_page == row.first);
        CHECK(conflict.end_page == row.end);
        CHECK(ids(conflict) == row.pins);
    }
}

TEST_CASE("pages that were let go are in nobody's way", "[conflict]")
{
    Ledger ledger = two_pins();
    ledger.release(release_event({{200, 5}}));
    CHECK(ids(correlate(ledger, truncate_event(25 * 4096, 20 * 4096))).empty());
    CHECK(ids(correlate(ledger, truncate_event(26 * 4096, 20 * 4096))) == std::vector<PinId>{2});
}

TEST_CASE("a conflict on a file the ledger does not know has no pins and no name", "[conflict]")
{
    const Conflict conflict = correlate(Ledger(), truncate_event(4096, 0));
    CHECK(conflict.pins.empty());
    CHECK(conflict.path.empty());
    CHECK(conflict.end_page == 1);
}
