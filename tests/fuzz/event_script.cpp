#include "fuzz/event_script.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace pinwarden::fuzz {
namespace {

using namespace std::string_view_literals;
using test::Bytes;

// Pages that pins share, in four blocks of the index.
constexpr std::uint64_t kPagesInPlay = 256;
constexpr std::uint64_t kLastPage = (1ULL << 38U) - 1;  // that has a struct page address above the memory map
constexpr std::uint64_t kLongestPin = 1ULL << 32U;
constexpr std::uint32_t kLongestRun = 1U << 31U;
constexpr std::uint64_t kLongestFile = 1ULL << 51U;

}  // namespace

std::uint8_t EventScript::byte()
{
    if (bytes_.empty()) {
        return 0;
    }
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
}

Bytes EventScript::record()
{
    ++time_;
    switch (below(17)) {
        case 0:
        case 1:
        case 2: return pin();
        case 3:
        case 4: return range();
        case 5:
        case 6:
        case 7:
        case 8: return pages();
        case 9:
        case 10: return release();
        case 11: return release_object();
        case 12:
        case 13: return release_pages();
        case 14: return file();
        case 15: return user_stack();
        default: return exit();
    }
}

pw_task EventScript::owner()
{
    return test::raw_task(static_cast<std::uint32_t>(below(4)));
}

pw_file_key EventScript::file_key()
{
    return {1 + below(3), 8U << 20U | 1U, 9};
}

std::uint64_t EventScript::known_pin()
{
    // Records of a pin may come before any was announced.
    return last_pin_ == 0 ? 1 : last_pin_ - std::min<std::uint64_t>(last_pin_ - 1, below(8));
}

Bytes EventScript::pin()
{
    constexpr std::array kFunctions = {
        PW_PIN_USER_PAGES_FAST, PW_PIN_USER_PAGES_FAST, PW_PIN_USER_PAGES_REMOTE, PW_MEMFD_PIN_FOLIOS, PW_ADOPTED,
        PW_ADOPTED_FOLIO};
    pw_pin raw = test::raw_pin();
    raw.header.time = time_;
    raw.pin = mostly(last_pin_ + 1, std::max<std::uint64_t>(last_pin_, 1));
    raw.address = test::kAddress;
    raw.mm = below(3);
    raw.pinned_pages = mostly(below(40), kLongestPin);
    raw.requested_pages = mostly(1ULL << below(7), ~0ULL);
    raw.function = kFunctions.at(below(kFunctions.size()));
    raw.flags = static_cast<__u32>(below(8));
    raw.error = byte() % 32 == 31 ? -14 : 0;
    raw.scope_kind = below(2) == 0 ? 0U : static_cast<__u32>(below(PW_SCOPE_KINDS));
    raw.scope = below(4);
    raw.owner = owner();
    last_pin_ = std::max<std::uint64_t>(last_pin_, raw.pin);
    announced_.try_emplace(raw.pin, Announced{raw.pinned_pages, 0});
    return test::bytes_of(raw);
}

Bytes EventScript::range()
{
    pw_range raw = test::raw_range();
    raw.header.time = time_;
    raw.pin = known_pin();
    raw.address = test::kAddress + (below(100) << PW_PAGE_SHIFT);
    raw.page_index = mostly(below(100), kLongestFile);
    raw.pages = mostly(1 + below(100), kLongestFile);
    raw.file = file_key();
    std::uint64_t& sequence = sequences_[raw.file.inode];
    sequence = std::max<std::uint64_t>(1, sequence + mostly(1, 3));
    raw.sequence = mostly(sequence, 0);
    return test::bytes_of(raw);
}

Bytes EventScript::pages()
{
    const std::uint64_t id = known_pin();
    Announced& pin = announced_[id];
    const std::uint64_t left = pin.pages > pin.listed ? pin.pages - pin.listed : 0;
    // All that is left as a rule, as one run or scattered. Longer lists would only make it slower.
    const std::uint64_t count = std::min<std::uint64_t>(byte() % 8 == 7 ? below(100) : left, 64);
    constexpr std::array kStrides = {1U, 1U, 1U, 1U, 2U, 3U, 64U, 0U};
    const std::uint64_t stride = kStrides.at(below(kStrides.size()));
    PageNumber page = mostly(below(kPagesInPlay), kLastPage);
    std::vector<std::uint64_t> addresses;
    for (std::uint64_t i = 0; i < count; ++i) {
        addresses.push_back(test::page_address(std::min(page, kLastPage)));
        page = (page + stride) % kPagesInPlay;
    }
    const std::uint64_t first = pin.listed + mostly(0, below(20));
    pin.listed = first + count;
    return test::pages_record(id, static_cast<std::uint32_t>(first), addresses);
}

Bytes EventScript::release()
{
    pw_release raw = test::raw_release(mostly(below(kPagesInPlay), kLastPage), mostly(below(130), kLongestRun));
    raw.header.time = time_;
    raw.mm = below(3);
    raw.span = below(2) == 0 ? 0U : static_cast<__u32>(mostly(1ULL << below(8), kLongestRun));
    raw.scope_kind = below(2) == 0 ? 0U : static_cast<__u32>(below(PW_SCOPE_KINDS));
    raw.scope = below(4);
    return test::bytes_of(raw);
}

Bytes EventScript::release_object()
{
    pw_release_object raw = test::raw_release_object();
    raw.header.time = time_;
    raw.mm = below(3);
    raw.scope_kind = static_cast<__u32>(1 + below(PW_SCOPE_KINDS - 1));
    raw.scope = 1 + below(3);
    return test::bytes_of(raw);
}

Bytes EventScript::user_stack()
{
    pw_user_stack raw = test::raw_user_stack(known_pin());
    raw.depth = static_cast<__u32>(below(3));
    raw.frame[0].place = below(2);
    return test::bytes_of(raw);
}

Bytes EventScript::release_pages()
{
    std::vector<std::uint64_t> addresses;
    PageNumber page = below(kPagesInPlay);
    const std::uint64_t stride = below(3);
    for (std::uint64_t count = below(70); count > 0; --count) {
        addresses.push_back(test::page_address(page));
        page = (page + stride) % kPagesInPlay;
    }
    return test::release_pages_record(addresses);
}

Bytes EventScript::file()
{
    constexpr std::array kPaths = {"x\0data\0"sv, "memfd:ring\0"sv, ""sv};
    Bytes record = test::file_record(kPaths.at(below(kPaths.size())), static_cast<std::uint32_t>(below(4)),
                                     below(2) == 0 ? "ext4" : "hugetlbfs");
    const pw_file_key key = file_key();
    std::memcpy(record.data() + offsetof(pw_file, file), &key, sizeof(key));
    return record;
}

Bytes EventScript::exit()
{
    pw_exit raw = test::raw_exit();
    const pw_task task = owner();
    raw.pid = task.pid;
    raw.start_time = task.start_time;
    return test::bytes_of(raw);
}

}  // namespace pinwarden::fuzz
