#include "app/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <filesystem>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

#include "act/protected_processes.h"
#include "app/api_sockets.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

constexpr std::uint64_t kSmallestRing = 4096;
constexpr std::uint64_t kLargestRing = 1U << 30U;

std::string check_ring_size(const std::string& text)
{
    std::uint64_t bytes = 0;
    if (!CLI::detail::lexical_cast(text, bytes) || !std::has_single_bit(bytes) || bytes < kSmallestRing ||
        bytes > kLargestRing) {
        return "wants a power of two from 4KiB to 1GiB, such as 16MiB";
    }
    return {};
}

std::string check_duration(const std::string& text)
{
    const auto duration = parse_duration(text);
    return duration ? std::string() : duration.error().message;
}

std::string check_file(const std::string& text)
{
    return text.empty() || text.ends_with('/') ? "wants the path of a file, such as /var/log/pinwarden/audit.log"
                                               : std::string();
}

std::string check_group(const std::string& text)
{
    return find_group(text) ? std::string() : "there is no group \"" + text + "\"; make it with groupadd --system";
}

std::string check_folder(const std::string& text)
{
    if (!text.starts_with('/')) {
        return "wants the absolute path of a folder, such as /var/lib/pinwarden";
    }
    std::error_code error;
    return std::filesystem::exists(text, error) && !std::filesystem::is_directory(text, error)
               ? text + " is no folder; name one, or a place where one can be made"
               : std::string();
}

std::string check_protected(const std::string& text)
{
    const auto protects = ProtectedProcesses::with({text});
    return protects ? std::string() : protects.error().message;
}

std::string check_address(const std::string& text)
{
    constexpr std::uint32_t kLastPort = 65535;
    const auto colon = text.rfind(':');
    const std::string host = text.substr(0, colon);
    std::uint32_t port = 0;
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (colon == std::string::npos || host.empty() || (host.find(':') != std::string::npos && !bracketed) ||
        !CLI::detail::lexical_cast(text.substr(colon + 1), port) || port == 0 || port > kLastPort) {
        return "wants HOST:PORT, such as 0.0.0.0:9878 or [::]:9878";
    }
    return {};
}

std::string check_name(const std::string& text)
{
    return text.empty() ? "wants a name" : std::string();
}

void add_tls(CLI::App& app, TlsOptions& tls)
{
    app.add_option("--tls-address", tls.address,
                   "where to serve the API over TCP as well, with TLS and certificates on both sides; if not given: "
                   "nowhere. Wants the three files below, and somebody with a role")
        ->type_name("HOST:PORT")
        ->check(CLI::Validator(check_address, ""));
    app.add_option("--tls-certificate", tls.certificate,
                   "the daemon's certificate, PEM, with those that lead to its authority; this file and the next two "
                   "are read again when they have changed")
        ->type_name("FILE");
    app.add_option("--tls-key", tls.key, "the key of that certificate, PEM, without a passphrase")->type_name("FILE");
    app.add_option("--tls-client-ca", tls.client_ca, "the authorities whose certificates clients must have, PEM")
        ->type_name("FILE");
    for (const auto& [name, names, help] :
         {std::tuple{"--tls-reader", &tls.readers,
                     "who may look, over TCP: a DNS name or URI in the client's certificate, or its common name where "
                     "it has no alternative names; may be repeated"},
          std::tuple{"--tls-operator", &tls.operators, "who may do everything, over TCP; may be repeated"}}) {
        app.add_option(name, *names, help)
            ->type_name("NAME")
            ->allow_extra_args(false)
            ->check(CLI::Validator(check_name, ""));
    }
}

// What is missing, of all that belongs together.
void check_tls(const TlsOptions& tls)
{
    const bool none = tls.address.empty() && tls.certificate.empty() && tls.key.empty() && tls.client_ca.empty() &&
                      tls.readers.empty() && tls.operators.empty();
    if (none) {
        return;
    }
    for (const auto& [name, value] :
         {std::pair{"--tls-address", &tls.address}, std::pair{"--tls-certificate", &tls.certificate},
          std::pair{"--tls-key", &tls.key}, std::pair{"--tls-client-ca", &tls.client_ca}}) {
        if (value->empty()) {
            throw CLI::ValidationError(name,
                                       "is missing: TCP is served with --tls-address, --tls-certificate, "
                                       "--tls-key and --tls-client-ca together, or not at all");
        }
    }
    if (tls.readers.empty() && tls.operators.empty()) {
        throw CLI::ValidationError("--tls-address",
                                   "nobody could call: give --tls-reader or --tls-operator with a name that is in a "
                                   "client's certificate");
    }
    for (const std::string& name : tls.readers) {
        if (std::ranges::find(tls.operators, name) != tls.operators.end()) {
            throw CLI::ValidationError("--tls-reader", name + " is given to --tls-operator as well; choose one");
        }
    }
}

CLI::Option& add_duration(CLI::App& app, const std::string& name, Nanoseconds& value, const std::string& help)
{
    return *app.add_option_function<std::string>(
                   name, [&value](const std::string& text) { value = parse_duration(text).value_or(value); }, help)
                ->type_name("DURATION")
                ->default_str(format_duration(value))
                ->check(CLI::Validator(check_duration, ""));
}

}  // namespace

std::expected<Options, EarlyExit> parse_options(int count, const char* const* arguments)
{
    Options options;
    CLI::App app{
        "pinwardend watches long-lived page pins, sees when a file operation meets one, and, when policy says so, "
        "stops it.",
        "pinwardend"};
    app.option_defaults()->always_capture_default();
    app.set_version_flag("--version", "pinwardend " PINWARDEN_VERSION);
    app.add_option("--socket", options.socket, "Unix socket to serve the API on, for operators")->type_name("PATH");
    app.add_option("--operator-group", options.operator_group,
                   "group whose members may use that socket as well, and do everything; if not given: pinwarden-admin, "
                   "where there is such a group")
        ->type_name("GROUP")
        ->check(CLI::Validator(check_group, ""));
    CLI::Option& reader_socket = *app.add_option("--reader-socket", options.reader_socket,
                                                 "Unix socket to serve the API on where nothing can be changed; if not "
                                                 "given: reader.sock beside the other one")
                                      ->type_name("PATH");
    CLI::Option& reader_group =
        *app.add_option("--reader-group", options.reader_group,
                        "group whose members may use that socket; if not given: pinwarden, where there is such a group")
             ->type_name("GROUP")
             ->check(CLI::Validator(check_group, ""));
    app.add_flag("!--no-reader-socket", options.readers, "serve no socket for readers")
        ->excludes(&reader_socket)
        ->excludes(&reader_group);
    add_tls(app, options.tls);
    app.add_option("--metrics-address", options.metrics_address, "where to serve /metrics")->type_name("HOST:PORT");
    app.add_option("--policy", options.policies, "policy file, or folder of *.yaml files; may be repeated")
        ->type_name("PATH")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--ring-size", options.ring_bytes, "size of the ring buffer the kernel reports through")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Validator(check_ring_size, "power of two"));
    app.add_option("--log-level", options.log_level, "how much to log")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
    add_duration(app, "--leak-after", options.leak_after,
                 "how long a pin may outlive its owner before it is called a leak: 500ms, 30s, 5m, 1h");
    add_duration(app, "--long-lived-after", options.long_lived_after,
                 "how long a pin that was not made for long (direct I/O, ...) is held before it is shown like one that "
                 "was");
    add_duration(
        app, "--quiet-after", options.quiet_after,
        "how long every pin must have been one that its object (an io_uring buffer, an RDMA region, a VFIO "
        "mapping, an AF_XDP umem) lets go as a whole, until the functions that release single pages are listened "
        "to no more, which makes releases cheaper; when another is made they are listened to again, and until "
        "what was released meanwhile is found, for some milliseconds, the ledger is not certain; 0s: always "
        "listen");
    app.add_flag("--track-short-term", options.track_short_term,
                 "record every pin that is not made for long, so that those that stay are found, not only where memory "
                 "is pinned for long as well; costs each direct read or write some microseconds and two records in the "
                 "ring, about 500 bytes");
    app.add_flag(
        "!--no-census", options.census,
        "do not look for pins from before the start: on a machine with terabytes of memory that takes a while");
    CLI::Option& state_dir = *app.add_option("--state-dir", options.state_dir,
                                             "folder of this daemon's own, in which policies that come over the API "
                                             "are kept for the next start; made when it is needed")
                                  ->type_name("FOLDER")
                                  ->check(CLI::Validator(check_folder, ""));
    app.add_flag("!--no-state", options.state, "keep no policies")->excludes(&state_dir);
    app.add_option(
           "--audit-log", options.audit_log,
           "where signals, changes of policies and releases of holds are recorded before they are done, and denials "
           "after; where that cannot be done, none is sent, and nothing more is enforced")
        ->type_name("PATH")
        ->check(CLI::Validator(check_file, ""));
    app.add_option("--protect", options.protect,
                   "executable whose processes are never signalled, by path or by name alone, besides those that the "
                   "machine needs; may be repeated")
        ->type_name("NAME_OR_PATH")
        ->allow_extra_args(false)
        ->check(CLI::Validator(check_protected, ""));
    app.add_flag("--probe", options.probe,
                 "only tell whether this kernel can run pinwardend: status 0, or 1 and the reason");
    app.add_flag("--release-holds", options.release_holds,
                 "only continue whoever a daemon that was killed left stopped in a held operation; for what a service "
                 "manager runs after it");
    app.add_flag("--release-kept", options.release_kept,
                 "only end what policies with when_unattended: keep left in force when their daemon ended");
    try {
        app.parse(count, arguments);
        check_tls(options.tls);
        const ApiSockets sockets = api_sockets(options);
        if (sockets.readers && sockets.readers->path == sockets.operators.path) {
            throw CLI::ValidationError("--reader-socket", sockets.readers->path +
                                                              " is the socket for operators; choose another, or "
                                                              "--no-reader-socket");
        }
    } catch (const CLI::ParseError& error) {
        const bool wrong_usage = error.get_exit_code() != 0;
        if (!wrong_usage) {
            return std::unexpected(
                EarlyExit{0, error.get_name() == "CallForHelp" ? app.help() : std::string(error.what()) + "\n"});
        }
        return std::unexpected(
            EarlyExit{2, "pinwardend: " + std::string(error.what()) + "\npinwardend --help tells what there is\n"});
    }
    return options;
}

}  // namespace pinwarden
