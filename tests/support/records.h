// Synthetic records, as the kernel writes them into the ring buffer, and the events they stand for.
#pragma once

#include <pinwarden/abi.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "decode/decoder.h"
#include "decode/event.h"

namespace pinwarden::test {

using Bytes = std::vector<std::byte>;

inline constexpr PageGeometry kGeometry{0xffff'ea00'0000'0000, 64};

// The struct page address of a page.
inline std::uint64_t page_address(PageNumber page)
{
    return kGeometry.vmemmap_base + page * kGeometry.struct_page_bytes;
}

inline std::vector<std::uint64_t> page_addresses(std::initializer_list<PageNumber> pages)
{
    std::vector<std::uint64_t> addresses;
    for (const PageNumber page : pages) {
        addresses.push_back(page_address(page));
    }
    return addresses;
}

template <std::size_t N>
void set_text(char (&field)[N], std::string_view text)
{
    std::memset(field, 0, N);
    std::memcpy(field, text.data(), text.size() < N ? text.size() : N);
}

// The bytes of a record: `head` as far as `head_bytes`, then `tail`. Fills in the header's length.
template <typename T>
Bytes bytes_of(T head, std::size_t head_bytes = sizeof(T), const void* tail = nullptr, std::size_t tail_bytes = 0)
{
    head.header.bytes = static_cast<std::uint32_t>(head_bytes + tail_bytes);
    Bytes bytes(head_bytes + tail_bytes);
    std::memcpy(bytes.data(), &head, head_bytes);
    if (tail_bytes > 0) {
        std::memcpy(bytes.data() + head_bytes, tail, tail_bytes);
    }
    return bytes;
}

inline pw_task raw_task(std::uint32_t pid = 100, std::string_view comm = "owner")
{
    pw_task task{};
    task.start_time = 1'000'000 + pid;
    task.cgroup = 7;
    task.pid = pid;
    task.tid = pid + 1;
    task.uid = 1000;
    task.gid = 1001;
    set_text(task.comm, comm);
    return task;
}

// Of two frames: one in a file, and one that is an address.
inline pw_user_stack raw_user_stack(std::uint64_t pin = 5)
{
    pw_user_stack stack{};
    stack.header = {PW_KIND_USER_STACK, sizeof(stack), 1111};
    stack.pin = pin;
    stack.depth = 2;
    stack.frame[0] = {.status = PW_USER_FRAME_IN_FILE, .build_id = {0xab, 0xcd}, .place = 0x1234};
    stack.frame[1] = {.status = PW_USER_FRAME_ADDRESS, .build_id = {}, .place = 0x7f0000001000};
    return stack;
}

inline pw_pin raw_pin()
{
    pw_pin pin{};
    pin.header = {PW_KIND_PIN, sizeof(pin), 1111};
    pin.pin = 5;
    pin.address = 0x7f0000000000;
    pin.mm = 0xffff888000001000;
    pin.requested_pages = 16;
    pin.pinned_pages = 12;
    pin.function = PW_PIN_USER_PAGES_FAST;
    pin.flags = PW_PIN_LONGTERM | PW_PIN_WRITE;
    pin.stack_depth = 2;
    pin.scope = 6;
    pin.scope_kind = PW_SCOPE_RDMA_REGION;
    pin.space = 4;
    pin.owner = raw_task();
    pin.stack[0] = 0xffffffff81000010;
    pin.stack[1] = 0xffffffff81000020;
    pin.stack[2] = 0xdead;  // beyond stack_depth
    return pin;
}

inline pw_range raw_range()
{
    pw_range range{};
    range.header = {PW_KIND_RANGE, sizeof(range), 1112};
    range.pin = 5;
    range.address = 0x7f0000000000;
    range.page_index = 3;
    range.pages = 12;
    range.sequence = 1;
    range.file = {42, 8U << 20U | 1U, 9};
    return range;
}

inline Bytes pages_record(std::uint64_t pin, std::uint32_t first, const std::vector<std::uint64_t>& addresses)
{
    pw_pages pages{};
    pages.header = {PW_KIND_PAGES, 0, 1113};
    pages.pin = pin;
    pages.first = first;
    pages.count = static_cast<std::uint32_t>(addresses.size());
    return bytes_of(pages, offsetof(pw_pages, page), addresses.data(), addresses.size() * sizeof(std::uint64_t));
}

inline pw_release raw_release(PageNumber page, std::uint64_t count, std::uint32_t span = 0)
{
    pw_release release{};
    release.header = {PW_KIND_RELEASE, sizeof(release), 1114};
    release.mm = 0xffff888000001000;
    release.page = page_address(page);
    release.count = count;
    release.span = span;
    release.function = PW_UNPIN_USER_PAGE_RANGE_DIRTY_LOCK;
    release.pid = 100;
    release.tid = 101;
    release.offset = PW_ANY_PAGE;
    release.scope = 6;
    release.scope_kind = PW_SCOPE_RDMA_REGION;
    return release;
}

inline Bytes release_pages_record(const std::vector<std::uint64_t>& addresses)
{
    pw_release_pages release{};
    release.header = {PW_KIND_RELEASE_PAGES, 0, 1115};
    release.mm = 0xffff888000001000;
    release.function = PW_UNPIN_USER_PAGES;
    release.pid = 100;
    release.tid = 101;
    release.count = static_cast<std::uint32_t>(addresses.size());
    return bytes_of(release, offsetof(pw_release_pages, page), addresses.data(),
                    addresses.size() * sizeof(std::uint64_t));
}

// `path`: components as in the record, "x\0data\0".
inline Bytes file_record(std::string_view path, std::uint32_t flags = 0, std::string_view filesystem = "ext4",
                         std::uint64_t magic = 0xef53)
{
    pw_file file{};
    file.header = {PW_KIND_FILE, 0, 1116};
    file.file = {42, 8U << 20U | 1U, 9};
    file.filesystem_magic = magic;
    set_text(file.filesystem, filesystem);
    file.flags = flags;
    file.path_bytes = static_cast<std::uint32_t>(path.size());
    return bytes_of(file, offsetof(pw_file, path), path.data(), path.size());
}

inline pw_operation raw_operation()
{
    pw_operation operation{};
    operation.header = {PW_KIND_OPERATION, sizeof(operation), 1117};
    operation.file = {42, 8U << 20U | 1U, 9};
    operation.file_size = 40960;
    operation.offset = 4096;
    operation.sequence = 1;
    operation.matched = 5;
    operation.caller = raw_task(200, "truncate");
    operation.operation = PW_OPERATION_TRUNCATE;
    operation.verdict = PW_VERDICT_DENY;
    operation.error = -16;
    operation.policy = 3;
    operation.generation = 2;
    operation.unresolved = 1;
    return operation;
}

inline pw_exit raw_exit()
{
    pw_exit exit{};
    exit.header = {PW_KIND_EXIT, sizeof(exit), 1118};
    exit.start_time = 1'000'100;
    exit.pid = 100;
    return exit;
}

// What raw_task() runs; `path` as for file_record.
inline Bytes owner_record(std::string_view path, std::uint32_t flags = 0, std::uint64_t magic = 0xef53)
{
    pw_owner owner{};
    owner.header = {PW_KIND_OWNER, 0, 1110};
    owner.start_time = raw_task().start_time;
    owner.filesystem_magic = magic;
    owner.pid = raw_task().pid;
    owner.flags = flags;
    owner.path_bytes = static_cast<std::uint32_t>(path.size());
    return bytes_of(owner, offsetof(pw_owner, path), path.data(), path.size());
}

// Of /data/x to /y.
inline pw_rename raw_rename()
{
    using namespace std::string_view_literals;
    constexpr std::string_view kPath = "x\0data\0"sv;
    constexpr std::string_view kNewPath = "y\0"sv;
    pw_rename rename{};
    rename.header = {PW_KIND_RENAME, sizeof(rename), 1119};
    rename.file = {42, 8U << 20U | 1U, 9};
    rename.device = 8U << 20U | 1U;
    rename.path_bytes = static_cast<std::uint32_t>(kPath.size());
    rename.new_path_bytes = static_cast<std::uint32_t>(kNewPath.size());
    std::memcpy(rename.path, kPath.data(), kPath.size());
    std::memcpy(rename.new_path, kNewPath.data(), kNewPath.size());
    return rename;
}

// munmap of the first four pages of raw_pin().
inline pw_invalidation raw_invalidation()
{
    pw_invalidation invalidation{};
    invalidation.header = {PW_KIND_INVALIDATION, sizeof(invalidation), 1119};
    invalidation.space = 4;
    invalidation.address = 0x7f0000000000;
    invalidation.end = 0x7f0000004000;
    invalidation.caller = raw_task(100, "owner");
    invalidation.operation = PW_INVALIDATION_MUNMAP;
    return invalidation;
}

// An on-demand range of 16 pages.
inline pw_notifier raw_notifier()
{
    pw_notifier notifier{};
    notifier.header = {PW_KIND_NOTIFIER, sizeof(notifier), 1120};
    notifier.notifier = 0xffff888000002000;
    notifier.callback = 0xffffffff81000020;
    notifier.mm = 0xffff888000001000;
    notifier.address = 0x7f0000000000;
    notifier.length = 65536;
    notifier.owner = raw_task(100, "owner");
    notifier.kind = PW_NOTIFIER_RANGE;
    return notifier;
}

// All of raw_pin()'s object.
inline pw_release_object raw_release_object()
{
    pw_release_object release{};
    release.header = {PW_KIND_RELEASE_OBJECT, sizeof(release), 1121};
    release.mm = 0xffff888000001000;
    release.scope = 6;
    release.scope_kind = PW_SCOPE_RDMA_REGION;
    release.pid = 100;
    release.tid = 101;
    return release;
}

// One valid record of every kind.
inline std::vector<Bytes> one_of_each()
{
    using namespace std::string_view_literals;
    return {bytes_of(raw_pin()),
            bytes_of(raw_range()),
            pages_record(5, 0, page_addresses({10, 11, 12})),
            bytes_of(raw_release(10, 3)),
            release_pages_record(page_addresses({10, 12})),
            file_record("x\0data\0mnt\0"sv),
            bytes_of(raw_operation()),
            bytes_of(raw_exit()),
            owner_record("x\0bin\0"sv),
            bytes_of(raw_rename()),
            bytes_of(raw_invalidation()),
            bytes_of(raw_notifier()),
            bytes_of(raw_release_object()),
            bytes_of(raw_user_stack())};
}

// Events, with what a test does not care about filled in.

inline constexpr std::uint64_t kMm = 0x1000;
inline constexpr std::uint64_t kSpace = 1;
inline constexpr std::uint64_t kAddress = 0x10000;
inline constexpr FileKey kFile{42, 8U << 20U | 1U, 9};

inline PinEvent pin_event(std::uint64_t id, std::uint64_t pages, std::uint64_t mm = kMm, bool long_term = true)
{
    PinEvent event;
    event.time = id * 1000;
    event.pin = id;
    event.address = kAddress;
    event.mm = mm;
    event.space = long_term ? kSpace : 0;
    event.requested_pages = pages;
    event.pinned_pages = pages;
    event.function = PW_PIN_USER_PAGES_FAST;
    event.long_term = long_term;
    event.writable = true;
    event.owner = {{100, 5000}, 100, 1000, 1000, 7, "owner"};
    event.stack = {1, 2};
    return event;
}

// Pages from position `position` of the pin on.
inline PagesEvent pages_event(std::uint64_t id, std::vector<PageRun> runs, std::uint64_t position = 0)
{
    return {id * 1000, id, position, std::move(runs)};
}

inline RangeEvent range_event(std::uint64_t id, std::uint64_t sequence, std::uint64_t first_page, std::uint64_t pages,
                              std::uint64_t position = 0, FileKey file = kFile)
{
    return {id * 1000, id, kAddress + position * 4096, first_page, pages, sequence, file};
}

inline ReleaseEvent release_event(std::vector<PageRun> runs, std::uint64_t mm = kMm, std::uint64_t span = 0)
{
    ReleaseEvent event;
    event.time = 9'000'000;
    event.mm = mm;
    event.pid = 100;
    event.tid = 100;
    event.function = PW_UNPIN_USER_PAGES;
    event.runs = std::move(runs);
    event.span = span;
    return event;
}

inline FileEvent file_event(FileKey file = kFile, std::string_view path = "/mnt/data/x",
                            std::string_view filesystem = "ext4")
{
    return {1, file, std::string(path), std::string(filesystem), 0, false};
}

// Of pages `first` .. first + pages - 1, counted from kAddress.
inline InvalidationEvent invalidation_event(pw_invalidation_kind operation, std::uint64_t first, std::uint64_t pages)
{
    InvalidationEvent event;
    event.time = 8'500'000;
    event.operation = operation;
    event.space = kSpace;
    event.range = {kAddress + first * 4096, pages * 4096};
    event.caller = {{100, 5000}, 100, 1000, 1000, 7, "owner"};
    return event;
}

inline OperationEvent range_event(pw_operation_kind operation, std::uint64_t offset, std::uint64_t length,
                                  std::uint64_t file_size)
{
    OperationEvent event;
    event.time = 8'000'000;
    event.file = kFile;
    event.operation = operation;
    event.file_size = file_size;
    event.offset = offset;
    event.length = length;
    event.caller = {{200, 6000}, 200, 0, 0, 8, "fallocate"};
    return event;
}

inline OperationEvent truncate_event(std::uint64_t old_size, std::uint64_t new_size, FileKey file = kFile)
{
    OperationEvent event;
    event.time = 8'000'000;
    event.file = file;
    event.file_size = old_size;
    event.offset = new_size;
    event.caller = {{200, 6000}, 200, 0, 0, 8, "truncate"};
    return event;
}

}  // namespace pinwarden::test
