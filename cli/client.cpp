#include "cli/client.h"

#include <cerrno>
#include <iostream>
#include <variant>

#include "cli/commands.h"
#include "cli/connection.h"

namespace pinwarden::cli {

int run(const Arguments& arguments, const Streams& streams, const Style& style)
{
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
