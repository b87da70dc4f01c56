#include "recording/start_records.h"

#include <pinwarden/abi.h>
#include <pinwarden/overlap.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <ranges>
#include <set>
#include <string>
#include <string_view>

namespace pinwarden {
namespace {

using Tell = std::function<void(std::span<const std::byte>)>;

// The number tells the decoder that a name of one component is that of a memory file.
constexpr std::uint64_t kTmpfsMagic = 0x01021994;

template <typename T>
void tell(T& raw, pw_kind kind, Nanoseconds time, const Tell& record, std::size_t bytes = sizeof(T))
{
    raw.header = {kind, static_cast<__u32>(bytes), time};
    record(std::as_bytes(std::span(&raw, 1)).first(bytes));
}

template <std::size_t N>
void set_text(char (&field)[N], std::string_view text)
{
    std::ranges::copy(text.substr(0, N), field);
}

pw_task raw_task(const Task& task)
{
    pw_task raw{};
    raw.start_time = task.process.start_time;
    raw.cgroup = task.cgroup;
    raw.pid = task.process.pid;
    raw.tid = task.tid;
    raw.uid = task.uid;
    raw.gid = task.gid;
    set_text(raw.comm, task.comm);
    return raw;
}

__u32 flag(bool set, int bit)
{
    return set ? static_cast<__u32>(bit) : 0;
}

pw_file_key raw_key(const FileKey& key)
{
    return {key.inode, key.device, key.generation};
}

// Components of a path, innermost first, each closed; as many of the innermost as there is room for.
struct Components {
    std::string text;
    bool cut = false;
    bool memory = false;  // it is the name of a memory file, no path
};

Components components_of(std::string_view path)
{
    Components components;
    if (!path.starts_with('/') && !path.starts_with("...")) {
        components.memory = true;
        components.text = std::string(path.substr(0, PW_PATH_BYTES - 1)) + '\0';
        return components;
    }
    components.cut = path.starts_with("...");
    std::vector<std::string_view> names;
    for (const auto part : std::views::split(path, '/')) {
        const std::string_view name(part.begin(), part.end());
        if (!name.empty() && name != "...") {
            names.push_back(name);
        }
    }
    for (const std::string_view name : std::views::reverse(names)) {
        if (components.text.size() + name.size() + 1 > PW_PATH_BYTES) {
            components.cut = true;
            break;
        }
        components.text.append(name).push_back('\0');
    }
    return components;
}

// What pw_file and pw_owner have in common.
template <typename T>
void set_path(T& raw, std::string_view path, bool deleted)
{
    const Components components = components_of(path);
    std::memcpy(raw.path, components.text.data(), components.text.size());
    raw.path_bytes = static_cast<__u32>(components.text.size());
    raw.flags = flag(components.cut, PW_FILE_PATH_CUT) | flag(deleted && !components.memory, PW_FILE_UNLINKED);
    if (components.memory) {
        raw.filesystem_magic = kTmpfsMagic;
    }
}

void tell_owner(const PinRecord& pin, const Tell& record)
{
    if (pin.owner.names == nullptr || pin.owner.names->executable.empty()) {
        return;
    }
    pw_owner raw{};
    raw.start_time = pin.owner.process.start_time;
    raw.pid = pin.owner.process.pid;
    set_path(raw, pin.owner.names->executable, pin.owner.names->executable_deleted);
    tell(raw, PW_KIND_OWNER, pin.acquired, record, offsetof(pw_owner, path) + raw.path_bytes);
}

void tell_file(const FileRecord& file, const Tell& record)
{
    pw_file raw{};
    raw.file = raw_key(file.key);
    set_text(raw.filesystem, file.filesystem);
    set_path(raw, file.path, file.deleted);
    tell(raw, PW_KIND_FILE, 0, record, offsetof(pw_file, path) + raw.path_bytes);
}

void tell_pin(const PinRecord& pin, const Tell& record)
{
    pw_pin raw{};
    raw.pin = pin.id;
    raw.address = pin.address;
    raw.mm = pin.mm;
    raw.requested_pages = pin.requested_pages;
    raw.pinned_pages = pin.pinned_pages;
    raw.function = pin.function;
    raw.flags = flag(pin.long_term, PW_PIN_LONGTERM) | flag(pin.writable, PW_PIN_WRITE);
    raw.stack_depth = static_cast<__u32>(std::min<std::size_t>(pin.stack.size(), PW_STACK_FRAMES));
    std::copy_n(pin.stack.begin(), raw.stack_depth, raw.stack);
    raw.scope = pin.scope.object;
    raw.scope_kind = pin.scope.kind;
    raw.space = pin.space;
    raw.owner = raw_task(pin.owner);
    tell(raw, PW_KIND_PIN, pin.acquired, record);
}

void tell_user_stack(const PinRecord& pin, const Tell& record)
{
    if (pin.user_stack == nullptr) {
        return;
    }
    pw_user_stack raw{};
    raw.pin = pin.id;
    for (const UserFrame& frame : *pin.user_stack) {
        pw_user_frame& told = raw.frame[raw.depth++];
        told.status = frame.in_file ? PW_USER_FRAME_IN_FILE : PW_USER_FRAME_ADDRESS;
        std::ranges::copy(frame.build_id, told.build_id);
        told.place = frame.place;
    }
    tell(raw, PW_KIND_USER_STACK, pin.acquired, record);
}

void tell_ranges(const PinRecord& pin, const Tell& record)
{
    for (const PinnedFileRange& range : pin.ranges) {
        pw_range raw{};
        raw.pin = pin.id;
        raw.address = pin.address + (range.position << PW_PAGE_SHIFT);
        raw.page_index = range.first_page;
        raw.pages = range.pages;
        raw.file = raw_key(range.file);
        tell(raw, PW_KIND_RANGE, pin.acquired, record);
    }
}

void tell_exit(const PinRecord& pin, const Tell& record)
{
    if (!pin.owner_exited) {
        return;
    }
    pw_exit raw{};
    raw.start_time = pin.owner.process.start_time;
    raw.pid = pin.owner.process.pid;
    tell(raw, PW_KIND_EXIT, pin.orphaned, record);
}

}  // namespace

void tell_pins(const Ledger& ledger, const Tell& record)
{
    std::set<FileKey> named;
    std::set<ProcessId> owners;
    std::set<ProcessId> exited;
    for (const auto& [id, pin] : ledger.pins()) {
        if (owners.insert(pin.owner.process).second) {
            tell_owner(pin, record);
        }
        for (const PinnedFileRange& range : pin.ranges) {
            const FileRecord* file = ledger.find_file(range.file);
            if (named.insert(range.file).second && file != nullptr && !file->path.empty()) {
                tell_file(*file, record);
            }
        }
        tell_pin(pin, record);
        tell_user_stack(pin, record);
        tell_ranges(pin, record);
    }
    // Once all pins of the process are told.
    for (const auto& [id, pin] : ledger.pins()) {
        if (pin.owner_exited && exited.insert(pin.owner.process).second) {
            tell_exit(pin, record);
        }
    }
}

std::vector<Extent> extents_of(const Ledger& ledger)
{
    std::vector<Extent> extents;
    extents.reserve(ledger.index().extents());
    ledger.index().visit({0, std::numeric_limits<std::uint64_t>::max()}, [&extents](const Extent& extent) {
        extents.push_back(extent);
        return true;
    });
    std::ranges::sort(extents, {}, [](const Extent& extent) { return std::pair(extent.pin, extent.position); });
    return extents;
}

std::vector<v1::RecordingPages> tell_pages(const Ledger& ledger)
{
    std::vector<v1::RecordingPages> all;
    std::uint64_t next = 0;  // position behind the last run
    for (const Extent& extent : extents_of(ledger)) {
        if (all.empty() || all.back().pin() != extent.pin || next != extent.position) {
            v1::RecordingPages& pages = all.emplace_back();
            pages.set_pin(extent.pin);
            pages.set_position(extent.position);
        }
        auto& runs = *all.back().mutable_runs();
        const int last = runs.size();
        if (last > 0 && runs[last - 2] + runs[last - 1] == extent.first) {
            runs[last - 1] += extent.count;
        } else {
            runs.Add(extent.first);
            runs.Add(extent.count);
        }
        next = extent.position + extent.count;
    }
    return all;
}

Result<std::uint64_t> count_pages(const v1::RecordingPages& pages)
{
    // As the decoder has them.
    constexpr std::uint64_t kMostMemory = 1ULL << 40U;
    constexpr std::uint64_t kLongestPin = 1ULL << 32U;
    const auto wrong = [&](const std::string& what) {
        return fail("the pages of pin " + std::to_string(pages.pin()) + " " + what, EILSEQ);
    };
    if (pages.runs_size() % 2 != 0) {
        return wrong("end with half a run");
    }
    if (pages.position() > kLongestPin) {
        return wrong("begin at position " + std::to_string(pages.position()) + ", which no pin has");
    }
    std::uint64_t count = 0;
    for (int i = 0; i < pages.runs_size(); i += 2) {
        const std::uint64_t first = pages.runs(i);
        const std::uint64_t length = pages.runs(i + 1);
        if (length == 0 || first >= kMostMemory || length > kMostMemory - first) {
            return wrong("are " + std::to_string(length) + " from page " + std::to_string(first) +
                         " on, which no memory has");
        }
        if (length > kLongestPin - pages.position() - count) {
            return wrong("are more than a pin can have");
        }
        count += length;
    }
    return count;
}

void pages_as_records(const v1::RecordingPages& pages, const PageGeometry& geometry, const Tell& record)
{
    pw_pages raw{};
    raw.pin = pages.pin();
    raw.first = static_cast<__u32>(pages.position());
    const auto send = [&] {
        if (raw.count > 0) {
            tell(raw, PW_KIND_PAGES, 0, record, offsetof(pw_pages, page) + raw.count * sizeof(raw.page[0]));
            raw.first += raw.count;
            raw.count = 0;
        }
    };
    for (int i = 0; i + 1 < pages.runs_size(); i += 2) {
        for (std::uint64_t page = 0; page < pages.runs(i + 1); ++page) {
            raw.page[raw.count++] = geometry.vmemmap_base + (pages.runs(i) + page) * geometry.struct_page_bytes;
            if (raw.count == PW_PAGES_PER_CHUNK) {
                send();
            }
        }
    }
    send();
}

}  // namespace pinwarden
