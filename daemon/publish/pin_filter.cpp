#include "publish/pin_filter.h"

#include <algorithm>
#include <string_view>
#include <variant>

#include "policy/policy.h"
#include "publish/snapshot.h"

namespace pinwarden {
namespace {

template <typename Set, typename Value>
bool among(const Set& wanted, const Value& value)
{
    return wanted.empty() || wanted.contains(value);
}

bool matches_cgroup(const std::vector<std::string>& wanted, const std::string& cgroup)
{
    return wanted.empty() || (!cgroup.empty() && std::ranges::any_of(wanted, [&](const std::string& prefix) {
               return at_or_below(cgroup, prefix);
           }));
}

// "ib_umem_get+0x2d2/0x5b0 [ib_uverbs]" is of ib_umem_get.
bool is_of(std::string_view frame, std::string_view symbol)
{
    return frame.starts_with(symbol) &&
           (frame.size() == symbol.size() || frame[symbol.size()] == '+' || frame[symbol.size()] == ' ');
}

// What is known of a process that holds pins which a file operation meets, as if it were one pin.
PinRecord as_pin(const ProcessId& process, const ProcessFacts* facts, const HeldPins& held, const std::string& driver)
{
    PinRecord pin;
    pin.owner.process = process;
    pin.long_term = true;
    pin.driver = driver;
    pin.bytes = held.bytes;
    if (facts != nullptr) {
        pin.owner.uid = facts->uid.value_or(~0U);
        pin.owner.comm = facts->comm;
        pin.owner.names = std::make_shared<TaskNames>(TaskNames{
            .executable = facts->executable, .executable_deleted = false, .cgroup = facts->cgroup, .container = {}});
    }
    return pin;
}

// One for each notice there is.
struct Concerns {
    const PinFilter& filter;
    Nanoseconds now;

    [[nodiscard]] bool concerns(const PinView& view) const
    {
        return filter.matches(view.pin) && filter.matches_names(view) &&
               filter.matches_whole(view.pin.bytes, view.pin.acquired, now);
    }

    // As pin on the one file that an operation is about.
    [[nodiscard]] bool concerns(const PinRecord& pin, const FileKey& file, const std::string& path) const
    {
        PinView view{.pin = pin, .files = {{file, {path, {}, false}}}, .stack = {}, .driver_frame = {}};
        view.pin.ranges = {{.file = file, .first_page = 0, .pages = 1, .position = 0}};
        return concerns(view);
    }

    [[nodiscard]] bool concerns(const Conflict& conflict) const
    {
        return std::ranges::any_of(
            conflict.pins, [&](const PinRecord& pin) { return concerns(pin, conflict.operation.file, conflict.path); });
    }

    [[nodiscard]] bool concerns(const ProcessId& process, const ProcessFacts* facts, const HeldPins& held,
                                const std::string& path) const
    {
        if (held.drivers.empty()) {
            return concerns(as_pin(process, facts, held, ""), {}, path);
        }
        return std::ranges::any_of(held.drivers, [&](const std::string& driver) {
            return concerns(as_pin(process, facts, held, driver), {}, path);
        });
    }

    bool operator()(const PinnedNotice& notice) const { return concerns(notice.pin); }
    bool operator()(const ReleasedNotice& notice) const { return concerns(notice.pin); }
    bool operator()(const OrphanedNotice& notice) const { return concerns(notice.pin); }
    bool operator()(const LeakNotice& notice) const { return concerns(notice.pin); }
    bool operator()(const FailedNotice& notice) const
    {
        const FailedPin& failure = notice.failure;
        PinView view{.pin = {}, .files = {}, .stack = failure.stack, .driver_frame = {}};
        view.pin.owner = failure.owner;
        view.pin.driver = failure.driver;
        view.pin.long_term = true;
        view.pin.acquired = failure.time;
        view.pin.bytes = failure.pages * page_bytes();
        return concerns(view);
    }
    bool operator()(const ConflictNotice& notice) const { return concerns(notice.conflict.conflict); }
    bool operator()(const HoldEndedNotice& notice) const { return concerns(notice.hold.conflict.conflict); }
    bool operator()(const InvalidationNotice& notice) const
    {
        return std::ranges::any_of(notice.invalidation.pins, [this](const PinView& view) { return concerns(view); });
    }
    bool operator()(const SignalNotice& notice) const
    {
        const Act& act = notice.report.act;
        const ProcessFacts* facts = notice.report.victim ? &*notice.report.victim : nullptr;
        return concerns(act.process, facts, act.held, notice.path);
    }
    bool operator()(const RevocationNotice& notice) const
    {
        return std::ranges::any_of(notice.victims, [&](const Revocation::Victim& victim) {
            const auto known = notice.known.find(victim.who.process);
            return concerns(victim.who.process, known == notice.known.end() ? nullptr : &known->second, victim.who.held,
                            notice.path);
        });
    }
};

}  // namespace

bool PinFilter::matches(const PinRecord& pin) const
{
    static const std::string none;
    const TaskNames* names = pin.owner.names.get();
    const std::string& container = names == nullptr ? none : names->container;
    const std::string& cgroup = names == nullptr ? none : names->cgroup;
    return among(pids, pin.owner.process.pid) && among(uids, pin.owner.uid) && among(comms, pin.owner.comm) &&
           among(drivers, pin.driver) && among(backings, to_string(pin.backing)) && among(containers, container) &&
           matches_cgroup(cgroups, cgroup) && (!long_term || pin.long_term == *long_term) &&
           (!orphans || pin.owner_exited) && (!leaks || pin.leak) &&
           (inodes.empty() || std::ranges::any_of(pin.ranges, [this](const PinnedFileRange& range) {
                return std::ranges::any_of(inodes, [&](const FileKey& wanted) {
                    return wanted.inode == range.file.inode && wanted.device == range.file.device;
                });
            }));
}

bool PinFilter::matches_path(const std::string& path) const
{
    return std::ranges::any_of(path_prefixes, [&](const std::string& prefix) { return at_or_below(path, prefix); });
}

bool PinFilter::matches_names(const PinView& view) const
{
    if (!path_prefixes.empty() &&
        std::ranges::none_of(view.files, [this](const auto& file) { return matches_path(file.second.path); })) {
        return false;
    }
    return symbol.empty() ||
           std::ranges::any_of(view.stack, [this](const std::string& frame) { return is_of(frame, symbol); });
}

bool PinFilter::matches_whole(std::uint64_t bytes, Nanoseconds acquired, Nanoseconds now) const
{
    return bytes >= min_bytes && now >= acquired + min_age;
}

bool PinFilter::matches(const Notice& notice) const
{
    return std::visit(Concerns{*this, notice.time}, notice.what);
}

}  // namespace pinwarden
