#include "publish/pin_groups.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

constexpr std::uint32_t kMostShown = 1000;
constexpr std::size_t kMostGroups = 65'536;
constexpr std::size_t kMostDrivers = 8;
constexpr std::size_t kMostBytes = 3U << 20U;
constexpr Nanoseconds kSecond = 1'000'000'000;

// What is the same for all pins of a group. Only that is filled by which they are grouped.
struct Common {
    ProcessId process;
    FileKey file;
    std::string text;  // a name, or the lines of a stack
    std::shared_ptr<const UserStack> user_stack;
    std::uint32_t uid = 0;
    bool none = false;  // they have no such thing

    friend bool operator==(const Common&, const Common&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const Common& common)
    {
        return H::combine(std::move(state), common.process, common.file, common.text, common.user_stack, common.uid,
                          common.none);
    }
};

struct Group {
    PinView example;  // of a pin: names it by that
    std::uint64_t pins = 0;
    std::uint64_t calls = 0;
    std::uint64_t bytes = 0;
    std::uint64_t orphans = 0;
    std::uint64_t leaks = 0;
    Nanoseconds oldest = std::numeric_limits<Nanoseconds>::max();
    absl::flat_hash_set<ProcessId> owners = {};
    std::set<std::string> drivers = {};
    std::vector<std::uint64_t> ages = {};
};

std::string lines(const std::vector<std::string>& stack)
{
    std::string text;
    for (const std::string& frame : stack) {
        text += frame + "\n";
    }
    return text;
}

Common named(std::string name)
{
    Common common;
    common.none = name.empty();
    common.text = std::move(name);
    return common;
}

Common common_of(const PinView& view, v1::PinGrouping by, bool by_user_stack)
{
    const Task& owner = view.pin.owner;
    const bool known = owner.process.pid != 0;
    Common common;
    switch (by) {
        case v1::PIN_GROUPING_OWNER: common.process = owner.process; break;
        case v1::PIN_GROUPING_COMM: return named(owner.comm);
        case v1::PIN_GROUPING_DRIVER: return named(view.pin.driver);
        case v1::PIN_GROUPING_STACK:
            common.text = lines(view.stack);
            common.user_stack = by_user_stack ? view.pin.user_stack : nullptr;
            break;
        case v1::PIN_GROUPING_CGROUP: return named(owner.names ? owner.names->cgroup : "");
        case v1::PIN_GROUPING_CONTAINER: return named(owner.names ? owner.names->container : "");
        case v1::PIN_GROUPING_UID:
            common.none = !known;
            common.uid = known ? owner.uid : 0;
            break;
        default: break;
    }
    return common;
}

// 0: younger than a second; 1: one second and younger than two; then twice as old each.
std::size_t age_class(Nanoseconds age)
{
    return static_cast<std::size_t>(std::bit_width(age / kSecond));
}

class Groups {
public:
    Groups(v1::PinGrouping by, bool by_user_stack, Nanoseconds now) : by_(by), by_user_stack_(by_user_stack), now_(now)
    {
    }

    void add(const JoinedPin& pin)
    {
        const PinRecord& record = pin.view.pin;
        ++total_pins_;
        total_bytes_ += record.bytes;
        adopted_ += adopted(record) ? 1U : 0U;
        if (by_ == v1::PIN_GROUPING_FILE && !record.ranges.empty()) {
            add_to_files(pin);
        } else {
            Common common = common_of(pin.view, by_, by_user_stack_);
            common.none = common.none || by_ == v1::PIN_GROUPING_FILE;
            count(common, pin, record.bytes);
        }
    }

    [[nodiscard]] std::vector<std::pair<Common, const Group*>> ordered(v1::PinGroupOrder order) const
    {
        std::vector<std::pair<Common, const Group*>> all;
        for (const auto& [common, group] : groups_) {
            all.emplace_back(common, &group);
        }
        const auto rank = [&](const Group& group) {
            switch (order) {
                case v1::PIN_GROUP_ORDER_PINS: return std::pair{~group.pins, ~group.bytes};
                case v1::PIN_GROUP_ORDER_AGE: return std::pair{group.oldest, ~group.bytes};
                default: return std::pair{~group.bytes, ~group.pins};
            }
        };
        // Among equals by their first pin: the order of a hash table is another one each time.
        std::ranges::sort(all, {}, [&](const auto& entry) {
            return std::tuple{rank(*entry.second), entry.second->example.pin.id, entry.first.file};
        });
        return all;
    }

    [[nodiscard]] std::uint64_t total_pins() const { return total_pins_; }
    [[nodiscard]] std::uint64_t total_bytes() const { return total_bytes_; }
    [[nodiscard]] std::uint64_t ungrouped() const { return ungrouped_; }
    [[nodiscard]] std::uint64_t adopted_pins() const { return adopted_; }

private:
    // A pin's bytes as its ranges share them: what was released of it is not known by file.
    void add_to_files(const JoinedPin& pin)
    {
        const PinRecord& record = pin.view.pin;
        absl::flat_hash_map<FileKey, std::uint64_t> pages;
        std::uint64_t all = 0;
        for (const PinnedFileRange& range : record.ranges) {
            pages[range.file] += range.pages;
            all += range.pages;
        }
        for (const auto& [file, share] : pages) {
            Common common;
            common.file = file;
            const double part = static_cast<double>(share) / static_cast<double>(std::max<std::uint64_t>(all, 1));
            count(common, pin,
                  pages.size() == 1 ? record.bytes
                                    : static_cast<std::uint64_t>(static_cast<double>(record.bytes) * part));
        }
    }

    void count(const Common& common, const JoinedPin& pin, std::uint64_t bytes)
    {
        auto found = groups_.find(common);
        if (found == groups_.end()) {
            if (groups_.size() == kMostGroups) {
                ++ungrouped_;
                return;
            }
            found = groups_.try_emplace(common, Group{.example = pin.view}).first;
        }
        Group& group = found->second;
        const PinRecord& record = pin.view.pin;
        if (record.id < group.example.pin.id) {
            group.example = pin.view;
        }
        ++group.pins;
        group.calls += pin.parts.size();
        group.bytes += bytes;
        group.orphans += record.owner_exited ? 1U : 0U;
        group.leaks += record.leak ? 1U : 0U;
        group.oldest = std::min(group.oldest, record.acquired);
        group.owners.insert(record.owner.process);
        group.drivers.insert(record.driver);
        const std::size_t age = age_class(now_ > record.acquired ? now_ - record.acquired : 0);
        group.ages.resize(std::max(group.ages.size(), age + 1));
        ++group.ages[age];
    }

    v1::PinGrouping by_;
    bool by_user_stack_;
    Nanoseconds now_;
    absl::flat_hash_map<Common, Group> groups_;
    std::uint64_t total_pins_ = 0;
    std::uint64_t total_bytes_ = 0;
    std::uint64_t ungrouped_ = 0;
    std::uint64_t adopted_ = 0;
};

void set_common(const Common& common, const Group& group, v1::PinGrouping by, const Times& times, v1::PinGroup& out)
{
    const PinView& view = group.example;
    switch (by) {
        case v1::PIN_GROUPING_OWNER:
            set_process(view.pin.owner, view.pin.owner_exited, times, *out.mutable_owner());
            out.mutable_owner()->set_inferred(view.pin.inferred);
            out.mutable_owner()->clear_tid();
            break;
        case v1::PIN_GROUPING_FILE:
            if (!common.none) {
                const auto name = view.files.find(common.file);
                set_file(common.file, name == view.files.end() ? FileName{} : name->second, *out.mutable_file());
            }
            break;
        case v1::PIN_GROUPING_STACK:
            for (const std::string& frame : view.stack) {
                out.add_stack(valid_utf8(frame));
            }
            if (common.user_stack != nullptr) {
                add_user_stack(view.pin, *out.mutable_user_stack());
            }
            break;
        case v1::PIN_GROUPING_UID:
            if (!common.none) {
                out.set_uid(common.uid);
            }
            break;
        default: out.set_name(valid_utf8(common.text)); break;
    }
}

void set_sums(const Group& group, const Times& times, v1::PinGroup& out)
{
    out.set_pins(group.pins);
    out.set_calls(group.calls);
    out.set_bytes(group.bytes);
    out.set_owners(group.owners.size());
    out.set_orphans(group.orphans);
    out.set_leaks(group.leaks);
    for (const std::string& driver : group.drivers) {
        if (out.drivers_size() < static_cast<int>(kMostDrivers)) {
            out.add_drivers(valid_utf8(driver));
        }
    }
    *out.mutable_oldest_acquire_time() = times.timestamp(group.oldest);
    *out.mutable_oldest_age() = times.age(group.oldest);
    out.mutable_ages()->Add(group.ages.begin(), group.ages.end());
}

Result<void> check(const v1::GroupPinsRequest& request)
{
    if (request.by() == v1::PIN_GROUPING_UNSPECIFIED || !v1::PinGrouping_IsValid(request.by())) {
        return fail_at("by", "must be given: owner, comm, driver, file, stack, cgroup, container or uid", EINVAL);
    }
    if (request.by_user_stack() && request.by() != v1::PIN_GROUPING_STACK) {
        return fail_at("by_user_stack", "goes with PIN_GROUPING_STACK only", EINVAL);
    }
    if (!v1::PinGroupOrder_IsValid(request.order())) {
        return fail_at("order", fmt::format("{} is none", static_cast<int>(request.order())), EINVAL);
    }
    return {};
}

v1::GroupPinsResponse to_response(const Groups& groups, const v1::GroupPinsRequest& request, const PinBatch& end)
{
    v1::GroupPinsResponse out;
    out.set_total_pins(groups.total_pins());
    out.set_total_bytes(groups.total_bytes());
    out.set_ungrouped_pins(groups.ungrouped());
    *out.mutable_trust() = trust_to_proto(end, groups.adopted_pins());
    const std::size_t most = request.limit() == 0 ? kMostShown : std::min(request.limit(), kMostShown);
    const Times times{end.taken, end.boot_to_unix};
    const auto ordered = groups.ordered(request.order());
    std::size_t size = 0;
    for (const auto& [common, group] : ordered) {
        v1::PinGroup added;
        set_common(common, *group, request.by(), times, added);
        set_sums(*group, times, added);
        size += added.ByteSizeLong();
        if (static_cast<std::size_t>(out.groups_size()) == most || (out.groups_size() > 0 && size > kMostBytes)) {
            break;
        }
        *out.add_groups() = std::move(added);
    }
    out.set_more_groups(ordered.size() - static_cast<std::size_t>(out.groups_size()));
    return out;
}

}  // namespace

Result<std::vector<v1::GroupPinsResponse>> group_pins(std::span<const v1::GroupPinsRequest> requests,
                                                      const PinSource& source)
{
    for (const v1::GroupPinsRequest& request : requests) {
        if (auto checked = check(request); !checked) {
            return std::unexpected(checked.error());
        }
    }
    const auto filter = filter_from_request(requests.front().filter());
    if (!filter) {
        return std::unexpected(filter.error());
    }
    std::vector<Groups> groups;
    const PinSource timed = [&](const PinFilter& wanted, PinId from) {
        Result<PinBatch> batch = source(wanted, from);
        for (std::size_t i = groups.size(); batch && i < requests.size(); ++i) {
            groups.emplace_back(requests[i].by(), requests[i].by_user_stack(), batch->taken);
        }
        return batch;
    };
    const auto end = each_pin(timed, *filter, [&](const JoinedPin& pin) {
        for (Groups& one : groups) {
            one.add(pin);
        }
    });
    if (!end) {
        return std::unexpected(end.error());
    }
    std::vector<v1::GroupPinsResponse> answers;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        answers.push_back(to_response(groups.at(i), requests[i], *end));
    }
    return answers;
}

Result<v1::GroupPinsResponse> group_pins(const v1::GroupPinsRequest& request, const PinSource& source)
{
    auto answers = group_pins(std::span(&request, 1), source);
    if (!answers) {
        return std::unexpected(answers.error());
    }
    return std::move(answers->front());
}

}  // namespace pinwarden
