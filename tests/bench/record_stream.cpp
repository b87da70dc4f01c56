#include "bench/record_stream.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "support/records.h"

namespace pinwarden::bench {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kFiles = 16;
constexpr std::uint64_t kPinsForEachOfAFile = 64;
constexpr std::uint64_t kPinsForEachOperation = 256;

pw_file_key file_of(std::uint64_t pin)
{
    return {100 + pin / kPinsForEachOfAFile % kFiles, 8U << 20U | 1U, 9};
}

// Each pin has addresses of its own.
std::uint64_t address_of(std::uint64_t pin, const PinShape& shape)
{
    return 0x10000 + (pin * (shape.pin_pages + 1) << PW_PAGE_SHIFT);
}

// As records carry them.
std::vector<std::vector<std::uint64_t>> address_lists(const PinShape& shape, std::span<const PageNumber> runs)
{
    std::vector<std::vector<std::uint64_t>> lists;
    for (const PageNumber first : runs) {
        for (std::uint64_t i = 0; i < shape.run_pages; ++i) {
            if (lists.empty() || lists.back().size() == PW_PAGES_PER_CHUNK) {
                lists.emplace_back();
            }
            lists.back().push_back(test::page_address(first + i));
        }
    }
    return lists;
}

}  // namespace

std::vector<PageNumber> places(const PinShape& shape, std::size_t pins)
{
    std::vector<PageNumber> pages(pins * shape.runs());
    std::iota(pages.begin(), pages.end(), 0);
    if (shape.shuffled) {
        std::shuffle(pages.begin(), pages.end(), std::mt19937_64(1));  // NOLINT(cert-msc51-cpp): the same each time
    }
    const std::uint64_t stride = shape.shuffled ? 2 * shape.run_pages : shape.run_pages;
    std::ranges::transform(pages, pages.begin(), [&](PageNumber slot) { return slot * stride; });
    return pages;
}

void RecordStream::add(std::span<const std::byte> record)
{
    bytes_.insert(bytes_.end(), record.begin(), record.end());
    ends_.push_back(bytes_.size());
}

void RecordStream::clear()
{
    bytes_.clear();
    ends_.clear();
}

std::span<const std::byte> RecordStream::operator[](std::size_t i) const
{
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::span(bytes_).subspan(begin, ends_[i] - begin);
}

void add_names(RecordStream& stream)
{
    stream.add(test::owner_record("job\0bin\0usr\0"sv));
    for (std::uint64_t i = 0; i < kFiles; ++i) {
        test::Bytes record = test::file_record("x\0data\0mnt\0"sv);
        const pw_file_key key = file_of(i * kPinsForEachOfAFile);
        std::memcpy(record.data() + offsetof(pw_file, file), &key, sizeof(key));
        stream.add(record);
    }
}

void add_pin(RecordStream& stream, std::uint64_t pin, const PinShape& shape, std::span<const PageNumber> runs)
{
    pw_pin head = test::raw_pin();
    head.header.time = pin;
    head.pin = pin;
    head.address = address_of(pin, shape);
    head.requested_pages = shape.pin_pages;
    head.pinned_pages = shape.pin_pages;
    head.scope = pin;
    stream.add(test::bytes_of(head));
    if (pin % kPinsForEachOfAFile == 0) {
        pw_range range = test::raw_range();
        range.pin = pin;
        range.address = head.address;
        range.page_index = pin * shape.pin_pages;
        range.pages = shape.pin_pages;
        range.file = file_of(pin);
        range.sequence = pin / kPinsForEachOfAFile / kFiles + 1;
        stream.add(test::bytes_of(range));
    }
    std::uint32_t position = 0;
    for (const auto& list : address_lists(shape, runs)) {
        stream.add(test::pages_record(pin, position, list));
        position += PW_PAGES_PER_CHUNK;
    }
    if (pin % kPinsForEachOperation == 0) {
        pw_operation operation = test::raw_operation();
        operation.file = file_of(pin);
        operation.file_size = (pin + 1) * shape.pin_pages << PW_PAGE_SHIFT;
        operation.offset = pin * shape.pin_pages << PW_PAGE_SHIFT;
        operation.matched = 0;
        operation.policy = 0;
        operation.verdict = PW_VERDICT_ALLOW;
        operation.error = 0;
        operation.unresolved = 0;
        stream.add(test::bytes_of(operation));
    }
}

void add_release(RecordStream& stream, std::uint64_t pin, const PinShape& shape, std::span<const PageNumber> runs,
                 ReleaseBy by)
{
    if (by == ReleaseBy::kRuns) {
        for (const PageNumber first : runs) {
            pw_release release = test::raw_release(first, shape.run_pages);
            release.scope = pin;
            stream.add(test::bytes_of(release));
        }
        return;
    }
    for (const auto& list : address_lists(shape, runs)) {
        test::Bytes record = test::release_pages_record(list);
        std::memcpy(record.data() + offsetof(pw_release_pages, scope), &pin, sizeof(pin));
        const std::uint32_t kind = PW_SCOPE_RDMA_REGION;
        std::memcpy(record.data() + offsetof(pw_release_pages, scope_kind), &kind, sizeof(kind));
        stream.add(record);
    }
}

}  // namespace pinwarden::bench
