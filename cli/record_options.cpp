#include "cli/record_options.h"

#include <memory>
#include <string>

#include "cli/pin_options.h"

namespace pinwarden::cli {
namespace {

void add_record(CLI::App& app, std::optional<Command>& command)
{
    const auto made = std::make_shared<RecordCommand>();
    CLI::App& record = *app.add_subcommand(
        "record", "Write what is pinned and everything that happens into a file, to be looked at on any machine");
    record.add_option("FILE", made->output, "Where; only its owner can read it")->required();
    record
        .add_option_function<std::string>(
            "--for", [made](const std::string& text) { made->lasting = parse_duration(text); },
            "How long; until interrupted if not given")
        ->type_name("DURATION")
        ->check(check_duration);
    record.add_flag("--force", made->replace, "Replace the file if there is one");
    record.callback([made, &command] { command = *made; });
}

void add_report(CLI::App& app, std::optional<Command>& command)
{
    const auto made = std::make_shared<ReportCommand>();
    CLI::App& report = *app.add_subcommand(
        "report", "Show how a recording ended: what was outstanding, by the call stack that pinned it");
    report.add_option("RECORDING", made->recording, "File of `pinctl record`")->required();
    add_grouping(report, made->groups);
    report.callback([made, &command] { command = *made; });
}

void add_diff(CLI::App& app, std::optional<Command>& command)
{
    const auto made = std::make_shared<DiffCommand>();
    CLI::App& diff =
        *app.add_subcommand("diff",
                            "Show what was outstanding at the end of a recording, and how much more than in "
                            "another: after an upgrade, or a day later");
    diff.add_option("BEFORE", made->before, "File of `pinctl record`")->required();
    diff.add_option("AFTER", made->after, "Another one")->required();
    add_grouping(diff, made->groups);
    diff.callback([made, &command] { command = *made; });
}

}  // namespace

void add_record_commands(CLI::App& app, std::optional<Command>& command)
{
    add_record(app, command);
    add_report(app, command);
    add_diff(app, command);
}

}  // namespace pinwarden::cli
