// What leaves the daemon in a recording: no address of the kernel, and everything else as it was.
#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "recording/scrubber.h"
#include "support/records.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

struct Scrubbed {
    std::map<std::uint64_t, std::uint64_t> code;  // number → address
    std::vector<std::uint64_t> cgroups;
    RecordScrubber scrubber{kGeometry, [this](std::uint64_t number, std::uint64_t address) { code[number] = address; },
                            [this](std::uint64_t id) { cgroups.push_back(id); }};
    std::vector<std::byte> bytes = {};

    template <typename T>
    T of(const Bytes& record)
    {
        bytes.clear();
        REQUIRE(scrubber.append(record, bytes));
        T raw{};
        std::memcpy(&raw, bytes.data(), std::min(sizeof(raw), bytes.size()));
        CHECK(raw.header.bytes == bytes.size());
        return raw;
    }
};

// Whatever lies where kernels have themselves: the upper half of all addresses.
bool has_kernel_address(const std::vector<std::byte>& bytes)
{
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data() + at, sizeof(value));
        if (value >= 0xffff'8000'0000'0000 && value < 0xffff'ffff'ffff'f000) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("a pin's code and address space become numbers, the same for the same")
{
    Scrubbed scrubbed;
    const pw_pin raw = raw_pin();
    const auto pin = scrubbed.of<pw_pin>(bytes_of(raw));
    CHECK_FALSE(has_kernel_address(scrubbed.bytes));
    CHECK(pin.mm == 1);
    CHECK(pin.stack[0] == 1);
    CHECK(pin.stack[1] == 2);
    CHECK(pin.stack[2] == 0);  // what was left there from before
    CHECK(scrubbed.code == std::map<std::uint64_t, std::uint64_t>{{1, raw.stack[0]}, {2, raw.stack[1]}});
    CHECK(scrubbed.cgroups == std::vector<std::uint64_t>{raw.owner.cgroup});
    CHECK(pin.address == raw.address);
    CHECK(pin.pin == raw.pin);
    CHECK(std::memcmp(&pin.owner, &raw.owner, sizeof(raw.owner)) == 0);

    pw_pin other = raw;
    other.mm += 0x1000;
    other.stack[0] = raw.stack[1];
    const auto second = scrubbed.of<pw_pin>(bytes_of(other));
    CHECK(second.mm == 2);
    CHECK(second.stack[0] == 2);
    CHECK(scrubbed.code.size() == 2);
    CHECK(scrubbed.cgroups.size() == 1);
    CHECK(scrubbed.of<pw_pin>(bytes_of(raw)).mm == 1);
}

TEST_CASE("pages are counted from the first one, and decode to the same")
{
    Scrubbed scrubbed;
    scrubbed.of<pw_pages>(pages_record(5, 0, page_addresses({7, 8, 900})));
    CHECK_FALSE(has_kernel_address(scrubbed.bytes));
    const auto event = Decoder(scrubbed_geometry(kGeometry.struct_page_bytes)).decode(scrubbed.bytes);
    REQUIRE(event);
    CHECK(std::get<PagesEvent>(*event).runs == std::vector<PageRun>{{7, 2}, {900, 1}});

    scrubbed.of<pw_release>(bytes_of(raw_release(12, 3)));
    CHECK_FALSE(has_kernel_address(scrubbed.bytes));
    const auto release = Decoder(scrubbed_geometry(kGeometry.struct_page_bytes)).decode(scrubbed.bytes);
    REQUIRE(release);
    CHECK(std::get<ReleaseEvent>(*release).runs == std::vector<PageRun>{{12, 3}});
}

TEST_CASE("a notifier's own address and that of its listener's code are hidden")
{
    Scrubbed scrubbed;
    pw_notifier raw{};
    raw.header = {PW_KIND_NOTIFIER, sizeof(raw), 1};
    raw.notifier = 0xffff888012345600;
    raw.callback = 0xffffffffc0123450;
    raw.mm = 0xffff888000001000;
    raw.kind = PW_NOTIFIER_SPACE;
    raw.owner = raw_task();
    const auto notifier = scrubbed.of<pw_notifier>(bytes_of(raw));
    CHECK_FALSE(has_kernel_address(scrubbed.bytes));
    CHECK(scrubbed.code.at(notifier.callback) == raw.callback);
    CHECK(notifier.notifier != notifier.mm);
}

TEST_CASE("a record that is not understood is not recorded")
{
    Scrubbed scrubbed;
    std::vector<std::byte> out(3);
    Bytes strange = bytes_of(raw_pin());
    strange[0] = std::byte{99};
    const auto refused = scrubbed.scrubber.append(strange, out);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("kind 99") != std::string::npos);
    CHECK(scrubbed.scrubber.append(Bytes(7), out).error().message.find("7 bytes") != std::string::npos);
    CHECK(out.size() == 3);
}

TEST_CASE("records that are cut, or claim to have more than they have, are scrubbed as far as they go")
{
    Scrubbed scrubbed;
    const Bytes whole = bytes_of(raw_pin());
    for (std::size_t length = sizeof(pw_header); length < whole.size(); ++length) {
        scrubbed.bytes.clear();
        REQUIRE(scrubbed.scrubber.append(std::span(whole).first(length), scrubbed.bytes));
        CHECK(scrubbed.bytes.size() == length);
    }
    Bytes claims = pages_record(5, 0, page_addresses({7, 8}));
    const std::uint32_t many = 1'000'000;
    std::memcpy(claims.data() + offsetof(pw_pages, count), &many, sizeof(many));
    scrubbed.bytes.clear();
    REQUIRE(scrubbed.scrubber.append(claims, scrubbed.bytes));
    CHECK(scrubbed.bytes.size() == claims.size());
    CHECK_FALSE(has_kernel_address(scrubbed.bytes));
}
