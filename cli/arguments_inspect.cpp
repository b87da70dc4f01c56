#include "cli/arguments_inspect.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

namespace pinwarden::cli {

void add_conflicts(CLI::App& app, std::optional<Command>& command)
{
    const auto chosen = std::make_shared<ConflictsCommand>();
    CLI::App& conflicts = *app.add_subcommand(
        "conflicts", "Show the last operations that met pins, what was decided, and by which policy; the newest first");
    conflicts.add_option("--last", chosen->last, "At most so many")
        ->check(CLI::Range(std::uint32_t{1}, std::numeric_limits<std::uint32_t>::max()))
        ->capture_default_str();
    conflicts.add_option("--file", chosen->file, "Only on this file, or on files below this folder")
        ->type_name("PREFIX");
    conflicts
        .add_option("--verdict", chosen->verdicts,
                    "Only these: allow, deny, hold, signal, notify, would_deny, would_hold, would_signal, would_notify")
        ->type_name("VERDICT[,VERDICT...]")
        ->delimiter(',')
        ->check(CLI::IsMember(
            {"allow", "deny", "hold", "signal", "notify", "would_deny", "would_hold", "would_signal", "would_notify"}));
    conflicts.add_option("--policy", chosen->policy, "Only what this policy decided")->type_name("NAME");
    conflicts.add_option("--pid", chosen->pid, "Only what this process called, or what met its pins")
        ->check(CLI::Range(std::uint32_t{1}, std::numeric_limits<std::uint32_t>::max()));
    conflicts.callback([chosen, &command] { command = *chosen; });
}

void add_doctor(CLI::App& app, std::optional<Command>& command)
{
    const auto chosen = std::make_shared<DoctorCommand>();
    CLI::App& doctor = *app.add_subcommand(
        "doctor",
        "Look at kernel, privileges, hooks and losses: what is wrong, what follows, what to do; also where no daemon "
        "runs. Status 1 if something is bad");
    doctor.add_flag("--repair", chosen->repair,
                    "First mend what daemons that ended badly have left (`pinwardend --repair`, for root): damaged or "
                    "half-written state, programs nobody needs. What is in force stays so");
    doctor.callback([chosen, &command] { command = *chosen; });
}

void add_explain(CLI::App& app, std::optional<Command>& command)
{
    const auto chosen = std::make_shared<ExplainCommand>();
    CLI::App& explain = *app.add_subcommand(
        "explain",
        "Tell all that is known of a file or a process: its pins, conflicts and holds, what would happen now");
    explain
        .add_option(
            "SUBJECT", chosen->subject,
            "A path; DEVICE:INODE as `pinctl pins` shows it, such as 8:1:4711; or a pid. A file whose name is a "
            "number: ./4711")
        ->required()
        ->check(
            [](const std::string& text) { return text.empty() ? "a path, DEVICE:INODE or a pid must be given" : ""; });
    explain.callback([chosen, &command] { command = *chosen; });
}

void add_support(CLI::App& app, std::optional<Command>& command)
{
    const auto chosen = std::make_shared<SupportCommand>();
    CLI::App& support = *app.add_subcommand(
        "support", "Write one archive for a report of a bug, with names of files and processes and addresses left out");
    support.add_option("--output", chosen->output, "Where; by default pinwarden-support-TIME.tar.gz in this folder")
        ->type_name("FILE");
    support.add_option("--metrics-address", chosen->metrics_address, "Where pinwardend has its metrics")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    support.add_option("--log", chosen->log, "With the end of this log of pinwardend")
        ->type_name("FILE")
        ->check(CLI::ExistingFile);
    support.callback([chosen, &command] { command = *chosen; });
}

}  // namespace pinwarden::cli
