#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <utility>

#include "cli/arguments_inspect.h"
#include "cli/inode.h"
#include "cli/manual/completion.h"
#include "cli/manual/manual_page.h"
#include "cli/manual_facts.h"
#include "cli/pin_options.h"
#include "cli/record_options.h"

namespace pinwarden::cli {
namespace {

constexpr int kWrongUsage = 2;

constexpr const char* kKindNames = "pin, release, conflict, verdict, failure, orphan, leak, hold, signal, revocation";

const std::map<std::string, Kind>& kinds()
{
    static const std::map<std::string, Kind> names{{"pin", Kind::kPin},           {"release", Kind::kRelease},
                                                   {"conflict", Kind::kConflict}, {"verdict", Kind::kVerdict},
                                                   {"failure", Kind::kFailure},   {"orphan", Kind::kOrphan},
                                                   {"leak", Kind::kLeak},         {"hold", Kind::kHold},
                                                   {"signal", Kind::kSignal},     {"revocation", Kind::kRevocation}};
    return names;
}

std::string check_kind(const std::string& text)
{
    return kinds().contains(text) ? "" : "\"" + text + "\" is not a kind; choose from " + kKindNames;
}

// What CLI11 writes into while it parses.
struct Parsed {
    std::string socket;
    TlsArguments tls;
    std::string recording;
    bool json = false;
    bool wide = false;
    std::optional<Command> command;
    FailuresCommand failures;
    WatchCommand watch;
    HoldReleaseCommand release;
    bool deny = false;
    AuditCommand audit;
    CensusCommand census;
    std::vector<std::string> kind_names;
    PolicyApplyCommand apply;
    PolicyDeleteCommand remove;
    AuditLogCommand audit_log;
    std::string since;
    PolicyModeCommand mode;
    std::string mode_name;
    PolicyTestCommand test;
    std::string inode;  // MAJOR:MINOR:INODE
    std::string output;
    std::string shell;
};

void add_status(CLI::App& app, Parsed& parsed)
{
    app.add_subcommand("status", "Show whether pinwardend sees everything: hooks, losses, ledger, policies")
        ->callback([&parsed] { parsed.command = StatusCommand{}; });
}

void add_failures(CLI::App& app, Parsed& parsed)
{
    CLI::App& failures =
        *app.add_subcommand("failures", "Show the last calls that could not pin pages for long, and why");
    failures.add_flag("--stack", parsed.failures.stack, "Show the kernel call stack that wanted to pin");
    failures.callback([&parsed] { parsed.command = parsed.failures; });
}

void add_notifiers(CLI::App& app, Parsed& parsed)
{
    app.add_subcommand("notifiers", "Show who has memory on demand or listens to a whole process, and pins nothing")
        ->callback([&parsed] { parsed.command = NotifiersCommand{}; });
}

void add_watch(CLI::App& app, Parsed& parsed)
{
    CLI::App& watch = *app.add_subcommand(
        "watch",
        "Show pins, releases, conflicts, verdicts, failures, orphans, leaks, signals and ends of holds and revocations "
        "as they happen");
    watch.add_option("--kind", parsed.kind_names, std::string("Only these: ") + kKindNames)
        ->type_name("KIND[,KIND...]")
        ->delimiter(',')
        ->check(check_kind);
    watch.add_option("--count", parsed.watch.count, "End after this many events")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
    add_pin_filter(watch, parsed.watch.filter);
    watch.callback([&parsed] {
        for (const std::string& name : parsed.kind_names) {
            parsed.watch.kinds.push_back(kinds().at(name));
        }
        parsed.command = parsed.watch;
    });
}

void add_holds(CLI::App& app, Parsed& parsed)
{
    CLI::App& holds = *app.add_subcommand("holds", "Show which operations are held, what they wait for and how long");
    CLI::App& release = *holds.add_subcommand("release", "Decide about a held operation: let it go ahead, or fail it");
    release.add_option("ID", parsed.release.id, "Number of the hold, as `pinctl holds` shows it")
        ->required()
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
    CLI::Option& allow = *release.add_flag("--allow", parsed.release.allow, "Let it go ahead, whoever has pins there");
    release.add_flag("--deny", parsed.deny, "Fail it, with the errno of its policy")->excludes(&allow);
    release.callback([&parsed] {
        if (!parsed.release.allow && !parsed.deny) {
            throw CLI::ValidationError("say how the operation ends: --allow or --deny");
        }
        parsed.command = parsed.release;
    });
    // Called after that of a subcommand.
    holds.callback([&parsed] {
        if (!parsed.command) {
            parsed.command = HoldsCommand{};
        }
    });
}

void add_audit(CLI::App& app, Parsed& parsed)
{
    CLI::App& audit = *app.add_subcommand(
        "audit", "Compare what pinwardend knows with the kernel's own pin counts; status 3 if they differ");
    audit.add_flag("--ledger-only", parsed.audit.ledger_only,
                   "Only look at pages pinwardend knows: quicker, but does not find pins it has missed");
    audit.add_flag("--repair", parsed.audit.repair, "Drop what is not pinned, adopt pins that were missed");
    audit.callback([&parsed] { parsed.command = parsed.audit; });

    CLI::App& census = *app.add_subcommand(
        "census", "Walk all of memory and show what is pinned, also by those who did it before pinwardend started");
    census.add_flag("--look-only", parsed.census.look_only, "Do not adopt pins that pinwardend does not know");
    census.callback([&parsed] { parsed.command = parsed.census; });
}

const std::map<std::string, PolicyMode>& policy_modes()
{
    static const std::map<std::string, PolicyMode> names{
        {"monitor", PolicyMode::kMonitor}, {"enforce", PolicyMode::kEnforce}, {"off", PolicyMode::kOff}};
    return names;
}

std::string check_policy_mode(const std::string& text)
{
    return policy_modes().contains(text) ? "" : "\"" + text + "\" is not a mode; choose from monitor, enforce, off";
}

void add_condition(CLI::App& command, std::optional<std::uint64_t>& generation)
{
    command
        .add_option(
            "--if-generation", generation,
            "Only while this generation of the policies is in force, as `pinctl status` tells it; else nothing is "
            "changed")
        ->type_name("N");
}

void add_policy_mode(CLI::App& policy, Parsed& parsed)
{
    CLI::App& mode = *policy.add_subcommand("mode", "Put a policy into another mode, in place");
    mode.add_option("NAME", parsed.mode.name, "Name of the policy")->required();
    mode.add_option("MODE", parsed.mode_name, "monitor: only count; enforce: act; off: rest")
        ->type_name("monitor|enforce|off")
        ->required()
        ->check(check_policy_mode);
    add_condition(mode, parsed.mode.if_generation);
    mode.callback([&parsed] {
        parsed.mode.mode = policy_modes().at(parsed.mode_name);
        parsed.command = parsed.mode;
    });
}

void add_policy_test(CLI::App& policy, Parsed& parsed)
{
    CLI::App& test = *policy.add_subcommand(
        "test", "Show what would become of an operation, by which policy, and whom it would signal; changes nothing");
    CLI::Option& file = *test.add_option("--file", parsed.test.file, "The file; for umount where it is mounted");
    CLI::Option& inode =
        *test.add_option("--inode", parsed.inode, "In place of --file: a file with pins, such as 8:1:4711")
             ->type_name("DEVICE:INODE")
             ->check(check_inode)
             ->excludes(&file);
    test.add_option("--operation", parsed.test.operation,
                    "truncate:SIZE, punch_hole:OFFSET+LENGTH (the same for zero_range, collapse_range, insert_range, "
                    "madv_remove), or umount")
        ->type_name("OPERATION")
        ->required();
    test.add_option(
            "--policy", parsed.test.policies,
            "Together with the policies of this YAML file, in place of those of the same name, or after all; - is "
            "standard input; may be repeated")
        ->type_name("FILE")
        ->allow_extra_args(false);
    test.add_option("--uid", parsed.test.uid, "User id of the caller");
    test.add_option("--comm", parsed.test.comm, "Process name of the caller");
    test.add_option("--output", parsed.output, "text, or json as with --json")->check(CLI::IsMember({"text", "json"}));
    test.callback([&parsed, &file, &inode] {
        if (file.count() == 0 && inode.count() == 0) {
            throw CLI::ValidationError("say which file: --file");
        }
        if (inode.count() != 0) {
            const auto [major, minor, number] = parse_inode(parsed.inode);
            parsed.test.device_major = static_cast<std::uint32_t>(major);
            parsed.test.device_minor = static_cast<std::uint32_t>(minor);
            parsed.test.inode = number;
        }
        parsed.json = parsed.json || parsed.output == "json";
        parsed.command = parsed.test;
    });
}

void add_policy(CLI::App& app, Parsed& parsed)
{
    CLI::App& policy = *app.add_subcommand("policy", "Show and change what is done about conflicts");
    CLI::App& apply =
        *policy.add_subcommand("apply", "Add policies from YAML files, or replace those of the same name");
    apply.add_option("FILE", parsed.apply.files, "YAML files, applied all or none; - is standard input")->required();
    apply.add_flag("--validate-only", parsed.apply.validate_only, "Only check, change nothing");
    add_condition(apply, parsed.apply.if_generation);
    apply.callback([&parsed] { parsed.command = parsed.apply; });

    policy.add_subcommand("list", "Show the policies in the order of evaluation, with state and counters")
        ->callback([&parsed] { parsed.command = PolicyListCommand{}; });

    add_policy_mode(policy, parsed);
    add_policy_test(policy, parsed);
    CLI::App& remove = *policy.add_subcommand("delete", "Remove a policy");
    remove.add_option("NAME", parsed.remove.name, "Name of the policy")->required();
    add_condition(remove, parsed.remove.if_generation);
    remove.callback([&parsed] { parsed.command = parsed.remove; });
}

void add_audit_log(CLI::App& app, Parsed& parsed)
{
    CLI::App& log = *app.add_subcommand(
        "audit-log",
        "Show what was done: signals, denials, holds and releases, changes of policies and who asked for them");
    log.add_flag("--follow", parsed.audit_log.follow, "Go on with what is done from now on; shows the last 10 before");
    log.add_option("--last", parsed.audit_log.last, "Only the newest so many records")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
    log.add_option("--since", parsed.since, "Only what was done in this time: 500ms, 30s, 5m, 2h, 7d")
        ->type_name("DURATION")
        ->check(check_duration);
    log.add_option("--policy", parsed.audit_log.policy, "Only what concerns this policy")->type_name("NAME");
    log.callback([&parsed] {
        constexpr std::uint64_t kBeforeFollowing = 10;
        AuditLogCommand& command = parsed.audit_log;
        command.since = parse_duration(parsed.since);
        if (command.follow && command.last == 0 && !command.since) {
            command.last = kBeforeFollowing;
        }
        parsed.command = command;
    });
}

void add_manuals(CLI::App& app, Parsed& parsed)
{
    app.add_subcommand("completion", "Print a script with which a shell completes the words of pinctl")
        ->add_option("SHELL", parsed.shell, "Which shell")
        ->type_name("bash|zsh|fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    // For who builds the package.
    app.add_subcommand("manual", "Print the manual page")->group("");
}

std::string printed(const CLI::App& app, const Parsed& parsed)
{
    if (!app.got_subcommand("completion")) {
        return manual_page(describe(app), pinctl_manual());
    }
    const Shell shell = parsed.shell == "bash" ? Shell::kBash : parsed.shell == "zsh" ? Shell::kZsh : Shell::kFish;
    return completion(describe(app), shell);
}

void add_config(CLI::App& app, Parsed& parsed)
{
    CLI::App& config = *app.add_subcommand("config", "Show how pinwardend is configured");
    config.add_subcommand("show", "Show every option, what is in force, where that came from, and the last reload")
        ->callback([&parsed] { parsed.command = ConfigShowCommand{}; });
}

void add_tls(CLI::App& app, CLI::Option& socket, TlsArguments& tls)
{
    app.add_option("--address", tls.address,
                   "Where pinwardend serves TCP, in place of a socket of this machine; also "
                   "from PINWARDEN_ADDRESS. Wants the three files below")
        ->type_name("HOST:PORT")
        ->excludes(&socket);
    app.add_option("--tls-ca", tls.ca,
                   "Authorities that pinwardend's certificate is by, PEM; also from PINWARDEN_TLS_CA")
        ->type_name("FILE");
    app.add_option("--tls-certificate", tls.certificate,
                   "Your certificate, whose names pinwardend knows, PEM; also from PINWARDEN_TLS_CERTIFICATE")
        ->type_name("FILE");
    app.add_option("--tls-key", tls.key, "The key of your certificate, PEM; also from PINWARDEN_TLS_KEY")
        ->type_name("FILE");
}

// What is missing of all that belongs together; empty: nothing.
std::string missing_tls(const CLI::App& app, const TlsArguments& tls)
{
    if (tls.address.empty()) {
        const bool given = app.count("--tls-ca") + app.count("--tls-certificate") + app.count("--tls-key") > 0;
        return given ? "--address is missing: the files are for TCP only" : "";
    }
    for (const auto& [name, value] : {std::pair{"--tls-ca", &tls.ca}, std::pair{"--tls-certificate", &tls.certificate},
                                      std::pair{"--tls-key", &tls.key}}) {
        if (value->empty()) {
            return std::string(name) + " is missing: over TCP both sides show a certificate";
        }
    }
    return "";
}

Early wrong_usage(const std::string& message)
{
    return {kWrongUsage, "pinctl: " + message + "\nRun `pinctl --help` for what is possible.\n"};
}

}  // namespace

std::variant<Arguments, Early> parse_arguments(std::vector<std::string> arguments,
                                               const std::string& environment_socket,
                                               const TlsArguments& environment_tls)
{
    Parsed parsed;
    parsed.tls = environment_tls;
    parsed.socket = environment_socket.empty() ? std::string(kDefaultSocket) : environment_socket;

    CLI::App app("Asks pinwardend what is pinned and tells it what to do about it.", "pinctl");
    CLI::Option& socket = *app.add_option("--socket", parsed.socket,
                                          "Socket of pinwardend; also from PINWARDEN_SOCKET. Who may not open the "
                                          "default one gets reader.sock beside it")
                               ->type_name("PATH")
                               ->capture_default_str();
    add_tls(app, socket, parsed.tls);
    app.add_option("--recording", parsed.recording,
                   "Ask this file of `pinctl record`, as it was at its end, in place of a daemon; on any machine")
        ->type_name("FILE")
        ->excludes(&socket);
    app.add_flag("--json", parsed.json, "JSON for machines: one document, or one line for each event");
    app.add_flag("-w,--wide", parsed.wide,
                 "On a terminal too, nothing shortened and no line broken, as it is always in pipes and files");
    app.set_version_flag("--version", "pinctl " PINWARDEN_VERSION);
    app.fallthrough();
    add_status(app, parsed);
    add_pin_commands(app, parsed.command);
    add_failures(app, parsed);
    add_notifiers(app, parsed);
    add_watch(app, parsed);
    add_conflicts(app, parsed.command);
    add_explain(app, parsed.command);
    add_doctor(app, parsed.command);
    add_support(app, parsed.command);
    add_holds(app, parsed);
    add_audit(app, parsed);
    add_audit_log(app, parsed);
    add_policy(app, parsed);
    add_manuals(app, parsed);
    add_config(app, parsed);
    add_record_commands(app, parsed.command);

    try {
        // CLI11 takes the vector from its end.
        std::ranges::reverse(arguments);
        app.parse(std::move(arguments));
    } catch (const CLI::CallForVersion& version) {
        return Early{0, std::string(version.what()) + "\n"};
    } catch (const CLI::CallForHelp&) {
        return Early{0, app.help()};
    } catch (const CLI::CallForAllHelp&) {
        return Early{0, app.help("", CLI::AppFormatMode::All)};
    } catch (const CLI::ParseError& error) {
        return wrong_usage(error.what());
    }
    if (app.got_subcommand("completion") || app.got_subcommand("manual")) {
        return Early{0, printed(app, parsed)};
    }
    // Whoever names a socket wants that one, whatever the environment says.
    if (socket.count() > 0) {
        parsed.tls.address.clear();
    }
    if (const std::string missing = missing_tls(app, parsed.tls); !missing.empty()) {
        return wrong_usage(missing);
    }
    // Not require_subcommand(): it would hide which word was not understood.
    if (!parsed.command) {
        if (app.got_subcommand("config")) {
            return wrong_usage("say what to do with the configuration: show");
        }
        return wrong_usage(
            app.got_subcommand("policy")
                ? "say what to do with policies: apply, list, mode, test or delete"
                : "give a command: status, pins, leaks, top, failures, notifiers, watch, conflicts, "
                  "explain, doctor, support, holds, audit, audit-log, census, policy, config, record, report, diff "
                  "or completion");
    }
    // Filled in place: moved through a temporary, the variant's other members look uninitialised to g++ 12.
    std::variant<Arguments, Early> result;
    auto& chosen = std::get<Arguments>(result);
    chosen.socket = std::move(parsed.socket);
    chosen.socket_given = !environment_socket.empty() || app.count("--socket") > 0;
    chosen.tls = std::move(parsed.tls);
    chosen.recording = std::move(parsed.recording);
    chosen.json = parsed.json;
    chosen.wide = parsed.wide;
    chosen.command = std::move(*parsed.command);
    return result;
}

std::optional<std::uint64_t> parse_size(std::string_view text)
{
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::array<std::pair<std::string_view, unsigned>, 9> kUnits{
        {{"", 0}, {"K", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40}, {"TiB", 40}}};
    const auto* const found =
        std::ranges::find(kUnits, unit, [](const std::pair<std::string_view, unsigned>& entry) { return entry.first; });
    if (found == kUnits.end() || number > (std::numeric_limits<std::uint64_t>::max() >> found->second)) {
        return std::nullopt;
    }
    return number << found->second;
}

std::optional<std::uint64_t> parse_duration(std::string_view text)
{
    constexpr std::uint64_t kLongest = 100ULL * 366 * 86'400'000'000'000;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kUnits{{{"ms", 1'000'000},
                                                                                {"s", 1'000'000'000},
                                                                                {"m", 60'000'000'000},
                                                                                {"h", 3'600'000'000'000},
                                                                                {"d", 86'400'000'000'000}}};
    const auto* const found = std::ranges::find(
        kUnits, unit, [](const std::pair<std::string_view, std::uint64_t>& entry) { return entry.first; });
    if (found == kUnits.end() || number > kLongest / found->second) {
        return std::nullopt;
    }
    return number * found->second;
}

std::string check_duration(const std::string& text)
{
    return parse_duration(text) ? "" : "\"" + text + "\" is not a duration; write 500ms, 30s, 5m, 2h or 7d";
}

}  // namespace pinwarden::cli
