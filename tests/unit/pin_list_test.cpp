#include "publish/pin_list.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Registrations of one page each that have nothing to do with each other; the younger the larger their number.
std::vector<PinView> apart(std::uint64_t count)
{
    std::vector<PinView> pins;
    for (PinId id = 1; id <= count; ++id) {
        PinView pin = file_pin(id, 2 * id, 1);
        pin.pin.acquired += id * kSecond;
        pins.push_back(std::move(pin));
    }
    return pins;
}

std::vector<PinId> ids(const v1::ListPinsResponse& list)
{
    std::vector<PinId> all;
    for (const v1::Pin& pin : list.pins()) {
        all.push_back(pin.id());
    }
    return all;
}

std::string refusal(const v1::ListPinsRequest& request)
{
    const auto list = list_pins(request, source_of({}), [](const auto& /*kinds*/) { return Holders{}; });
    REQUIRE_FALSE(list);
    CHECK(list.error().code == EINVAL);
    return list.error().message;
}

v1::GetPinResponse get(const std::vector<PinView>& pins, PinId id)
{
    v1::GetPinRequest request;
    request.set_id(id);
    const auto pin = get_pin(request, source_of(pins), [](const auto& /*kinds*/) { return Holders{}; });
    REQUIRE(pin);
    return *pin;
}

}  // namespace

TEST_CASE("pins come page by page, each once")
{
    const std::vector<PinView> pins = apart(25);
    for (const v1::PinOrder order :
         {v1::PIN_ORDER_OLDEST, v1::PIN_ORDER_NEWEST, v1::PIN_ORDER_LARGEST, v1::PIN_ORDER_ORPHANED}) {
        INFO(v1::PinOrder_Name(order));
        v1::ListPinsRequest request;
        request.set_order(order);
        request.set_page_size(10);
        std::vector<PinId> seen;
        std::vector<int> sizes;
        do {
            const auto page = listed(pins, request);
            sizes.push_back(page.pins_size());
            CHECK(page.total_pins() == 25);
            CHECK(page.total_bytes() == 25 * 4096);
            for (const PinId id : ids(page)) {
                seen.push_back(id);
            }
            request.set_page_token(page.next_page_token());
        } while (!request.page_token().empty());
        CHECK(sizes == std::vector{10, 10, 5});
        CHECK(std::set(seen.begin(), seen.end()).size() == 25);
    }
}

TEST_CASE("a page that is just full has none after it unless there is more")
{
    v1::ListPinsRequest request;
    request.set_page_size(5);
    CHECK(listed(apart(5), request).next_page_token().empty());
    CHECK_FALSE(listed(apart(6), request).next_page_token().empty());
}

TEST_CASE("what goes between two pages is missing, and nothing else")
{
    std::vector<PinView> pins = apart(6);
    v1::ListPinsRequest request;
    request.set_page_size(3);
    const auto first = listed(pins, request);
    CHECK(ids(first) == std::vector<PinId>{1, 2, 3});
    // The last that was shown, and one that was not.
    pins.erase(pins.begin() + 2, pins.begin() + 4);
    request.set_page_token(first.next_page_token());
    CHECK(ids(listed(pins, request)) == std::vector<PinId>{5, 6});
}

TEST_CASE("pins are ordered as asked")
{
    std::vector<PinView> pins{file_pin(1, 0, 4), file_pin(2, 100, 64), file_pin(3, 300, 1)};
    pins[0].pin.acquired = 30 * kSecond;
    pins[1].pin.acquired = 10 * kSecond;
    pins[2].pin.acquired = 20 * kSecond;
    pins[0].pin.owner_exited = pins[2].pin.owner_exited = true;
    pins[0].pin.orphaned = 50 * kSecond;
    pins[2].pin.orphaned = 60 * kSecond;
    const auto in_order = [&](v1::PinOrder order) {
        v1::ListPinsRequest request;
        request.set_order(order);
        return ids(listed(pins, request));
    };
    CHECK(in_order(v1::PIN_ORDER_UNSPECIFIED) == std::vector<PinId>{2, 3, 1});
    CHECK(in_order(v1::PIN_ORDER_OLDEST) == std::vector<PinId>{2, 3, 1});
    CHECK(in_order(v1::PIN_ORDER_NEWEST) == std::vector<PinId>{1, 3, 2});
    CHECK(in_order(v1::PIN_ORDER_LARGEST) == std::vector<PinId>{2, 1, 3});
    CHECK(in_order(v1::PIN_ORDER_ORPHANED) == std::vector<PinId>{1, 3, 2});
    v1::ListPinsRequest orphans;
    orphans.mutable_filter()->set_orphans(true);
    CHECK(ids(listed(pins, orphans)) == std::vector<PinId>{1, 3});
}

TEST_CASE("a page is not larger than a client takes")
{
    std::vector<PinView> pins = apart(200);
    for (PinView& pin : pins) {
        pin.stack.assign(300, std::string(100, 'x') + "+0x1");
    }
    v1::ListPinsRequest request;
    request.set_include_stack(true);
    const auto page = listed(pins, request);
    CHECK(page.ByteSizeLong() < 4U << 20U);
    CHECK(page.pins_size() > 50);
    CHECK(page.pins_size() < 200);
    request.set_page_token(page.next_page_token());
    CHECK(listed(pins, request).pins(0).id() == page.pins().rbegin()->id() + 1);
}

TEST_CASE("however the pins come, the list is the same")
{
    // Registrations of eight calls each, of four threads that take turns.
    std::vector<PinView> pins;
    for (std::uint64_t call = 0; call < 8; ++call) {
        for (std::uint32_t thread = 0; thread < 4; ++thread) {
            PinView pin = file_pin(pins.size() + 1, 512 * call, 512);
            pin.pin.owner.tid = 900 + thread;
            pin.pin.acquired += call * kSecond / 2;
            pins.push_back(std::move(pin));
        }
    }
    const std::string whole = listed(pins).ShortDebugString();
    CHECK(listed(pins).pins_size() == 4);
    for (const std::size_t most : {1U, 3U, 31U}) {
        const auto list = list_pins({}, source_of(pins, most), [](const auto& /*kinds*/) { return Holders{}; });
        REQUIRE(list);
        CHECK(list->ShortDebugString() == whole);
    }
}

TEST_CASE("one pin is found by the number of any of its calls")
{
    std::vector<PinView> pins = apart(3);
    pins.push_back(file_pin(10, 500, 16));
    pins.push_back(file_pin(11, 516, 16));
    CHECK(get(pins, 2).pin().id() == 2);
    CHECK(get(pins, 2).pin().stack_size() == 2);
    CHECK(get(pins, 2).trust().ledger_certain());
    for (const PinId id : {10U, 11U}) {
        CHECK(get(pins, id).pin().id() == 10);
        CHECK(get(pins, id).pin().calls() == 2);
    }
    v1::GetPinRequest request;
    request.set_id(4);
    const auto none = get_pin(request, source_of(pins), [](const auto& /*kinds*/) { return Holders{}; });
    REQUIRE_FALSE(none);
    CHECK(none.error().code == ENOENT);
    CHECK_THAT(none.error().message, Catch::StartsWith("there is no pin 4"));
}

TEST_CASE("who may hold an orphan is shown with it")
{
    PinView orphan = file_pin(1, 0, 1);
    orphan.pin.owner_exited = true;
    orphan.pin.scope.kind = PW_SCOPE_RDMA_REGION;
    v1::GetPinRequest request;
    request.set_id(1);
    request.set_include_holders(true);
    const auto pin = get_pin(request, source_of({orphan}), [](const std::set<pw_scope_kind>& kinds) {
        CHECK(kinds == std::set{PW_SCOPE_RDMA_REGION});
        Holders holders;
        holders.by_kind[PW_SCOPE_RDMA_REGION] = {{.pid = 9, .comm = "heir", .uid = 0, .file = "/dev/x"}};
        return holders;
    });
    REQUIRE(pin);
    REQUIRE(pin->pin().may_be_held_by_size() == 1);
    CHECK(pin->pin().may_be_held_by(0).pid() == 9);
    CHECK(pin->holders_complete());
}

TEST_CASE("pins that were not seen being made are counted apart")
{
    std::vector<PinView> pins = apart(3);
    pins[1].pin.function = PW_ADOPTED;
    pins[2].pin.function = PW_ADOPTED_FOLIO;
    CHECK(listed(pins).trust().adopted_pins() == 2);
}

TEST_CASE("a list that makes no sense is refused with the field and what is wrong")
{
    v1::ListPinsRequest request;
    SECTION("token of another filter")
    {
        request.set_page_size(1);
        request.set_page_token(listed(apart(2), request).next_page_token());
        REQUIRE_FALSE(request.page_token().empty());
        request.mutable_filter()->add_pids(1);
        CHECK_THAT(refusal(request), Catch::StartsWith("page_token: is not one that was given for this filter"));
    }
    SECTION("token of another order")
    {
        request.set_page_size(1);
        request.set_page_token(listed(apart(2), request).next_page_token());
        request.set_order(v1::PIN_ORDER_NEWEST);
        CHECK_THAT(refusal(request), Catch::StartsWith("page_token: "));
    }
    SECTION("no token")
    {
        for (const std::string& token :
             std::vector<std::string>{"x", std::string(48, 'g'), std::string(48, '0'), std::string(100'000, '0')}) {
            request.set_page_token(token);
            CHECK_THAT(refusal(request), Catch::StartsWith("page_token: "));
        }
    }
    SECTION("order")
    {
        request.set_order(static_cast<v1::PinOrder>(99));
        CHECK(refusal(request) == "order: 99 is none");
    }
    SECTION("path")
    {
        request.mutable_filter()->add_path_prefixes("/mnt");
        request.mutable_filter()->add_path_prefixes("mnt");
        CHECK(refusal(request) == "filter.path_prefixes[1]: \"mnt\" is no absolute path, such as /mnt/data");
    }
    SECTION("inode")
    {
        request.mutable_filter()->add_inodes("8:17");
        CHECK_THAT(refusal(request), Catch::StartsWith("filter.inodes[0]: \"8:17\" is no inode"));
    }
    SECTION("backing")
    {
        request.mutable_filter()->add_backings("paper");
        CHECK_THAT(refusal(request), Catch::StartsWith("filter.backings[0]: \"paper\" is none"));
    }
    SECTION("empty name")
    {
        request.mutable_filter()->add_comms("");
        CHECK(refusal(request) == "filter.comms[0]: is empty");
    }
    SECTION("age")
    {
        request.mutable_filter()->mutable_min_age()->set_seconds(-1);
        CHECK(refusal(request) == "filter.min_age: is less than nothing");
    }
    SECTION("too many")
    {
        for (int i = 0; i < 257; ++i) {
            request.mutable_filter()->add_pids(1);
        }
        CHECK(refusal(request) == "filter.pids: has 257 entries, the most is 256");
    }
}
