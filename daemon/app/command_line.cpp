#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <array>
#include <expected>
#include <map>
#include <string>
#include <utility>

#include "cli/manual/command_tree.h"
#include "cli/manual/manual_page.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

// What CLI11 writes into while it parses.
struct Given {
    std::map<const OptionSpec*, std::vector<std::string>> values;
    std::map<const OptionSpec*, bool> switches;
    std::map<const OptionSpec*, CLI::Option*> flags;
};

void add_option(CLI::App& app, const OptionSpec& option, Given& given)
{
    const std::string flag = "--" + std::string(option.name);
    const std::string help(option.help);
    if (option.kind == OptionKind::kSwitch) {
        given.flags[&option] = app.add_flag(flag, given.switches[&option], help);
        return;
    }
    const bool list = option.kind == OptionKind::kList;
    CLI::Option* const added =
        app.add_option(flag, given.values[&option], help)
            ->type_name(std::string(option.type))
            ->default_str(join(option.get(Options())))
            ->expected(1)
            ->allow_extra_args(false)
            ->multi_option_policy(list ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw);
    if (option.check != nullptr) {
        added->check(CLI::Validator([check = option.check](const std::string& text) { return check(text); }, ""));
    }
    given.flags[&option] = added;
}

void exclude(const Given& given)
{
    for (const auto& [option, flag] : given.flags) {
        for (const std::string_view name : option->excludes) {
            flag->excludes(given.flags.at(find_option(name)));
        }
    }
}

std::vector<Setting> settings_of(const Given& given)
{
    std::vector<Setting> settings;
    for (const OptionSpec& option : option_table()) {
        if (given.flags.at(&option)->count() == 0) {
            continue;
        }
        std::vector<std::string> values = option.kind == OptionKind::kSwitch
                                              ? std::vector<std::string>{given.switches.at(&option) ? "true" : "false"}
                                              : given.values.at(&option);
        settings.push_back({&option, std::move(values), {.from = OptionOrigin::From::kFlag}});
    }
    return settings;
}

// What is only done once, in place of running.
struct ErrandFlag {
    Errand errand;
    const char* flag;
    const char* help;
};

constexpr std::array kErrands{
    ErrandFlag{Errand::kCheckConfig, "--check-config",
               "only read the configuration and all policies, and tell what would be in force: status 0, or 1 and "
               "everything that is wrong"},
    ErrandFlag{Errand::kProbe, "--probe",
               "only tell whether this kernel can run pinwardend: status 0 and what it makes of each program, or 1 and "
               "the reason"},
    ErrandFlag{Errand::kReleaseHolds, "--release-holds",
               "only continue whoever a daemon that was killed left stopped in a held operation; for what a service "
               "manager runs after it"},
    ErrandFlag{Errand::kReleaseKept, "--release-kept",
               "only end what policies with when_unattended: keep left in force when their daemon ended"},
    ErrandFlag{Errand::kRepair, "--repair",
               "only mend what daemons that ended badly have left: files that are damaged or not finished are put "
               "aside, programs nobody needs are removed. What is in force stays so"},
};

// Error: there are several.
std::expected<Errand, std::string> errand_of(const std::map<Errand, bool>& asked_for, bool replay)
{
    Errand chosen = replay ? Errand::kReplay : Errand::kRun;
    std::string flag = "--replay";
    for (const ErrandFlag& one : kErrands) {
        if (!asked_for.at(one.errand)) {
            continue;
        }
        if (chosen != Errand::kRun) {
            return std::unexpected(flag + " and " + one.flag + ": one at a time");
        }
        chosen = one.errand;
        flag = one.flag;
    }
    return chosen;
}

cli::ManualFacts manual_facts()
{
    return {.section = 8,
            .version = PINWARDEN_VERSION,
            .summary = "watches long-lived page pins, and stops file operations that meet one when policy says so",
            .sections = {{"Configuration",
                          "/etc/pinwarden/pinwarden.yaml: every option that sets something is also a key of this file, "
                          "with _ in place of -. An option on the command line wins.\n\n"
                          "/etc/pinwarden/pinwarden.d: files of the same kind, in the order of their names; what "
                          "comes later wins.\n\n"
                          "/etc/pinwarden/policies.d: policies, as YAML."},
                         {"Signals",
                          "SIGHUP: reads the configuration and the policies anew, all or nothing; on an error what was "
                          "in force stays.\n\n"
                          "SIGTERM, SIGINT: lets go of everybody who is held, ends enforcement but for policies with "
                          "when_unattended: keep, and ends."},
                         {"Exit status",
                          "0: it was told to end, or did what was asked. 1: it failed, and standard error says why. 2: "
                          "the command line is not understood."}},
            .see_also = {"pinctl(1)"}};
}

EarlyExit wrong_usage(const std::string& message)
{
    return {2, "pinwardend: " + message + "\npinwardend --help tells what there is\n"};
}

}  // namespace

std::expected<CommandLine, EarlyExit> parse_command_line(int count, const char* const* arguments)
{
    CommandLine line;
    Given given;
    std::map<Errand, bool> asked_for;
    CLI::App app{
        "pinwardend watches long-lived page pins, sees when a file operation meets one, and, when policy says so, "
        "stops it.",
        "pinwardend"};
    app.footer(
        "Every option that sets something is also a key of the configuration file, with _ in place of -; SIGHUP "
        "reads that anew.\n");
    app.set_version_flag("--version", "pinwardend " PINWARDEN_VERSION);
    const CLI::Option& config =
        *app.add_option("--config", line.config,
                        "configuration file; what is set in the folder beside it that has its name and .d comes after "
                        "it, and policies are read from policies.d beside it")
             ->type_name("PATH")
             ->capture_default_str();
    for (const OptionSpec& option : option_table()) {
        add_option(app, option, given);
    }
    exclude(given);
    for (const ErrandFlag& one : kErrands) {
        app.add_flag(one.flag, asked_for[one.errand], one.help);
    }
    const CLI::Option& replay =
        *app.add_option("--replay", line.recording,
                        "only run this recording of `pinctl record` through the pipeline, on any machine, and print "
                        "every event as a line of JSON: status 0 if that ends with what the daemon had that recorded")
             ->type_name("FILE")
             ->check(CLI::ExistingFile);
    // For who builds the package.
    bool asked_for_manual = false;
    const CLI::Option& manual = *app.add_flag("--manual", asked_for_manual, "print the manual page")->group("");
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() != 0) {
            return std::unexpected(wrong_usage(error.what()));
        }
        return std::unexpected(
            EarlyExit{0, error.get_name() == "CallForHelp" ? app.help() : std::string(error.what()) + "\n"});
    }
    if (manual.count() > 0) {
        return std::unexpected(EarlyExit{0, cli::manual_page(cli::describe(app), manual_facts())});
    }
    const auto errand = errand_of(asked_for, replay.count() > 0);
    if (!errand) {
        return std::unexpected(wrong_usage(errand.error()));
    }
    line.errand = *errand;
    line.config_given = config.count() > 0;
    line.flags = settings_of(given);
    return line;
}

}  // namespace pinwarden
