#include "publish/own_pins.h"

#include <algorithm>
#include <variant>

#include "publish/status.h"

namespace pinwarden {
namespace {

// One for each notice there is.
struct Concerns {
    std::uint32_t pid;

    [[nodiscard]] bool owns(const PinRecord& pin) const { return pin.owner.process.pid == pid && !pin.owner_exited; }
    [[nodiscard]] bool owns_any(const std::vector<PinRecord>& pins) const
    {
        return std::ranges::any_of(pins, [this](const PinRecord& pin) { return owns(pin); });
    }

    bool operator()(const PinnedNotice& notice) const { return owns(notice.pin.pin); }
    bool operator()(const ReleasedNotice& notice) const { return owns(notice.pin.pin); }
    bool operator()(const OrphanedNotice& /*notice*/) const { return false; }
    bool operator()(const LeakNotice& /*notice*/) const { return false; }
    bool operator()(const FailedNotice& notice) const { return notice.failure.owner.process.pid == pid; }
    bool operator()(const ConflictNotice& notice) const { return owns_any(notice.conflict.conflict.pins); }
    bool operator()(const HoldEndedNotice& notice) const { return owns_any(notice.hold.conflict.conflict.pins); }
    bool operator()(const InvalidationNotice& notice) const
    {
        return std::ranges::any_of(notice.invalidation.pins, [this](const PinView& view) { return owns(view.pin); });
    }
    bool operator()(const SignalNotice& notice) const { return notice.report.act.process.pid == pid; }
    bool operator()(const RevocationNotice& notice) const
    {
        return std::ranges::any_of(notice.victims,
                                   [this](const Revocation::Victim& victim) { return victim.who.process.pid == pid; });
    }
};

}  // namespace

grpc::Status unknown_process(const std::string& field)
{
    return refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                   .reason = reason::kUnknownProcess,
                   .message = (field.empty() ? "" : field + ": ") +
                              "it is not known which process asks: it runs in a pid namespace that the daemon cannot "
                              "see, or came over TCP; connect to the daemon's Unix socket, from its pid namespace",
                   .field = field,
                   .subject = {.type = "process"}});
}

bool is_about_pins_of(std::uint32_t pid, const Notice& notice)
{
    return std::visit(Concerns{pid}, notice.what);
}

}  // namespace pinwarden
