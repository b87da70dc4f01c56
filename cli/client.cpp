#include "cli/client.h"

#include <cerrno>
#include <iostream>
#include <variant>

#include "cli/commands.h"
#include "cli/connection.h"
#include "cli/pin_list.h"
#include "cli/recorded.h"
#include "cli/render.h"

namespace pinwarden::cli {

namespace {

// Whatever looks at this machine cannot be asked of a recording.
std::string not_of_recordings(const Command& command)
{
    if (std::holds_alternative<DoctorCommand>(command) || std::holds_alternative<SupportCommand>(command)) {
        return "it looks at this machine, and --recording is about another time or place; leave that out";
    }
    if (std::holds_alternative<RecordCommand>(command)) {
        return "a recording cannot be recorded; leave --recording out";
    }
    return {};
}

// What happened in it, at once. A recording that is damaged is shown as far as it goes.
int watch_recording(const WatchCommand& command, const Arguments& arguments, const Streams& streams, const Style& style)
{
    std::uint64_t seen = 0;
    const auto damage = replay_events(arguments.recording, watch_request(command), [&](const auto& event) {
        streams.out << (arguments.json ? to_json(event, false) + "\n" : render_event(event, style));
        ++seen;
        return streams.out && seen != command.count;
    });
    streams.out << std::flush;
    if (!damage || !damage->empty()) {
        streams.err << "pinctl: " << visible(damage ? *damage : damage.error()) << "\n";
        return kFailed;
    }
    return 0;
}

int run_on_recording(const Arguments& arguments, const Streams& streams, const Style& style)
{
    if (const std::string why = not_of_recordings(arguments.command); !why.empty()) {
        streams.err << "pinctl: " << why << "\n";
        return kFailed;
    }
    if (const auto* watch = std::get_if<WatchCommand>(&arguments.command)) {
        return watch_recording(*watch, arguments, streams, style);
    }
    const auto recorded = Recorded::open(arguments.recording);
    if (!recorded) {
        streams.err << "pinctl: " << visible(recorded.error()) << "\n";
        return kFailed;
    }
    if (const std::string damage = (*recorded)->report().damage(); !damage.empty()) {
        streams.err << "pinctl: " << visible(damage) << "\n";
    }
    Session session(arguments, (*recorded)->channel(), streams, style);
    session.moment = (*recorded)->moment();
    return std::visit([&](const auto& command) { return perform(command, session); }, arguments.command);
}

}  // namespace

int run(const Arguments& arguments, const Streams& streams, const Style& look)
{
    Style style = look;
    if (arguments.wide) {
        style.columns = 0;
    }
    if (const auto* report = std::get_if<ReportCommand>(&arguments.command)) {
        return perform(*report, arguments, streams, style);
    }
    if (const auto* diff = std::get_if<DiffCommand>(&arguments.command)) {
        return perform(*diff, arguments, streams, style);
    }
    if (!arguments.recording.empty()) {
        return run_on_recording(arguments, streams, style);
    }
    Arguments chosen = arguments;
    const auto channel = reach(chosen);
    if (channel) {
        Session session(chosen, *channel, streams, style);
        return std::visit([&](const auto& command) { return perform(command, session); }, chosen.command);
    }
    DoctorFacts machine = read_machine();
    machine.not_answered = channel.error().why;
    machine.forbidden = channel.error().error == EACCES;
    if (const auto* doctor = std::get_if<DoctorCommand>(&chosen.command)) {
        return perform(*doctor, machine, chosen, streams, style);
    }
    if (const auto* support = std::get_if<SupportCommand>(&chosen.command)) {
        return perform(*support, machine, chosen, streams);
    }
    streams.err << "pinctl: " << channel.error().why << "\n";
    return kFailed;
}

}  // namespace pinwarden::cli
