// Pins and releases: what names pages.
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "decode/record.h"

namespace pinwarden {
namespace {

// Physical addresses have at most 52 bits on x86-64 and arm64, which leaves 40 for the page number.
constexpr std::uint64_t kPageNumberLimit = 1ULL << 40U;
// More than any one call can release: lengths of scatter entries and of pinned buffers are 32-bit byte or int page
// counts.
constexpr std::uint64_t kRunLimit = 1ULL << 31U;
// Positions within a pin travel as 32 bits (pw_pages.first), so no pin is longer.
constexpr std::uint64_t kPinLimit = 1ULL << 32U;
// A file's size is a signed 64-bit number of bytes.
constexpr std::uint64_t kFilePageLimit = 1ULL << (63U - PW_PAGE_SHIFT);

constexpr std::uint32_t kPinFlags = PW_PIN_LONGTERM | PW_PIN_WRITE | PW_PIN_REMOTE | PW_PIN_MORE;
constexpr std::uint32_t kReleaseFlags = PW_RELEASE_MAKING;

Result<PageNumber> page_number(const PageGeometry& geometry, std::uint64_t page)
{
    // The address itself stays out of the message: kernel addresses do not leave the daemon.
    if (geometry.struct_page_bytes == 0 || page < geometry.vmemmap_base) {
        return fail("a page that lies before the memory map");
    }
    const std::uint64_t offset = page - geometry.vmemmap_base;
    if (offset % geometry.struct_page_bytes != 0) {
        return fail("a page that is not the start of a struct page");
    }
    const PageNumber number = offset / geometry.struct_page_bytes;
    if (number >= kPageNumberLimit) {
        return fail("a page that lies beyond the memory map");
    }
    return number;
}

// How many pages at the start of the list go on with a run, of which `next` would be the next page; at most `limit`.
std::size_t going_on(const PageGeometry& geometry, Record list, std::uint64_t next, std::uint64_t limit)
{
    const std::size_t most = std::min<std::size_t>(list.size() / sizeof(std::uint64_t), limit);
    std::size_t count = 0;
    for (; count < most; ++count, next += geometry.struct_page_bytes) {
        std::uint64_t page = 0;
        std::memcpy(&page, list.data() + count * sizeof(page), sizeof(page));
        // What lies before the memory map has gone round the end of all addresses.
        if (page != next || page < geometry.vmemmap_base) {
            break;
        }
    }
    return count;
}

Result<std::vector<PageRun>> page_runs(const PageGeometry& geometry, Record list)
{
    std::vector<PageRun> runs;
    while (!list.empty()) {
        std::uint64_t page = 0;
        std::memcpy(&page, list.data(), sizeof(page));
        const auto number = page_number(geometry, page);
        if (!number) {
            return std::unexpected(number.error());
        }
        if (runs.size() == 1) {
            runs.reserve(1 + list.size() / sizeof(page));
        }
        list = list.subspan(sizeof(page));
        // What is a number plus one is known without the division, which is most of what a page of a long run costs.
        const std::size_t more =
            going_on(geometry, list, page + geometry.struct_page_bytes, kPageNumberLimit - *number - 1);
        runs.push_back({*number, 1 + more});
        list = list.subspan(more * sizeof(page));
    }
    return runs;
}

// Of both kinds of releases: for which object.
template <typename T>
Result<void> check_releaser(std::string_view kind, const T& raw)
{
    if (raw.scope_kind >= PW_SCOPE_KINDS) {
        return out_of_range(kind, "scope_kind", raw.scope_kind);
    }
    if ((raw.flags & ~kReleaseFlags) != 0) {
        return out_of_range(kind, "flags", raw.flags);
    }
    return {};
}

// All but the pages.
template <typename T>
ReleaseEvent released_by(const T& raw)
{
    ReleaseEvent event;
    event.time = raw.header.time;
    event.mm = raw.mm;
    event.pid = raw.pid;
    event.tid = raw.tid;
    event.function = static_cast<pw_function>(raw.function);
    event.scope = {static_cast<pw_scope_kind>(raw.scope_kind), raw.scope};
    event.making = (raw.flags & PW_RELEASE_MAKING) != 0;
    return event;
}

// A record that ends with a list of pages: what comes before it, and the list.
template <typename T>
Result<std::pair<T, Record>> read_listing(std::string_view kind, Record record)
{
    constexpr std::size_t kHead = offsetof(T, page);
    const auto head = read<T>(record.first(std::min(kHead, record.size())));
    if (head.count > PW_PAGES_PER_CHUNK) {
        return out_of_range(kind, "count", head.count);
    }
    const std::size_t list = head.count * sizeof(std::uint64_t);
    if (auto checked = check_variable(kind, record, head.header.bytes, kHead + list); !checked) {
        return std::unexpected(checked.error());
    }
    return std::pair(head, record.subspan(kHead, list));
}

}  // namespace

Result<Event> decode_pin(Record record)
{
    const auto raw = read<pw_pin>(record);
    if (auto checked = check_fixed("pin", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.pin == 0) {
        return out_of_range("pin", "pin", raw.pin);
    }
    if (raw.function > PW_ADOPTED_FOLIO) {
        return out_of_range("pin", "function", raw.function);
    }
    if (raw.scope_kind >= PW_SCOPE_KINDS) {
        return out_of_range("pin", "scope_kind", raw.scope_kind);
    }
    if ((raw.flags & ~kPinFlags) != 0) {
        return out_of_range("pin", "flags", raw.flags);
    }
    if (raw.stack_depth > PW_STACK_FRAMES) {
        return out_of_range("pin", "stack_depth", raw.stack_depth);
    }
    if (raw.pinned_pages > kPinLimit) {
        return out_of_range("pin", "pinned_pages", raw.pinned_pages);
    }
    if (!valid_error(raw.error)) {
        return wrong("pin", "error " + std::to_string(raw.error) + " is no negative errno");
    }
    PinEvent event;
    event.time = raw.header.time;
    event.pin = raw.pin;
    event.address = raw.address;
    event.mm = raw.mm;
    event.space = raw.space;
    event.requested_pages = raw.requested_pages;
    event.pinned_pages = raw.error == 0 ? raw.pinned_pages : 0;
    event.error = -raw.error;
    event.function = static_cast<pw_function>(raw.function);
    event.long_term = (raw.flags & PW_PIN_LONGTERM) != 0;
    event.writable = (raw.flags & PW_PIN_WRITE) != 0;
    event.remote = (raw.flags & PW_PIN_REMOTE) != 0;
    event.more = (raw.flags & PW_PIN_MORE) != 0;
    event.scope = {static_cast<pw_scope_kind>(raw.scope_kind), raw.scope};
    event.owner = task(raw.owner);
    event.stack.assign(raw.stack, raw.stack + raw.stack_depth);
    return event;
}

Result<Event> decode_user_stack(Record record)
{
    const auto raw = read<pw_user_stack>(record);
    if (auto checked = check_fixed("user_stack", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.pin == 0) {
        return out_of_range("user_stack", "pin", raw.pin);
    }
    if (raw.depth > PW_USER_FRAMES) {
        return out_of_range("user_stack", "depth", raw.depth);
    }
    UserStackEvent event{.pin = raw.pin, .frames = {}};
    for (const pw_user_frame& frame : std::span(raw.frame).first(raw.depth)) {
        if (frame.status != PW_USER_FRAME_IN_FILE && frame.status != PW_USER_FRAME_ADDRESS) {
            break;
        }
        UserFrame& added = event.frames.emplace_back();
        added.in_file = frame.status == PW_USER_FRAME_IN_FILE;
        if (added.in_file) {
            std::ranges::copy(frame.build_id, added.build_id.begin());
        }
        added.place = frame.place;
    }
    return event;
}

Result<Event> decode_range(Record record)
{
    const auto raw = read<pw_range>(record);
    if (auto checked = check_fixed("range", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.pin == 0) {
        return out_of_range("range", "pin", raw.pin);
    }
    if (raw.pages == 0 || raw.pages > kFilePageLimit) {
        return out_of_range("range", "pages", raw.pages);
    }
    if (raw.page_index > kFilePageLimit) {
        return out_of_range("range", "page_index", raw.page_index);
    }
    return RangeEvent{raw.header.time, raw.pin,      raw.address,       raw.page_index,
                      raw.pages,       raw.sequence, file_key(raw.file)};
}

Result<Event> decode_pages(const PageGeometry& geometry, Record record)
{
    const auto listing = read_listing<pw_pages>("pages", record);
    if (!listing) {
        return std::unexpected(listing.error());
    }
    const auto& [raw, list] = *listing;
    if (raw.pin == 0) {
        return out_of_range("pages", "pin", raw.pin);
    }
    auto runs = page_runs(geometry, list);
    if (!runs) {
        return std::unexpected(runs.error().within("pages record"));
    }
    return PagesEvent{raw.header.time, raw.pin, raw.first, std::move(*runs)};
}

Result<Event> decode_release(const PageGeometry& geometry, Record record)
{
    const auto raw = read<pw_release>(record);
    if (auto checked = check_fixed("release", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.function > PW_UNPIN_FOLIOS) {
        return out_of_range("release", "function", raw.function);
    }
    if (raw.count > kRunLimit) {
        return out_of_range("release", "count", raw.count);
    }
    if (raw.span > kRunLimit) {
        return out_of_range("release", "span", raw.span);
    }
    const auto first = page_number(geometry, raw.page);
    if (!first) {
        return std::unexpected(first.error().within("release record"));
    }
    if (auto checked = check_releaser("release", raw); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.span > 0 && raw.offset != PW_ANY_PAGE && raw.offset >= raw.span) {
        return out_of_range("release", "offset", raw.offset);
    }
    ReleaseEvent event = released_by(raw);
    event.span = raw.span;
    if (raw.span > 0 && raw.offset != PW_ANY_PAGE) {
        event.named = *first + raw.offset;
    }
    if (raw.count > 0) {
        event.runs.push_back({*first, raw.count});
    }
    return event;
}

Result<Event> decode_release_pages(const PageGeometry& geometry, Record record)
{
    const auto listing = read_listing<pw_release_pages>("release_pages", record);
    if (!listing) {
        return std::unexpected(listing.error());
    }
    const auto& [raw, list] = *listing;
    if (raw.function > PW_UNPIN_FOLIOS) {
        return out_of_range("release_pages", "function", raw.function);
    }
    if (auto checked = check_releaser("release_pages", raw); !checked) {
        return std::unexpected(checked.error());
    }
    auto runs = page_runs(geometry, list);
    if (!runs) {
        return std::unexpected(runs.error().within("release_pages record"));
    }
    ReleaseEvent event = released_by(raw);
    event.runs = std::move(*runs);
    return event;
}

Result<Event> decode_release_object(Record record)
{
    const auto raw = read<pw_release_object>(record);
    if (auto checked = check_fixed("release_object", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.scope_kind == PW_SCOPE_NONE || raw.scope_kind >= PW_SCOPE_KINDS) {
        return out_of_range("release_object", "scope_kind", raw.scope_kind);
    }
    if (raw.scope == 0) {
        return out_of_range("release_object", "scope", raw.scope);
    }
    ReleaseEvent event;
    event.time = raw.header.time;
    event.mm = raw.mm;
    event.pid = raw.pid;
    event.tid = raw.tid;
    event.scope = {static_cast<pw_scope_kind>(raw.scope_kind), raw.scope};
    event.whole = true;
    return event;
}

}  // namespace pinwarden
