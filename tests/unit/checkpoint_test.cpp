// What is written down of pins for the next daemon, and what is not taken from a file that does not hold together.
#include "recording/checkpoint.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

CheckpointHead head()
{
    return {.boot_id = "a-start\n",
            .taken = 77,
            .set = 123,
            .ring = 9,
            .position = 4096,
            .losses = 3,
            .certain = true,
            .geometry = {0xffffea0000000000, 64},
            .generation = 5,
            .policies = {"one", "two"}};
}

Ledger some_pins()
{
    Ledger ledger;
    acquire_file(ledger, 1, 100, 80, 1, 16);
    acquire(ledger, 2, 5000, 4);
    // With a hole in it.
    acquire(ledger, 3, 9000, 100);
    ReleaseEvent hole;
    hole.runs = {{9010, 5}};
    hole.repair = true;
    hole.only = 3;
    ledger.release(hole);
    ledger.exit({.time = 50, .process = ledger.find(2)->owner.process});
    return ledger;
}

// What the checkpoint tells, in a ledger of its own.
Ledger read_back(const Checkpoint& checkpoint)
{
    const Decoder decoder(checkpoint.head().geometry);
    Ledger ledger;
    const auto feed = [&ledger](auto& event) {
        using Event = std::decay_t<decltype(event)>;
        if constexpr (std::is_same_v<Event, PinEvent>) {
            ledger.pin(event, "rdma_rxe");
        } else if constexpr (std::is_same_v<Event, RangeEvent>) {
            ledger.range(event);
        } else if constexpr (std::is_same_v<Event, FileEvent>) {
            ledger.file(event);
        } else if constexpr (std::is_same_v<Event, ExitEvent>) {
            ledger.exit(event);
        }
    };
    checkpoint.replay({[&](std::span<const std::byte> record) {
                           auto event = decoder.decode(record);
                           REQUIRE(event.has_value());
                           std::visit(feed, *event);
                       },
                       [&](const PagesEvent& pages) { ledger.pages(pages); }});
    return ledger;
}

std::vector<Extent> extents_of(const Ledger& ledger)
{
    std::vector<Extent> extents;
    ledger.index().visit({0, 1U << 20U}, [&](const Extent& extent) {
        extents.push_back(extent);
        return true;
    });
    return extents;
}

}  // namespace

TEST_CASE("a checkpoint tells what the ledger held")
{
    const Ledger ledger = some_pins();
    const auto checkpoint = Checkpoint::parse(checkpoint_of(head(), ledger));
    REQUIRE(checkpoint.has_value());
    CHECK(checkpoint->head().boot_id == head().boot_id);
    CHECK(checkpoint->head().set == 123);
    CHECK(checkpoint->head().ring == 9);
    CHECK(checkpoint->head().position == 4096);
    CHECK(checkpoint->head().losses == 3);
    CHECK(checkpoint->head().certain);
    CHECK(checkpoint->head().generation == 5);
    CHECK(checkpoint->head().policies == head().policies);

    const Ledger again = read_back(*checkpoint);
    CHECK(extents_of(again) == extents_of(ledger));
    CHECK(known(again) == known(ledger));
    for (const auto& [id, pin] : ledger.pins()) {
        const PinRecord* const other = again.find(id);
        REQUIRE(other != nullptr);
        CHECK(other->owner.process == pin.owner.process);
        CHECK(other->owner.comm == pin.owner.comm);
        CHECK(other->owner_exited == pin.owner_exited);
        CHECK(other->orphaned == pin.orphaned);
        CHECK(other->stack == pin.stack);
        CHECK(other->acquired == pin.acquired);
        CHECK(other->long_term == pin.long_term);
        CHECK(other->ranges.size() == pin.ranges.size());
    }
}

TEST_CASE("an empty ledger makes a checkpoint, too")
{
    const auto checkpoint = Checkpoint::parse(checkpoint_of({.geometry = {0, 64}}, Ledger()));
    REQUIRE(checkpoint.has_value());
    CHECK(read_back(*checkpoint).pins().empty());
}

TEST_CASE("a checkpoint that is changed anywhere, or cut off, is refused")
{
    const std::string whole = checkpoint_of(head(), some_pins());
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        REQUIRE_FALSE(Checkpoint::parse(changed).has_value());
        REQUIRE_FALSE(Checkpoint::parse(whole.substr(0, at)).has_value());
    }
    CHECK_FALSE(Checkpoint::parse(whole + "x").has_value());
}

TEST_CASE("a checkpoint of another version says so")
{
    std::string other = checkpoint_of(head(), some_pins());
    const std::uint32_t layout = kRecordLayout + 1;
    std::memcpy(other.data() + std::strlen("pinwarden pins\n"), &layout, sizeof(layout));
    const auto refused = Checkpoint::parse(other);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == EPROTONOSUPPORT);
    CHECK(refused.error().message.find("layout 2") != std::string::npos);
}
