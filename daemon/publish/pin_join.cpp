#include "publish/pin_join.h"

#include <algorithm>
#include <iterator>

#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

constexpr Nanoseconds kSameRegistration = 1'000'000'000;
// Ids are given just before the time is taken, by many processors.
constexpr Nanoseconds kOutOfOrder = 1'000'000'000;

bool file_goes_on(const PinRecord& before, const PinRecord& after)
{
    if (before.ranges.empty() || after.ranges.empty()) {
        return before.ranges.empty() && after.ranges.empty();
    }
    const PinnedFileRange& last = before.ranges.back();
    const PinnedFileRange& first = after.ranges.front();
    return last.file == first.file && last.first_page + last.pages == first.first_page;
}

// A thread that moved to another cgroup, or became another program, registers anew.
bool same_names(const Task& before, const Task& after)
{
    return before.names == after.names || (before.names && after.names && *before.names == *after.names);
}

bool continues(const PinView& before, Nanoseconds last, const PinView& after)
{
    const PinRecord& a = before.pin;
    const PinRecord& b = after.pin;
    return a.driver == b.driver && a.function == b.function && a.long_term == b.long_term &&
           a.long_lived == b.long_lived && a.writable == b.writable && a.owner_exited == b.owner_exited &&
           a.backing == b.backing && same_names(a.owner, b.owner) && b.acquired >= last &&
           b.acquired - last <= kSameRegistration && before.stack == after.stack && a.user_stack == b.user_stack &&
           file_goes_on(a, b);
}

void extend(PinView& whole, PinView part)
{
    whole.pin.bytes += part.pin.bytes;
    auto range = part.pin.ranges.begin();
    if (range != part.pin.ranges.end()) {
        whole.pin.ranges.back().pages += range->pages;
        whole.pin.ranges.insert(whole.pin.ranges.end(), std::next(range), part.pin.ranges.end());
    }
    whole.files.merge(part.files);
}

// Where the registration would go on. For memfd_pin_folios the address is a file position and a folio counts as one:
// where it ends is not known.
std::optional<std::uint64_t> end_of(const PinRecord& pin)
{
    if (pin.function == PW_MEMFD_PIN_FOLIOS || pin.function == PW_ADOPTED_FOLIO) {
        return std::nullopt;
    }
    return (pin.address / page_bytes() + pin.pinned_pages) * page_bytes();
}

}  // namespace

void PinJoiner::add(PinView&& view)
{
    const PinRecord& pin = view.pin;
    const Part part{
        .id = pin.id, .process = pin.owner.process, .tid = pin.owner.tid, .acquired = pin.acquired, .end = end_of(pin)};
    close_before(part.acquired);
    const auto found = open_.find(Key{part.process, part.tid, pin.address});
    if (found != open_.end() && continues(found->second.pin.view, found->second.last, view)) {
        Open open = std::move(found->second);
        open_.erase(found);
        extend(open.pin.view, std::move(view));
        keep(std::move(open), part);
        return;
    }
    keep({.pin = {.view = std::move(view), .parts = {}}, .last = 0}, part);
}

void PinJoiner::keep(Open&& open, const Part& newest)
{
    open.pin.parts.push_back(newest.id);
    open.last = newest.acquired;
    if (!newest.end) {
        sink_(std::move(open.pin));
        return;
    }
    const Key key{newest.process, newest.tid, *newest.end};
    waiting_.emplace_back(open.last, key);
    const auto [at, added] = open_.try_emplace(key);
    if (!added) {
        sink_(std::move(at->second.pin));
    }
    at->second = std::move(open);
}

void PinJoiner::close_before(Nanoseconds acquired)
{
    while (!waiting_.empty() && waiting_.front().first + kSameRegistration + kOutOfOrder < acquired) {
        // It may have been added to since, under another address, or another be there.
        const auto found = open_.find(waiting_.front().second);
        if (found != open_.end() && found->second.last + kSameRegistration + kOutOfOrder < acquired) {
            sink_(std::move(found->second.pin));
            open_.erase(found);
        }
        waiting_.pop_front();
    }
}

void PinJoiner::finish()
{
    for (auto& [key, open] : open_) {
        sink_(std::move(open.pin));
    }
    open_.clear();
    waiting_.clear();
}

std::vector<JoinedPin> join_pins(std::vector<PinView> views)
{
    std::vector<JoinedPin> joined;
    PinJoiner joiner([&](JoinedPin&& pin) { joined.push_back(std::move(pin)); });
    for (PinView& view : views) {
        joiner.add(std::move(view));
    }
    joiner.finish();
    std::ranges::sort(joined, {}, [](const JoinedPin& pin) { return pin.parts.front(); });
    return joined;
}

}  // namespace pinwarden
