// Life of the BPF programs: open, fit to this kernel, load, attach; detached and gone with the object.
#pragma once

#include <pinwarden/abi.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kernel/kernel_btf.h"
#include "kernel/leaving_links.h"

struct pinwarden_bpf;
struct bpf_link;

namespace pinwarden {

struct HookEntry;

// The reasons of hooks that are attached on demand, and no cause for worry.
inline constexpr std::string_view kNoPolicyNeedsIt = "no policy needs it";
inline constexpr std::string_view kEveryPinIsFollowed = "every pin is followed by the object it was made for";
constexpr bool is_not_needed(std::string_view reason)
{
    return reason == kNoPolicyNeedsIt || reason == kEveryPinIsFollowed;
}

// The reasons of hooks that this kernel has no place for, or where another one stands in, begin with one of these.
inline constexpr std::string_view kThisKernel = "this kernel";
inline constexpr std::string_view kNotUsed = "not used";
inline constexpr std::string_view kNoModule = "no module";
constexpr bool is_unavailable(std::string_view reason)
{
    return reason.starts_with(kThisKernel) || reason.starts_with(kNotUsed) || reason.starts_with(kNoModule);
}

// One kernel function or tracepoint we listen to, and how that went.
struct HookStatus {
    std::string name;
    std::string purpose;  // acquire, release, owner, operation, lifecycle
    bool attached = false;
    std::string reason = {};   // why not; empty when attached
    std::uint64_t missed = 0;  // runs the kernel skipped: the program was already running on that processor
    std::uint64_t caught = 0;  // of those, how many a second program made good; of the purpose owner only
    bool tracepoint = false;
    std::uint64_t runs = 0;  // and how long they took: see ProgramRuns
    Nanoseconds run_time = 0;
};

// Whether the ledger lacks what such a hook misses.
constexpr bool is_for_ledger(std::string_view purpose)
{
    return purpose == "acquire" || purpose == "release";
}

// Of the missed runs, how many second programs made good: of the hooks of the purposes acquire and release, and of the
// purpose operation.
struct CaughtCalls {
    std::uint64_t ledger = 0;
    std::uint64_t operations = 0;
};

// What the kernel said of one program.
struct ProgramVerdict {
    std::string program;
    std::string hook;            // what it is for; empty: the daemon runs it itself
    std::string purpose;         // of the hook
    std::string reason = {};     // why it was left out; empty: it is loaded
    std::uint32_t verified = 0;  // instructions the verifier looked at, on all paths
};

struct ProgramOptions {
    std::uint32_t ring_bytes = 1U << 24U;  // power of two, at least a page
    std::uint32_t files = 1U << 18U;       // with pins, that the programs know of at once
    bool track_short_term = false;         // record every pin, also without FOLL_LONGTERM
    bool user_stacks = false;              // record who in the program asked for a long-term pin
};

// Descriptors are borrowed from the object and valid while it lives.
struct MapFds {
    int events = -1;
    int blocks = -1;
    int file_acks = -1;
    int policies = -1;
    int path_prefixes = -1;
    int callers = -1;
    int pin_verdicts = -1;
    int file_pins = -1;
    int tasks = -1;
    int objects = -1;
    int counters = -1;
    int shared = -1;  // see bpf/shared.bpf.h
    int holds = -1;
    int hold_releases = -1;
};

// The variables the programs share with the daemon, in memory mapped from the kernel.
struct SharedVariables {
    std::uint32_t* policy_generation = nullptr;
    std::uint32_t* prefix_count = nullptr;
    __u64* files_known = nullptr;
    std::span<std::uint32_t> files_by_inode = {};
    std::span<std::uint32_t> left_out_by_inode = {};
    std::span<std::uint32_t> left_out_by_device = {};
    __u64* left_out = nullptr;
    const __u64* cgroups_made = nullptr;
    __u64* cgroups_known = nullptr;
    const __u64* ledger_losses = nullptr;
    __u64* ledger_losses_mended = nullptr;
    std::uint32_t* releases_by_folio = nullptr;
    const __u64* unfollowed_made = nullptr;
    __u64* unfollowed_gone = nullptr;
    const __u64* unheard = nullptr;
    __u64* reader_waits = nullptr;
    __u64* holds_under_way = nullptr;
    __u64* attended_until = nullptr;
    std::uint32_t* unattended = nullptr;
};

// The programs and tables that ask about pages, and the variables they are called with: see bpf/audit.bpf.h.
struct AuditHandles {
    int read = -1;
    int scan = -1;
    int adopt = -1;
    int record = -1;
    int audit_pages = -1;
    int adopted = -1;
    __u64* first = nullptr;
    std::uint32_t* pages = nullptr;
    std::uint32_t* folio = nullptr;
    const std::uint32_t* found = nullptr;
    const std::uint32_t* looked_at = nullptr;
    const __u64* adopted_pin = nullptr;
    __u64* existing_pin = nullptr;
    __u64* existing_address = nullptr;
};

// Where the kernel keeps its array of struct page. Zeroes where it does not tell.
struct PageArray {
    std::uint64_t start = 0;  // address of the first
    std::uint64_t limit = 0;  // number of the first page there is not
};

class Programs {
public:
    // Opens and loads everything this kernel can take. A required program that cannot be loaded is an error that says
    // which and why; an optional one is left out with its reason in hooks().
    static Result<std::unique_ptr<Programs>> load(const KernelBtf& btf, const ProgramOptions& options);

    Programs(const Programs&) = delete;
    Programs& operator=(const Programs&) = delete;
    ~Programs();

    // Attaches what was loaded. On error nothing stays attached.
    Result<void> attach();
    // For good: nothing is attached any more by whoever still works with the programs on another thread.
    void detach();
    // Whether the hook that can fail fallocate is there. It sits on each read and write, too: only while it is needed.
    Result<void> decide_fallocations(bool on);
    // Whether the functions that release pages are listened to: they are from attach() on. To begin takes some
    // milliseconds; what is not needed any more is taken away in the background.
    Result<void> hear_releases(bool on);

    // Keeps what is attached where it is, also after this process has ended, or only while it lives. Needs a BPF file
    // system.
    Result<void> keep(bool on);
    // Keeps again what somebody has removed from the BPF file system: how many links that were.
    Result<std::size_t> mend_kept();

    // Of every program there is, by name.
    [[nodiscard]] std::vector<ProgramVerdict> verdicts() const;
    // With the current counts of missed runs.
    [[nodiscard]] std::vector<HookStatus> hooks() const;
    [[nodiscard]] CaughtCalls caught_calls() const;
    // Of the hooks of the purposes acquire and release, whether they were made good or not: much cheaper than hooks().
    [[nodiscard]] std::uint64_t missed_for_ledger() const;
    // Totals over all processors, by enum pw_counter.
    [[nodiscard]] Result<std::array<std::uint64_t, PW_COUNTERS>> counters() const;
    [[nodiscard]] MapFds maps() const;
    // The kernel's number of the ring; 0: not known.
    [[nodiscard]] std::uint32_t ring_id() const;
    [[nodiscard]] SharedVariables shared() const;
    [[nodiscard]] AuditHandles audit() const;
    [[nodiscard]] PageArray page_array() const;

private:
    explicit Programs(pinwarden_bpf* skeleton) : skeleton_(skeleton) {}
    bool attach_program(const std::string& name);
    bool attach_second(const std::string& name);
    void detach_program(const std::string& name);
    void let_leave(const std::string& name, LeavingLinks::Links& leaving);
    Result<void> take_back_leaving();
    void find_fds();
    void destroy_links();
    [[nodiscard]] bool attached_for_releases(const HookEntry& hook) const;
    // By the names they are kept under.
    [[nodiscard]] std::array<std::pair<const char*, int>, 2> kept_maps() const;

    pinwarden_bpf* skeleton_;
    bool gives_back_folios_ = false;  // io_uring does, through unpin_user_folio, of huge pages
    mutable std::mutex links_mutex_;
    // Guarded by it, once programs are attached:
    std::map<std::string, std::string> left_out_;  // program -> reason
    std::map<std::string, bpf_link*> links_;       // program -> link
    LeavingLinks leaving_;                         // of functions that are not needed any more
    bool detached_ = false;
    std::vector<int> fds_;  // of the programs, in the order of the hooks; below zero: not loaded
    bool attached_ = false;
    bool kept_ = false;
};

// Totals over all processors of such a map, by enum pw_counter.
Result<std::array<std::uint64_t, PW_COUNTERS>> read_counters(int map);
// Of these, what was lost that the ledger may lack.
std::uint64_t ledger_losses(const std::array<std::uint64_t, PW_COUNTERS>& counters);

}  // namespace pinwarden
