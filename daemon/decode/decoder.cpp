#include "decode/decoder.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "decode/paths.h"

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
constexpr int kErrnoLimit = 4095;  // MAX_ERRNO of the kernel

constexpr std::uint32_t kPinFlags = PW_PIN_LONGTERM | PW_PIN_WRITE | PW_PIN_REMOTE;
constexpr std::uint32_t kReleaseFlags = PW_RELEASE_MAKING;
constexpr std::uint32_t kFileFlags = PW_FILE_PATH_CUT | PW_FILE_UNLINKED;
constexpr std::uint32_t kRenameFlags =
    PW_RENAME_DIRECTORY | PW_RENAME_EXCHANGE | PW_RENAME_LOST | PW_RENAME_UNLINKED | PW_RENAME_CUT;

using Record = std::span<const std::byte>;

// A struct of the contract whose tail may be absent from the record: what is there is copied, the rest is zero.
template <typename T>
T read(Record record)
{
    T value{};
    std::memcpy(&value, record.data(), std::min(sizeof(T), record.size()));
    return value;
}

std::string text(const char* begin, std::size_t capacity)
{
    return {begin, strnlen(begin, capacity)};
}

std::unexpected<Error> wrong(std::string_view kind, const std::string& what)
{
    return fail(std::string(kind) + " record: " + what);
}

std::unexpected<Error> out_of_range(std::string_view kind, std::string_view field, std::uint64_t value)
{
    return wrong(kind, std::string(field) + " " + std::to_string(value) + " is out of range");
}

Result<void> check_fixed(std::string_view kind, Record record, std::uint32_t claimed, std::size_t expected)
{
    if (claimed != expected || record.size() != expected) {
        return wrong(kind, std::to_string(record.size()) + " bytes that claim to be " + std::to_string(claimed) +
                               ", expected " + std::to_string(expected));
    }
    return {};
}

// Records with an array are reserved in a few sizes: they may be longer than what is filled, never shorter.
Result<void> check_variable(std::string_view kind, Record record, std::uint32_t claimed, std::size_t expected)
{
    if (claimed != expected || record.size() < expected) {
        return check_fixed(kind, record, claimed, expected);
    }
    return {};
}

Task task(const pw_task& raw)
{
    return {{raw.pid, raw.start_time}, raw.tid, raw.uid, raw.gid, raw.cgroup, text(raw.comm, sizeof(raw.comm))};
}

FileKey file_key(const pw_file_key& raw)
{
    return {raw.inode, raw.device, raw.generation};
}

bool valid_error(std::int32_t error)
{
    return error <= 0 && error >= -kErrnoLimit;
}

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

Result<std::vector<PageRun>> page_runs(const PageGeometry& geometry, Record list)
{
    std::vector<PageRun> runs;
    for (std::size_t at = 0; at < list.size(); at += sizeof(std::uint64_t)) {
        const auto number = page_number(geometry, read<std::uint64_t>(list.subspan(at, sizeof(std::uint64_t))));
        if (!number) {
            return std::unexpected(number.error());
        }
        if (!runs.empty() && runs.back().first + runs.back().count == *number) {
            ++runs.back().count;
        } else {
            runs.push_back({*number, 1});
        }
    }
    return runs;
}

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
    event.scope = {static_cast<pw_scope_kind>(raw.scope_kind), raw.scope};
    event.owner = task(raw.owner);
    event.stack.assign(raw.stack, raw.stack + raw.stack_depth);
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
    constexpr std::size_t kHead = offsetof(pw_pages, page);
    const auto raw = read<pw_pages>(record.first(std::min(kHead, record.size())));
    if (raw.count > PW_PAGES_PER_CHUNK) {
        return out_of_range("pages", "count", raw.count);
    }
    const std::size_t list = raw.count * sizeof(std::uint64_t);
    if (auto checked = check_variable("pages", record, raw.header.bytes, kHead + list); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.pin == 0) {
        return out_of_range("pages", "pin", raw.pin);
    }
    auto runs = page_runs(geometry, record.subspan(kHead, list));
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
    if (raw.scope_kind >= PW_SCOPE_KINDS) {
        return out_of_range("release", "scope_kind", raw.scope_kind);
    }
    if ((raw.flags & ~kReleaseFlags) != 0) {
        return out_of_range("release", "flags", raw.flags);
    }
    if (raw.span > 0 && raw.offset != PW_ANY_PAGE && raw.offset >= raw.span) {
        return out_of_range("release", "offset", raw.offset);
    }
    ReleaseEvent event;
    event.time = raw.header.time;
    event.mm = raw.mm;
    event.pid = raw.pid;
    event.tid = raw.tid;
    event.function = static_cast<pw_function>(raw.function);
    event.scope = {static_cast<pw_scope_kind>(raw.scope_kind), raw.scope};
    event.span = raw.span;
    event.making = (raw.flags & PW_RELEASE_MAKING) != 0;
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
    constexpr std::size_t kHead = offsetof(pw_release_pages, page);
    const auto raw = read<pw_release_pages>(record.first(std::min(kHead, record.size())));
    if (raw.count > PW_PAGES_PER_CHUNK) {
        return out_of_range("release_pages", "count", raw.count);
    }
    const std::size_t list = raw.count * sizeof(std::uint64_t);
    if (auto checked = check_variable("release_pages", record, raw.header.bytes, kHead + list); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.function > PW_UNPIN_FOLIOS) {
        return out_of_range("release_pages", "function", raw.function);
    }
    if (raw.scope_kind >= PW_SCOPE_KINDS) {
        return out_of_range("release_pages", "scope_kind", raw.scope_kind);
    }
    if ((raw.flags & ~kReleaseFlags) != 0) {
        return out_of_range("release_pages", "flags", raw.flags);
    }
    auto runs = page_runs(geometry, record.subspan(kHead, list));
    if (!runs) {
        return std::unexpected(runs.error().within("release_pages record"));
    }
    ReleaseEvent event;
    event.time = raw.header.time;
    event.mm = raw.mm;
    event.pid = raw.pid;
    event.tid = raw.tid;
    event.function = static_cast<pw_function>(raw.function);
    event.scope = {static_cast<pw_scope_kind>(raw.scope_kind), raw.scope};
    event.making = (raw.flags & PW_RELEASE_MAKING) != 0;
    event.runs = std::move(*runs);
    return event;
}

Result<Event> decode_operation(Record record)
{
    const auto raw = read<pw_operation>(record);
    if (auto checked = check_fixed("operation", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.operation != PW_OPERATION_TRUNCATE) {
        return out_of_range("operation", "operation", raw.operation);
    }
    if (raw.verdict > PW_VERDICT_WOULD_DENY) {
        return out_of_range("operation", "verdict", raw.verdict);
    }
    if (raw.policy > PW_POLICIES) {
        return out_of_range("operation", "policy", raw.policy);
    }
    if (!valid_error(raw.error)) {
        return wrong("operation", "error " + std::to_string(raw.error) + " is no negative errno");
    }
    OperationEvent event;
    event.time = raw.header.time;
    event.file = file_key(raw.file);
    event.operation = static_cast<pw_operation_kind>(raw.operation);
    event.old_size = raw.old_size;
    event.new_size = raw.new_size;
    event.sequence = raw.sequence;
    event.matched = raw.matched;
    event.caller = task(raw.caller);
    event.verdict = static_cast<pw_verdict>(raw.verdict);
    event.error = -raw.error;
    event.policy = static_cast<int>(raw.policy) - 1;
    event.generation = raw.generation;
    event.unresolved = raw.unresolved != 0;
    return event;
}

Result<Event> decode_exit(Record record)
{
    const auto raw = read<pw_exit>(record);
    if (auto checked = check_fixed("exit", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    return ExitEvent{raw.header.time, {raw.pid, raw.start_time}};
}

// Empty when `first` is not before `end`, as the kernel sends what there is none of.
Result<AddressRange> address_range(std::string_view field, std::uint64_t first, std::uint64_t end)
{
    constexpr std::uint64_t kPageMask = (1ULL << PW_PAGE_SHIFT) - 1;
    if (end < first || ((first | end) & kPageMask) != 0) {
        return wrong("invalidation", "a range of addresses (" + std::string(field) + ") that is none");
    }
    return AddressRange{first, end - first};
}

Result<Event> decode_invalidation(Record record)
{
    const auto raw = read<pw_invalidation>(record);
    if (auto checked = check_fixed("invalidation", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.operation == 0 || raw.operation >= PW_INVALIDATION_KINDS) {
        return out_of_range("invalidation", "operation", raw.operation);
    }
    if (raw.space == 0) {
        return out_of_range("invalidation", "space", raw.space);
    }
    const auto range = address_range("address", raw.address, raw.end);
    const auto moved = address_range("moved_to", raw.moved_to, raw.moved_to + raw.moved_bytes);
    const auto replaced = address_range("replaced", raw.replaced, raw.replaced_end);
    for (const auto* one : {&range, &moved, &replaced}) {
        if (!*one) {
            return std::unexpected(one->error());
        }
    }
    if (moved->bytes > range->bytes) {
        return out_of_range("invalidation", "moved_bytes", moved->bytes);
    }
    InvalidationEvent event;
    event.time = raw.header.time;
    event.operation = static_cast<pw_invalidation_kind>(raw.operation);
    event.space = raw.space;
    event.range = *range;
    event.moved_to = *moved;
    event.replaced = *replaced;
    event.caller = task(raw.caller);
    return event;
}

Result<Event> decode_notifier(Record record)
{
    const auto raw = read<pw_notifier>(record);
    if (auto checked = check_fixed("notifier", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.gone > 1) {
        return out_of_range("notifier", "gone", raw.gone);
    }
    if (raw.gone == 0 && (raw.kind == 0 || raw.kind >= PW_NOTIFIER_KINDS)) {
        return out_of_range("notifier", "kind", raw.kind);
    }
    NotifierEvent event;
    event.time = raw.header.time;
    event.notifier = raw.notifier;
    event.gone = raw.gone != 0;
    event.callback = raw.callback;
    event.kind = raw.kind == PW_NOTIFIER_RANGE ? PW_NOTIFIER_RANGE : PW_NOTIFIER_SPACE;
    event.range = {raw.address, raw.length};
    event.owner = task(raw.owner);
    return event;
}

// Whether a record with a path holds together; `head` is where the path begins in it.
template <typename T>
Result<void> check_path(std::string_view kind, Record record, const T& raw, std::size_t head)
{
    if (raw.path_bytes > PW_PATH_BYTES) {
        return out_of_range(kind, "path_bytes", raw.path_bytes);
    }
    if (auto checked = check_variable(kind, record, raw.header.bytes, head + raw.path_bytes); !checked) {
        return checked;
    }
    if ((raw.flags & ~kFileFlags) != 0) {
        return out_of_range(kind, "flags", raw.flags);
    }
    if (raw.path_bytes > 0 && raw.path[raw.path_bytes - 1] != '\0') {
        return wrong(kind, "a path whose last component is not closed");
    }
    return {};
}

Result<Event> decode_file(Record record)
{
    const auto raw = read<pw_file>(record);
    if (auto checked = check_path("file", record, raw, offsetof(pw_file, path)); !checked) {
        return std::unexpected(checked.error());
    }
    const std::span components(raw.path, raw.path_bytes);
    FileEvent event;
    event.time = raw.header.time;
    event.file = file_key(raw.file);
    event.filesystem = text(raw.filesystem, sizeof(raw.filesystem));
    event.filesystem_magic = raw.filesystem_magic;
    if (auto name = memory_file_name(components, raw.filesystem_magic)) {
        event.path = std::move(*name);
        return event;
    }
    event.cut = (raw.flags & PW_FILE_PATH_CUT) != 0;
    event.deleted = (raw.flags & PW_FILE_UNLINKED) != 0;
    event.parts = split_parts(components);
    event.path = path_of(event.parts, event.cut);
    return event;
}

Result<Event> decode_rename(Record record)
{
    const auto raw = read<pw_rename>(record);
    if (auto checked = check_fixed("rename", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if ((raw.flags & ~kRenameFlags) != 0) {
        return out_of_range("rename", "flags", raw.flags);
    }
    for (const auto& [bytes, path] : {std::pair{raw.path_bytes, raw.path}, {raw.new_path_bytes, raw.new_path}}) {
        if (bytes > PW_PATH_BYTES) {
            return out_of_range("rename", "path_bytes", bytes);
        }
        if (bytes > 0 && path[bytes - 1] != '\0') {
            return wrong("rename", "a path whose last component is not closed");
        }
    }
    RenameEvent event;
    event.time = raw.header.time;
    event.file = file_key(raw.file);
    event.device = raw.device;
    event.directory = (raw.flags & PW_RENAME_DIRECTORY) != 0;
    event.exchange = (raw.flags & PW_RENAME_EXCHANGE) != 0;
    event.unlinked = (raw.flags & PW_RENAME_UNLINKED) != 0;
    event.path = path_from_components({raw.path, raw.path_bytes}, (raw.flags & PW_RENAME_CUT) != 0, 0);
    if ((raw.flags & PW_RENAME_LOST) == 0) {
        event.new_path = path_from_components({raw.new_path, raw.new_path_bytes}, (raw.flags & PW_RENAME_CUT) != 0, 0);
    }
    return event;
}

Result<Event> decode_owner(Record record)
{
    const auto raw = read<pw_owner>(record);
    if (auto checked = check_path("owner", record, raw, offsetof(pw_owner, path)); !checked) {
        return std::unexpected(checked.error());
    }
    const std::span components(raw.path, raw.path_bytes);
    const bool memory = memory_file_name(components, raw.filesystem_magic).has_value();
    return OwnerEvent{raw.header.time,
                      {raw.pid, raw.start_time},
                      path_from_components(components, (raw.flags & PW_FILE_PATH_CUT) != 0, raw.filesystem_magic),
                      (raw.flags & PW_FILE_UNLINKED) != 0 && !memory};
}

}  // namespace

Result<Event> Decoder::decode(std::span<const std::byte> record) const
{
    if (record.size() < sizeof(pw_header)) {
        return wrong("short", std::to_string(record.size()) + " bytes hold no header");
    }
    const auto header = read<pw_header>(record);
    switch (header.kind) {
        case PW_KIND_PIN: return decode_pin(record);
        case PW_KIND_RANGE: return decode_range(record);
        case PW_KIND_PAGES: return decode_pages(geometry_, record);
        case PW_KIND_RELEASE: return decode_release(geometry_, record);
        case PW_KIND_RELEASE_PAGES: return decode_release_pages(geometry_, record);
        case PW_KIND_FILE: return decode_file(record);
        case PW_KIND_OPERATION: return decode_operation(record);
        case PW_KIND_EXIT: return decode_exit(record);
        case PW_KIND_OWNER: return decode_owner(record);
        case PW_KIND_RENAME: return decode_rename(record);
        case PW_KIND_INVALIDATION: return decode_invalidation(record);
        case PW_KIND_NOTIFIER: return decode_notifier(record);
        default: return out_of_range("unknown", "kind", header.kind);
    }
}

}  // namespace pinwarden
