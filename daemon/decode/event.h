// What the kernel reported, as plain data. Produced by Decoder only; see include/pinwarden/abi.h for the wire form.
#pragma once

#include <pinwarden/abi.h>

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace pinwarden {

// Number of a page frame as the kernel's memory map counts it.
using PageNumber = std::uint64_t;

// Consecutive page frames.
struct PageRun {
    PageNumber first = 0;
    std::uint64_t count = 0;

    friend bool operator==(const PageRun&, const PageRun&) = default;
};

// Identity of a process for as long as the machine runs: a pid alone is reused.
struct ProcessId {
    std::uint32_t pid = 0;
    Nanoseconds start_time = 0;

    friend auto operator<=>(const ProcessId&, const ProcessId&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const ProcessId& id)
    {
        return H::combine(std::move(state), id.pid, id.start_time);
    }
};

// What a task's numbers stand for, as far as it is known: texts that are not are empty.
struct TaskNames {
    std::string executable;           // path of the program, when it first pinned
    bool executable_deleted = false;  // it had lost its name by then
    std::string cgroup;               // path from the root of the cgroup tree: "/system.slice/x.service"
    std::string container;            // id, as its runtime put it into the cgroup path

    friend bool operator==(const TaskNames&, const TaskNames&) = default;
};

struct Task {
    ProcessId process;
    std::uint32_t tid = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t cgroup = 0;
    std::string comm;
    std::shared_ptr<const TaskNames> names = {};  // not from the record: looked up when the event arrives; may be null
};

struct FileKey {
    std::uint64_t inode = 0;
    std::uint32_t device = 0;  // as the kernel encodes it: major << 20 | minor
    std::uint32_t generation = 0;

    [[nodiscard]] std::uint32_t device_major() const { return device >> 20U; }
    [[nodiscard]] std::uint32_t device_minor() const { return device & 0xfffffU; }

    friend auto operator<=>(const FileKey&, const FileKey&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const FileKey& key)
    {
        return H::combine(std::move(state), key.inode, key.device, key.generation);
    }
};

// The object that pages are pinned for. The kind alone is known of objects made before the daemon started.
struct Scope {
    pw_scope_kind kind = PW_SCOPE_NONE;
    std::uint64_t object = 0;  // its number, 0: not known

    friend bool operator==(const Scope&, const Scope&) = default;
};

// A return address in a program: where in a file, told by its build id, or an address when that is not known.
struct UserFrame {
    std::array<std::uint8_t, PW_BUILD_ID_BYTES> build_id{};
    bool in_file = false;
    std::uint64_t place = 0;  // offset in the file, or the address

    friend bool operator==(const UserFrame&, const UserFrame&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const UserFrame& frame)
    {
        return H::combine(std::move(state), frame.build_id, frame.in_file, frame.place);
    }
};

// Innermost first.
using UserStack = std::vector<UserFrame>;

struct PinEvent {
    Nanoseconds time = 0;
    std::uint64_t pin = 0;
    std::uint64_t address = 0;
    std::uint64_t mm = 0;
    std::uint64_t space = 0;  // number of the address space that holds the addresses; 0: not known, or none
    std::uint64_t requested_pages = 0;
    std::uint64_t pinned_pages = 0;
    int error = 0;  // positive errno when the call failed
    pw_function function = PW_FUNCTION_UNKNOWN;
    bool long_term = false;
    bool writable = false;
    bool remote = false;
    bool inferred = false;  // the owner was not reported, but found out
    bool more = false;      // the object had pins already: the stack, left out here, is that of its first
    Scope scope;
    Task owner;
    std::vector<std::uint64_t> stack;
    std::shared_ptr<const UserStack> user_stack;  // of the object's first pin, when this is another one
};

// What of the program asked for a pin.
struct UserStackEvent {
    std::uint64_t pin = 0;
    UserStack frames;
};

struct RangeEvent {
    Nanoseconds time = 0;
    std::uint64_t pin = 0;
    std::uint64_t address = 0;
    std::uint64_t page_index = 0;
    std::uint64_t pages = 0;
    std::uint64_t sequence = 0;
    FileKey file;
};

// Runs in the order of the pin's pages: the first run starts at position `first` of the pin.
struct PagesEvent {
    Nanoseconds time = 0;
    std::uint64_t pin = 0;
    std::uint64_t first = 0;
    std::vector<PageRun> runs;
};

struct ReleaseEvent {
    Nanoseconds time = 0;
    std::uint64_t mm = 0;
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    pw_function function = PW_FUNCTION_UNKNOWN;
    Scope scope;
    // Each run is let go once. With span > 0 there is one run; its count pins lie anywhere on [first, first + span),
    // rather on the page that was named, if one was.
    std::vector<PageRun> runs;
    std::uint64_t span = 0;
    std::optional<PageNumber> named;
    bool making = false;     // the object is still being made: what stays of the same pin holds the memory alone
    bool repair = false;     // nobody was seen letting go, but the kernel has fewer pins there than the ledger had
    bool unheard = false;    // with repair: a release outside of objects was not heard
    std::uint64_t only = 0;  // with repair: of this pin and no other
    bool whole = false;      // everything that is pinned for the object; no runs
};

// What one mount adds to a path. Both texts are "" or "/a/b".
struct PathPart {
    std::uint32_t device = 0;  // of its file system, kernel encoding; 0 where that is not known
    std::string root;          // where the mount begins in the file system
    std::string path;          // from there on

    friend bool operator==(const PathPart&, const PathPart&) = default;
};

struct FileEvent {
    Nanoseconds time = 0;
    FileKey file;
    std::string path;  // "/mnt/data/x"; "memfd:name" for memfds; starts with ".../" when it was cut
    std::string filesystem;
    std::uint64_t filesystem_magic = 0;
    bool deleted = false;  // no name is left; memory files never had one
    // The path by the mounts it leads through, innermost first; empty for memory files, which cannot be renamed.
    std::vector<PathPart> parts = {};
    bool cut = false;  // what lies above the last part is not known
};

struct OperationEvent {
    Nanoseconds time = 0;
    FileKey file;
    pw_operation_kind operation = PW_OPERATION_TRUNCATE;
    std::uint64_t file_size = 0;  // before
    std::uint64_t offset = 0;     // the new size of a truncate
    std::uint64_t length = 0;     // 0 for a truncate
    std::uint64_t before = 0;     // bytes in front of offset that the file system takes away, too
    std::uint64_t sequence = 0;
    std::uint64_t matched = 0;
    Task caller;
    pw_verdict verdict = PW_VERDICT_ALLOW;
    int error = 0;    // positive errno it failed, or would have failed, with
    int policy = -1;  // deciding slot, or -1
    std::uint32_t generation = 0;
    bool unresolved = false;
    std::uint64_t hold = 0;  // its number, where the caller is held, or was until this was decided
};

struct HoldEndEvent {
    Nanoseconds time = 0;
    std::uint64_t hold = 0;
    Nanoseconds since = 0;
    std::uint64_t asked = 0;
    pw_hold_outcome outcome = PW_HOLD_ABANDONED;
    int error = 0;  // positive errno the operation failed with
};

struct ExitEvent {
    Nanoseconds time = 0;
    ProcessId process;
};

// What a process runs, from now on.
struct OwnerEvent {
    Nanoseconds time = 0;
    ProcessId process;
    std::string executable;  // as FileEvent::path
    bool deleted = false;
};

// A file, or a directory with all below it, is called otherwise. Paths from the root of the file system, "/a/b".
struct RenameEvent {
    Nanoseconds time = 0;
    FileKey file;
    std::uint32_t device = 0;  // of the file system
    bool directory = false;
    bool exchange = false;  // what was at new_path, or below, is at path now
    bool unlinked = false;  // no name is left
    std::string path;
    std::string new_path;  // empty: that name is gone, and no other is known
};

// Consecutive user addresses.
struct AddressRange {
    std::uint64_t first = 0;
    std::uint64_t bytes = 0;

    friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

// Addresses lost the pages that were mapped there. All are multiples of the page size.
struct InvalidationEvent {
    Nanoseconds time = 0;
    pw_invalidation_kind operation = PW_INVALIDATION_MUNMAP;
    std::uint64_t space = 0;
    AddressRange range;     // empty where only `replaced` counts
    AddressRange moved_to;  // where the first pages of the range are mapped now; empty: nowhere
    AddressRange replaced;  // what else was mapped over, before anything moved there; empty: nothing
    Task caller;
};

struct NotifierEvent {
    Nanoseconds time = 0;
    std::uint64_t notifier = 0;
    bool gone = false;           // then the rest says nothing
    std::uint64_t callback = 0;  // of a function of the listener
    pw_notifier_kind kind = PW_NOTIFIER_SPACE;
    AddressRange range;  // for PW_NOTIFIER_RANGE
    Task owner;
};

using Event = std::variant<PinEvent, RangeEvent, PagesEvent, ReleaseEvent, FileEvent, OperationEvent, ExitEvent,
                           OwnerEvent, RenameEvent, InvalidationEvent, NotifierEvent, HoldEndEvent, UserStackEvent>;

}  // namespace pinwarden
