#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/pin_list.h"
#include "cli/render.h"
#include "cli/top.h"
#include "cli/user_symbols.h"

namespace pinwarden::cli {
namespace {

timespec wall_clock()
{
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

// Until interrupted, or `count` times; ends with what fails. On a terminal each time on an empty screen.
template <typename Show>
int repeat(Session& session, std::uint64_t nanoseconds, std::uint64_t count, Show show)
{
    timespec next{};
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (std::uint64_t shown = 0;;) {
        if (!session.arguments.json) {
            const timespec now = wall_clock();
            const char* const apart = shown > 0 ? "\n" : "";
            session.streams.out << (session.style.terminal ? "\x1b[H\x1b[2J" : apart)
                                << clock_time(now.tv_sec, static_cast<std::int32_t>(now.tv_nsec)) << "\n";
        }
        session.measure();
        const int result = show();
        ++shown;
        // Nobody reads any more: that is a normal end.
        if (result != 0 || shown == count || !session.streams.out) {
            return result;
        }
        constexpr std::uint64_t kSecond = 1'000'000'000;
        const std::uint64_t fraction = static_cast<std::uint64_t>(next.tv_nsec) + nanoseconds % kSecond;
        next.tv_sec += static_cast<std::time_t>(nanoseconds / kSecond + fraction / kSecond);
        next.tv_nsec = static_cast<long>(fraction % kSecond);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
    }
}

int show_pin(const PinsCommand& command, Session& session)
{
    v1::GetPinRequest request;
    request.set_id(command.id);
    request.set_include_holders(true);
    v1::GetPinResponse response;
    grpc::ClientContext patient;
    const grpc::Status status = session.pins->GetPin(&patient, request, &response);
    return session.answer(status, response, [&] {
        v1::ListPinsResponse one;
        *one.add_pins() = response.pin();
        UserSymbols().name(one);
        *one.mutable_trust() = response.trust();
        one.set_holders_complete(response.holders_complete());
        return response.pin().has_orphaned_since() ? render_orphans(one, session.style)
                                                   : render_pins(one, session.style);
    });
}

int show_pins(const PinsCommand& command, Session& session)
{
    if (command.id != 0) {
        return show_pin(command, session);
    }
    if (command.by) {
        v1::GroupPinsResponse groups;
        const grpc::Status status =
            session.pins->GroupPins(Session::with_deadline().get(), group_request(command), &groups);
        return session.answer(status, groups,
                              [&] { return render_groups(groups, *command.by, nullptr, session.style); });
    }
    const bool orphans = command.filter.orphans() || command.filter.leaks();
    // Who may hold orphans takes long to find out.
    const auto context = [&] { return orphans ? std::make_unique<grpc::ClientContext>() : Session::with_deadline(); };
    v1::ListPinsResponse pins;
    const grpc::Status status = list_pins(*session.pins, command, orphans, context, pins);
    UserSymbols().name(pins);
    return session.answer(
        status, pins, [&] { return orphans ? render_orphans(pins, session.style) : render_pins(pins, session.style); });
}

}  // namespace

int perform(const PinsCommand& command, Session& session)
{
    if (!command.again) {
        return show_pins(command, session);
    }
    return repeat(session, *command.again, 0, [&] { return show_pins(command, session); });
}

int perform(const LeaksCommand& command, Session& session)
{
    std::optional<v1::GroupPinsResponse> before;
    UserSymbols symbols;
    const auto show = [&] {
        v1::GroupPinsResponse groups;
        const grpc::Status status =
            session.pins->GroupPins(Session::with_deadline().get(), group_request(command), &groups);
        if (command.user_stack) {
            symbols.name(groups);
        }
        if (command.folded) {
            // Not for people: its lines stay whole.
            session.style.columns = 0;
        }
        const int result = session.answer(status, groups, [&] {
            if (command.folded) {
                return render_folded(groups);
            }
            const std::string text = render_groups(groups, command.by, before ? &*before : nullptr, session.style);
            return command.user_stack ? text + user_stacks_text(groups) : text;
        });
        before = std::move(groups);
        return result;
    };
    return command.again ? repeat(session, *command.again, command.count, show) : show();
}

int perform(const TopCommand& command, Session& session)
{
    if (command.once) {
        const auto text =
            print_top(command, session.channel, session.moment.value_or(std::time(nullptr)), session.style);
        if (!text) {
            return session.failed(text.error());
        }
        session.streams.out << *text << std::flush;
        return 0;
    }
    const auto shown = show_top(command, session.channel, session.style);
    return shown ? 0 : session.failed(shown.error());
}

int perform(const FailuresCommand& command, Session& session)
{
    v1::ListFailuresRequest request;
    request.set_include_stack(command.stack);
    v1::ListFailuresResponse response;
    const grpc::Status status = session.pins->ListFailures(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] { return render_failures(response, session.style); });
}

int perform(const NotifiersCommand& /*command*/, Session& session)
{
    v1::ListNotifiersResponse response;
    const grpc::Status status = session.pins->ListNotifiers(Session::with_deadline().get(), {}, &response);
    return session.answer(status, response, [&] { return render_notifiers(response, session.style); });
}

int perform(const WatchCommand& command, Session& session)
{
    grpc::ClientContext context;
    const auto reader = session.pins->WatchEvents(&context, watch_request(command));
    v1::WatchEventsResponse event;
    std::uint64_t seen = 0;
    bool enough = false;
    while (!enough && reader->Read(&event)) {
        session.measure();
        session.streams.out << (session.arguments.json ? to_json(event, false) + "\n"
                                                       : render_event(event, session.style))
                            << std::flush;
        ++seen;
        // Nobody reads any more (`pinctl watch | head`): that is a normal end.
        enough = (command.count != 0 && seen >= command.count) || !session.streams.out;
    }
    if (enough) {
        context.TryCancel();
        return 0;
    }
    const grpc::Status status = reader->Finish();
    return status.ok() ? 0 : session.failed(status);
}

}  // namespace pinwarden::cli
