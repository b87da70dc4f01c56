// Records that are refused.
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "support/decoding.h"

using namespace pinwarden;
using namespace pinwarden::test;
using namespace std::string_view_literals;

TEST_CASE("every prefix of a valid record is refused, and so is one byte more", "[decoder]")
{
    for (const Bytes& record : one_of_each()) {
        REQUIRE(refusal(record) == "accepted");
        for (std::size_t length = 0; length < record.size(); ++length) {
            const Bytes prefix(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(length));
            CHECK(refusal(prefix) != "accepted");
        }
        Bytes relabelled = record;
        const auto claimed = static_cast<std::uint32_t>(record.size() + 1);
        std::memcpy(relabelled.data() + offsetof(pw_header, bytes), &claimed, sizeof(claimed));
        relabelled.push_back(std::byte{0});
        CHECK(refusal(relabelled) != "accepted");
    }
}

TEST_CASE("fields out of range are refused and named", "[decoder]")
{
    using Catch::Matchers::Contains;
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.header.kind = 0; }), Contains("kind 0"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.header.kind = 99; }), Contains("kind 99"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.pin = 0; }), Contains("pin 0"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.function = 16; }), Contains("function"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.flags = 16; }), Contains("flags"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.stack_depth = 25; }), Contains("stack_depth"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.pinned_pages = ~0ULL; }), Contains("pinned_pages"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.error = 14; }), Contains("errno"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.error = INT32_MIN; }), Contains("errno"));
    CHECK_THAT(refusal_of(raw_pin(), [](auto& raw) { raw.scope_kind = PW_SCOPE_KINDS; }), Contains("scope_kind"));
    CHECK_THAT(refusal_of(raw_release(1, 1), [](auto& raw) { raw.scope_kind = ~0U; }), Contains("scope_kind"));
    CHECK_THAT(refusal_of(raw_release(1, 1), [](auto& raw) { raw.flags = 2; }), Contains("flags"));
    CHECK_THAT(refusal_of(raw_release_object(), [](auto& raw) { raw.scope = 0; }), Contains("scope"));
    CHECK_THAT(refusal_of(raw_release_object(), [](auto& raw) { raw.scope_kind = 0; }), Contains("scope_kind"));
    CHECK_THAT(refusal_of(raw_release_object(), [](auto& raw) { raw.scope_kind = 99; }), Contains("scope_kind"));
    CHECK_THAT(refusal_of(raw_release(1, 1, 4), [](auto& raw) { raw.offset = 4; }), Contains("offset"));
    CHECK_THAT(refusal_of(raw_range(), [](auto& raw) { raw.pin = 0; }), Contains("pin"));
    CHECK_THAT(refusal_of(raw_range(), [](auto& raw) { raw.pages = 0; }), Contains("pages"));
    CHECK_THAT(refusal_of(raw_range(), [](auto& raw) { raw.pages = ~0ULL; }), Contains("pages"));
    CHECK_THAT(refusal_of(raw_range(), [](auto& raw) { raw.page_index = ~0ULL; }), Contains("page_index"));
    CHECK_THAT(refusal_of(raw_release(1, 1), [](auto& raw) { raw.function = 16; }), Contains("function"));
    CHECK_THAT(refusal_of(raw_release(1, 1), [](auto& raw) { raw.count = ~0ULL; }), Contains("count"));
    CHECK_THAT(refusal_of(raw_release(1, 1), [](auto& raw) { raw.span = ~0U; }), Contains("span"));
    CHECK_THAT(refusal_of(raw_operation(), [](auto& raw) { raw.operation = 0; }), Contains("operation 0"));
    CHECK_THAT(refusal_of(raw_operation(), [](auto& raw) { raw.verdict = PW_VERDICTS; }), Contains("verdict"));
    CHECK_THAT(refusal_of(raw_operation(), [](auto& raw) { raw.policy = 65; }), Contains("policy"));
    CHECK_THAT(refusal_of(raw_operation(), [](auto& raw) { raw.error = 1; }), Contains("errno"));
    const auto refused = [](auto change) { return refusal_of(raw_invalidation(), change); };
    CHECK_THAT(refused([](auto& raw) { raw.operation = 0; }), Contains("operation 0"));
    CHECK_THAT(refused([](auto& raw) { raw.operation = PW_INVALIDATION_KINDS; }), Contains("operation"));
    CHECK_THAT(refused([](auto& raw) { raw.space = 0; }), Contains("space 0"));
    CHECK_THAT(refused([](auto& raw) { raw.end = raw.address - 4096; }), Contains("(address)"));
    CHECK_THAT(refused([](auto& raw) { raw.address += 1; }), Contains("(address)"));
    CHECK_THAT(refused([](auto& raw) { raw.moved_bytes = ~0ULL; }), Contains("(moved_to)"));
    CHECK_THAT(refused([](auto& raw) { raw.moved_bytes = 0x5000; }), Contains("moved_bytes"));
    CHECK_THAT(refused([](auto& raw) { raw.replaced = 4096; }), Contains("(replaced)"));
    CHECK_THAT(refusal(file_record("x\0data"sv)), Contains("not closed"));
    CHECK_THAT(refusal(file_record("x\0"sv, 4)), Contains("flags"));
    CHECK_THAT(refusal_of(raw_rename(), [](auto& raw) { raw.flags = 32; }), Contains("rename record: flags"));
    CHECK_THAT(refusal_of(raw_rename(), [](auto& raw) { raw.path_bytes = 2049; }), Contains("path_bytes"));
    CHECK_THAT(refusal_of(raw_rename(), [](auto& raw) { raw.new_path_bytes = 1; }), Contains("not closed"));
    CHECK_THAT(refusal_of(raw_user_stack(), [](auto& raw) { raw.depth = PW_USER_FRAMES + 1; }), Contains("depth 33"));
    CHECK_THAT(refusal_of(raw_user_stack(), [](auto& raw) { raw.pin = 0; }), Contains("user_stack record: pin 0"));
    CHECK_THAT(refusal(owner_record("x\0bin"sv)), Contains("owner record: a path whose last component"));
    CHECK_THAT(refusal(owner_record("x\0"sv, 4)), Contains("owner record: flags"));
}

TEST_CASE("a count that does not fit its record is refused", "[decoder]")
{
    for (const std::uint32_t count : {2U, 4U, 513U, 0xffffffffU, 0x20000003U}) {
        auto pages = pages_record(5, 0, page_addresses({10, 11, 12}));
        std::memcpy(pages.data() + offsetof(pw_pages, count), &count, sizeof(count));
        CHECK(refusal(pages) != "accepted");
        auto release = release_pages_record(page_addresses({10, 11, 12}));
        std::memcpy(release.data() + offsetof(pw_release_pages, count), &count, sizeof(count));
        CHECK(refusal(release) != "accepted");
        auto file = file_record("x\0data\0"sv);
        const std::uint32_t path_bytes = count == 2 ? 2049U : count;
        std::memcpy(file.data() + offsetof(pw_file, path_bytes), &path_bytes, sizeof(path_bytes));
        CHECK(refusal(file) != "accepted");
    }
}

TEST_CASE("addresses that are no struct page are refused, and not shown", "[decoder]")
{
    using Catch::Matchers::Contains;
    const std::uint64_t base = kGeometry.vmemmap_base;
    for (const std::uint64_t page :
         std::vector<std::uint64_t>{0, base - 64, base + 1, page_address(1ULL << 40U), ~0ULL}) {
        auto release = raw_release(0, 1);
        release.page = page;
        for (const std::string& message : {refusal(pages_record(5, 0, {page_address(1), page})),
                                           refusal(release_pages_record({page})), refusal(bytes_of(release))}) {
            CHECK_THAT(message, Contains("a page that"));
            CHECK((page == 0 || message.find(std::to_string(page)) == std::string::npos));
        }
    }
    CHECK_FALSE(Decoder(PageGeometry{0, 0}).decode(bytes_of(raw_release(0, 1))).has_value());
}

TEST_CASE("a run ends where the memory map does", "[decoder]")
{
    using Catch::Matchers::Contains;
    constexpr std::uint64_t kBytes = 64;
    constexpr std::uint64_t kLast = kBytes * ((1ULL << 40U) - 1);
    const Decoder low(PageGeometry{0, kBytes});
    const auto pages = low.decode(pages_record(5, 0, {kLast - kBytes, kLast}));
    REQUIRE(pages.has_value());
    CHECK(std::get<PagesEvent>(*pages).runs == std::vector<PageRun>{{(1ULL << 40U) - 2, 2}});
    const auto beyond = low.decode(pages_record(5, 0, {kLast - kBytes, kLast, kLast + kBytes}));
    REQUIRE_FALSE(beyond.has_value());
    CHECK_THAT(beyond.error().message, Contains("beyond the memory map"));
    // Where the map ends with the address space, nothing goes on at its beginning.
    CHECK_THAT(refusal(pages_record(5, 0, {~0ULL - (kBytes - 1), 0})), Contains("before the memory map"));
}

TEST_CASE("random bytes never crash the decoder", "[decoder]")
{
    std::mt19937_64 random(1);
    const auto kinds = one_of_each();
    for (int round = 0; round < 20'000; ++round) {
        Bytes record = kinds[random() % kinds.size()];
        if (round % 3 == 0) {
            record.resize(random() % 300);
        }
        for (auto flips = random() % 6; flips > 0 && !record.empty(); --flips) {
            record[random() % record.size()] = static_cast<std::byte>(random());
        }
        const auto event = kDecoder.decode(record);
        CHECK((event.has_value() || !event.error().message.empty()));
    }
}
