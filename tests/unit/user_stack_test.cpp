// Stacks in programs: kept once, grouped by, and named.
#include <elf.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/render.h"
#include "cli/user_symbols.h"
#include "ledger/user_stack_table.h"
#include "publish/pin_groups.h"
#include "support/ledgers.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

const std::string kItself = "/proc/self/exe";

UserFrame in_file(std::uint64_t offset)
{
    UserFrame frame{.build_id = {}, .in_file = true, .place = offset};
    frame.build_id.front() = 0xab;
    return frame;
}

// The offset in this program's file of a function of it.
[[gnu::noinline]] std::uint64_t offset_of_itself()
{
    const auto address = reinterpret_cast<std::uint64_t>(&offset_of_itself);
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::uint64_t first = 0;
        std::uint64_t end = 0;
        std::uint64_t offset = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &first, &end, &offset) == 3 && address >= first &&
            address < end) {
            return offset + (address - first);
        }
    }
    throw std::runtime_error("this program is not mapped");
}

PinView with_user_stack(PinView view, std::shared_ptr<const UserStack> stack)
{
    view.pin.user_stack = std::move(stack);
    return view;
}

v1::GroupPinsResponse by_stack(const std::vector<PinView>& pins, bool by_user_stack)
{
    v1::GroupPinsRequest request;
    request.set_by(v1::PIN_GROUPING_STACK);
    request.set_by_user_stack(by_user_stack);
    return group_pins(request, source_of(pins)).value();
}

}  // namespace

TEST_CASE("equal user stacks are one, and go when nobody has them", "[user_stack]")
{
    UserStackTable table;
    const auto first = table.shared({in_file(1), in_file(2)});
    CHECK(table.shared({in_file(1), in_file(2)}) == first);
    CHECK(table.shared({in_file(1)}) != first);
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        table.shared({in_file(i), in_file(3)});
    }
    CHECK(table.size() < 3000);
    CHECK(table.shared({in_file(1), in_file(2)}) == first);
}

TEST_CASE("a pin keeps its user stack, and what comes for another does not matter", "[user_stack][ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 10), "rdma_rxe");
    UserStackEvent event{.pin = 1, .frames = {in_file(1)}};
    ledger.user_stack(event);
    UserStackEvent nobody{.pin = 2, .frames = {in_file(1)}};
    ledger.user_stack(nobody);
    REQUIRE(ledger.find(1)->user_stack != nullptr);
    CHECK(*ledger.find(1)->user_stack == UserStack{in_file(1)});
    CHECK(ledger.certain());
}

TEST_CASE("pins are grouped by user stack where that is asked for", "[user_stack]")
{
    UserStackTable table;
    const std::vector<PinView> pins{with_user_stack(file_pin(1, 0, 16), table.shared({in_file(1)})),
                                    with_user_stack(file_pin(2, 100, 1), table.shared({in_file(2)})),
                                    with_user_stack(file_pin(3, 200, 1), table.shared({in_file(2)}))};
    CHECK(by_stack(pins, false).groups_size() == 1);
    CHECK(by_stack(pins, false).groups(0).user_stack_size() == 0);
    const auto groups = by_stack(pins, true);
    REQUIRE(groups.groups_size() == 2);
    CHECK(groups.groups(0).user_stack(0).offset() == 1);
    CHECK(groups.groups(0).user_stack(0).build_id() == "ab" + std::string(38, '0'));
    CHECK(groups.groups(1).pins() == 2);
    const std::string text = render_groups(groups, v1::PIN_GROUPING_STACK, nullptr, Style{});
    CHECK_THAT(text, Catch::Contains("    0x2 [build id ab0000000000]\n"));
    CHECK_THAT(render_folded(groups), Catch::Contains("0x2 [build id ab0000000000];"));
    CHECK(user_stacks_text(groups).empty());
    CHECK(user_stacks_text({}).empty());
    CHECK_THAT(user_stacks_text(by_stack({file_pin(1, 0, 16)}, true)), Catch::Contains("--user-stacks"));

    v1::GroupPinsRequest request;
    request.set_by(v1::PIN_GROUPING_DRIVER);
    request.set_by_user_stack(true);
    const auto refused = group_pins(request, source_of(pins));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().field == "by_user_stack");
}

TEST_CASE("a return address is named by the program it is in", "[user_stack]")
{
    const std::string id = ProgramSymbols::build_id_of(kItself);
    REQUIRE(id.size() == 40);
    v1::GroupPinsResponse groups;
    auto& stack = *groups.add_groups()->mutable_user_stack();
    for (int i = 0; i < 2; ++i) {
        v1::UserFrame& frame = *stack.Add();
        frame.set_build_id(id);
        frame.set_offset(offset_of_itself() + 1);
    }
    v1::UserFrame& elsewhere = *stack.Add();
    elsewhere.set_build_id("0123456789abcdef");
    elsewhere.set_offset(16);
    stack.Add()->set_address(0x7f0000001000);
    UserSymbols(std::vector<std::string>{std::filesystem::read_symlink(kItself)}).name(groups);
    const std::string file = " [" + std::filesystem::read_symlink(kItself).filename().string() + "]";
    CHECK_THAT(user_frame_text(stack[0]), Catch::Contains("offset_of_itself()+0x1" + file));
    // What is returned to may be the first instruction behind its function.
    CHECK_THAT(user_frame_text(stack[1]), Catch::Contains("offset_of_itself()+0x1" + file));
    CHECK(user_frame_text(stack[2]) == "0x10 [build id 0123456789ab]");
    CHECK(user_frame_text(stack[3]) == "0x7f0000001000");
}

TEST_CASE("files that are no programs, or broken ones, have no symbols", "[user_stack]")
{
    const TemporaryFolder folder;
    std::ifstream itself(kItself, std::ios::binary);
    std::string head(4096, '\0');
    itself.read(head.data(), static_cast<std::streamsize>(head.size()));
    std::ofstream(folder.file("cut"), std::ios::binary) << head;
    std::ofstream(folder.file("text")) << "no program";
    std::ofstream(folder.file("empty"));
    for (std::size_t i = sizeof(Elf64_Ehdr) / 2; i < head.size(); i += 3) {
        head[i] = static_cast<char>(i * 37);
    }
    std::ofstream(folder.file("damaged"), std::ios::binary) << head;
    for (const char* name : {"cut", "text", "empty", "damaged", "not there"}) {
        INFO(name);
        CHECK(ProgramSymbols::build_id_of(folder.file(name)).size() % 2 == 0);
        const auto symbols = ProgramSymbols::read(folder.file(name));
        CHECK((!symbols || !symbols->find(0x1000, true)));
    }
}
