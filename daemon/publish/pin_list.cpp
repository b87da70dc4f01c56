#include "publish/pin_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

constexpr std::uint32_t kMostOnPage = 1000;
// What gRPC clients accept by default is 4 MiB.
constexpr std::size_t kMostBytesOnPage = 3U << 20U;

// A pin's place in the order: no two have the same.
struct Place {
    std::uint64_t first = 0;
    PinId id = 0;

    friend auto operator<=>(const Place&, const Place&) = default;
};

v1::PinOrder order_of(const v1::ListPinsRequest& request)
{
    if (request.order() != v1::PIN_ORDER_UNSPECIFIED) {
        return request.order();
    }
    const bool orphans = request.filter().orphans() || request.filter().leaks();
    return orphans ? v1::PIN_ORDER_ORPHANED : v1::PIN_ORDER_OLDEST;
}

Place place_of(const PinRecord& pin, v1::PinOrder order)
{
    constexpr std::uint64_t kLast = ~0ULL;
    switch (order) {
        case v1::PIN_ORDER_NEWEST: return {kLast - pin.acquired, pin.id};
        case v1::PIN_ORDER_LARGEST: return {kLast - pin.bytes, pin.id};
        case v1::PIN_ORDER_ORPHANED: return {pin.owner_exited ? pin.orphaned : kLast, pin.id};
        default: return {pin.acquired, pin.id};
    }
}

// What a token is good for: the same filter and order.
std::uint64_t purpose(const v1::ListPinsRequest& request)
{
    // FNV-1a: it has to be the same after the daemon was started anew, and for clients of another version.
    constexpr std::uint64_t kBasis = 0xcbf29ce484222325;
    constexpr std::uint64_t kPrime = 0x100000001b3;
    std::uint64_t hash = kBasis;
    for (const char byte : request.filter().SerializeAsString() + std::to_string(order_of(request))) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * kPrime;
    }
    return hash;
}

std::string token_after(const Place& place, const v1::ListPinsRequest& request)
{
    return fmt::format("{:016x}{:016x}{:016x}", purpose(request), place.first, place.id);
}

Result<std::optional<Place>> place_from_token(const v1::ListPinsRequest& request)
{
    const std::string& token = request.page_token();
    if (token.empty()) {
        return std::nullopt;
    }
    constexpr std::size_t kDigits = 16;
    std::array<std::uint64_t, 3> parts{};
    bool valid = token.size() == kDigits * parts.size();
    for (std::size_t i = 0; valid && i < parts.size(); ++i) {
        const char* const begin = token.data() + i * kDigits;
        const auto [end, error] = std::from_chars(begin, begin + kDigits, parts.at(i), 16);
        valid = error == std::errc{} && end == begin + kDigits;
    }
    if (!valid || parts[0] != purpose(request)) {
        return fail_at("page_token",
                       "is not one that was given for this filter and order; begin without one, and change only "
                       "page_size from page to page",
                       EINVAL);
    }
    return Place{parts[1], parts[2]};
}

// The first so many of those after a place.
class Page {
public:
    Page(v1::PinOrder order, std::optional<Place> after, std::size_t most) : order_(order), after_(after), most_(most)
    {
    }

    void add(JoinedPin&& pin)
    {
        const Place place = place_of(pin.view.pin, order_);
        if (after_ && place <= *after_) {
            return;
        }
        if (pins_.size() == most_) {
            more_ = true;
            if (std::prev(pins_.end())->first < place) {
                return;
            }
            pins_.erase(std::prev(pins_.end()));
        }
        pins_.emplace(place, std::move(pin));
    }

    [[nodiscard]] const std::map<Place, JoinedPin>& pins() const { return pins_; }
    [[nodiscard]] bool more() const { return more_; }

private:
    v1::PinOrder order_;
    std::optional<Place> after_;
    std::size_t most_;
    std::map<Place, JoinedPin> pins_;
    bool more_ = false;
};

void add_holders(const Holders& holders, const PinRecord& pin, v1::Pin& out)
{
    const auto found = holders.by_kind.find(object_kind(pin));
    if (!pin.owner_exited || found == holders.by_kind.end()) {
        return;
    }
    for (const ProcessHolder& process : found->second) {
        v1::Holder& added = *out.add_may_be_held_by();
        added.set_pid(process.pid);
        added.set_uid(process.uid);
        added.set_comm(valid_utf8(process.comm));
        added.set_file(valid_utf8(process.file));
    }
}

void add_kind(const PinRecord& pin, std::set<pw_scope_kind>& kinds)
{
    if (pin.owner_exited && object_kind(pin) != PW_SCOPE_NONE) {
        kinds.insert(object_kind(pin));
    }
}

Error gone(PinId id)
{
    return {fmt::format("there is no pin {}: it was let go, or the daemon was started anew since", id), ENOENT};
}

}  // namespace

bool adopted(const PinRecord& pin)
{
    return pin.function == PW_ADOPTED || pin.function == PW_ADOPTED_FOLIO;
}

v1::Trust trust_to_proto(const PinBatch& batch, std::uint64_t adopted)
{
    v1::Trust out;
    out.set_ledger_certain(batch.ledger_certain);
    out.set_lost(batch.lost);
    out.set_ambiguous_pages(batch.ambiguous_pages);
    out.set_adopted_pins(adopted);
    return out;
}

Result<PinBatch> each_pin(const PinSource& source, const PinFilter& filter, const PinJoiner::Sink& sink)
{
    const auto batch_of = [&](PinId from) { return source(filter, from); };
    Result<PinBatch> batch = batch_of(0);
    if (!batch) {
        return batch;
    }
    const Nanoseconds now = batch->taken;
    PinJoiner joiner([&](JoinedPin&& pin) {
        if (filter.matches_whole(pin.view.pin.bytes, pin.view.pin.acquired, now)) {
            sink(std::move(pin));
        }
    });
    for (;;) {
        for (PinView& view : batch->pins) {
            if (filter.matches_names(view)) {
                joiner.add(std::move(view));
            }
        }
        batch->pins.clear();
        if (!batch->next) {
            break;
        }
        batch = batch_of(*batch->next);
        if (!batch) {
            return batch;
        }
    }
    joiner.finish();
    return batch;
}

Result<v1::ListPinsResponse> list_pins(const v1::ListPinsRequest& request, const PinSource& source,
                                       const HolderFinder& holders)
{
    const auto filter = filter_from_request(request.filter());
    if (!filter) {
        return std::unexpected(filter.error());
    }
    if (!v1::PinOrder_IsValid(request.order())) {
        return fail_at("order", fmt::format("{} is none", static_cast<int>(request.order())), EINVAL);
    }
    const auto after = place_from_token(request);
    if (!after) {
        return std::unexpected(after.error());
    }
    const std::uint32_t asked = request.page_size() == 0 ? kMostOnPage : request.page_size();
    Page page(order_of(request), *after, std::min(asked, kMostOnPage));
    v1::ListPinsResponse out;
    std::uint64_t total = 0;
    std::uint64_t bytes = 0;
    std::uint64_t found = 0;
    const auto end = each_pin(source, *filter, [&](JoinedPin&& pin) {
        ++total;
        bytes += pin.view.pin.bytes;
        found += adopted(pin.view.pin) ? 1U : 0U;
        page.add(std::move(pin));
    });
    if (!end) {
        return std::unexpected(end.error());
    }
    out.set_total_pins(total);
    out.set_total_bytes(bytes);
    *out.mutable_trust() = trust_to_proto(*end, found);

    Holders held;
    if (request.include_holders()) {
        std::set<pw_scope_kind> kinds;
        for (const auto& [place, pin] : page.pins()) {
            add_kind(pin.view.pin, kinds);
        }
        held = holders(kinds);
        out.set_holders_complete(held.complete);
    }
    const Times times{end->taken, end->boot_to_unix};
    std::size_t size = 0;
    std::optional<Place> last;
    bool whole = true;
    for (const auto& [place, joined] : page.pins()) {
        v1::Pin pin;
        set_pin(joined, times, pin);
        if (!request.include_stack()) {
            pin.clear_stack();
            pin.clear_user_stack();
        }
        add_holders(held, joined.view.pin, pin);
        size += pin.ByteSizeLong();
        if (last && size > kMostBytesOnPage) {
            whole = false;
            break;
        }
        *out.add_pins() = std::move(pin);
        last = place;
    }
    if (last && (!whole || page.more())) {
        out.set_next_page_token(token_after(*last, request));
    }
    return out;
}

Result<v1::GetPinResponse> get_pin(const v1::GetPinRequest& request, const PinSource& source,
                                   const HolderFinder& holders)
{
    // The other parts are its owner's as well.
    const Result<PinBatch> at = source({}, request.id());
    if (!at) {
        return std::unexpected(at.error());
    }
    if (at->pins.empty() || at->pins.front().pin.id != request.id()) {
        return std::unexpected(gone(request.id()));
    }
    PinFilter filter;
    filter.pids = {at->pins.front().pin.owner.process.pid};
    filter.drivers = {at->pins.front().pin.driver};
    std::optional<JoinedPin> wanted;
    const auto end = each_pin(source, filter, [&](JoinedPin&& pin) {
        if (std::ranges::find(pin.parts, request.id()) != pin.parts.end()) {
            wanted = std::move(pin);
        }
    });
    if (!end) {
        return std::unexpected(end.error());
    }
    if (!wanted) {
        return std::unexpected(gone(request.id()));
    }
    v1::GetPinResponse out;
    const PinRecord& pin = wanted->view.pin;
    set_pin(*wanted, Times{end->taken, end->boot_to_unix}, *out.mutable_pin());
    if (request.include_holders()) {
        std::set<pw_scope_kind> kinds;
        add_kind(pin, kinds);
        const Holders held = holders(kinds);
        out.set_holders_complete(held.complete);
        add_holders(held, pin, *out.mutable_pin());
    }
    *out.mutable_trust() = trust_to_proto(*end, adopted(pin) ? 1 : 0);
    return out;
}

}  // namespace pinwarden
