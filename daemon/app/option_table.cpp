#include "app/option_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>

#include "act/protected_processes.h"
#include "app/api_sockets.h"
#include "app/option_checks.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

using Values = std::vector<std::string>;

// How an option is written into, and read from, its field.
template <auto Field>
void set_text(Options& options, const Values& values)
{
    options.*Field = values.front();
}

template <auto Field>
Values get_text(const Options& options)
{
    return {options.*Field};
}

// One that is not there when it is empty.
template <auto Field>
Values get_given_text(const Options& options)
{
    const std::string& text = options.*Field;
    return text.empty() ? Values{} : Values{text};
}

template <auto Field>
void set_list(Options& options, const Values& values)
{
    options.*Field = values;
}

template <auto Field>
Values get_list(const Options& options)
{
    return options.*Field;
}

template <auto Field>
void set_duration(Options& options, const Values& values)
{
    options.*Field = parse_duration(values.front()).value_or(options.*Field);
}

template <auto Field>
Values get_duration(const Options& options)
{
    return {format_duration(options.*Field)};
}

// `Meaning`: what the field is when the switch is on.
template <auto Field, bool Meaning>
void set_switch(Options& options, const Values& values)
{
    options.*Field = (values.front() == "true") == Meaning;
}

template <auto Field, bool Meaning>
Values get_switch(const Options& options)
{
    return {options.*Field == Meaning ? "true" : "false"};
}

// The same of a part of the options over TLS; a text that is empty is not there.
template <auto Field>
void set_tls_text(Options& options, const Values& values)
{
    options.tls.*Field = values.front();
}

template <auto Field>
Values get_tls_text(const Options& options)
{
    const std::string& text = options.tls.*Field;
    return text.empty() ? Values{} : Values{text};
}

template <auto Field>
void set_tls_list(Options& options, const Values& values)
{
    options.tls.*Field = values;
}

template <auto Field>
Values get_tls_list(const Options& options)
{
    return options.tls.*Field;
}

void set_event_log_size(Options& options, const Values& values)
{
    options.event_log_bytes = parse_size(values.front()).value_or(options.event_log_bytes);
}

Values get_event_log_size(const Options& options)
{
    return {format_size(options.event_log_bytes)};
}

void set_cgroup_metrics(Options& options, const Values& values)
{
    options.cgroup_metrics = parse_cgroup_metrics(values.front()).value_or(options.cgroup_metrics);
}

Values get_cgroup_metrics(const Options& options)
{
    return {std::to_string(options.cgroup_metrics)};
}

void set_ring(Options& options, const Values& values)
{
    options.ring_bytes = static_cast<std::uint32_t>(parse_size(values.front()).value_or(options.ring_bytes));
}

Values get_ring(const Options& options)
{
    return {format_size(options.ring_bytes)};
}

void set_max_files(Options& options, const Values& values)
{
    options.max_files = parse_max_files(values.front()).value_or(options.max_files);
}

Values get_max_files(const Options& options)
{
    return {std::to_string(options.max_files)};
}

void set_memory_limit(Options& options, const Values& values)
{
    options.memory_limit = parse_size(values.front()).value_or(options.memory_limit);
}

Values get_memory_limit(const Options& options)
{
    return {format_size(options.memory_limit)};
}

// The group that is asked for, or else the usual one where there is one.
Values group_in_force(const std::optional<std::string>& asked_for, const char* usual)
{
    if (asked_for) {
        return {*asked_for};
    }
    return find_group(usual) ? Values{usual} : Values{};
}

Values get_operator_group(const Options& options)
{
    return group_in_force(options.operator_group, kOperatorGroup);
}

Values get_reader_socket(const Options& options)
{
    const ApiSockets sockets = api_sockets(options);
    return sockets.readers ? Values{sockets.readers->path} : Values{};
}

Values get_reader_group(const Options& options)
{
    return options.readers ? group_in_force(options.reader_group, kReaderGroup) : Values{};
}

constexpr std::array<std::string_view, 1> kExcludesNoReaders{"no-reader-socket"};
constexpr std::array<std::string_view, 2> kExcludesReaders{"reader-socket", "reader-group"};
constexpr std::array<std::string_view, 1> kExcludesNoState{"no-state"};
constexpr std::array<std::string_view, 1> kExcludesStateDir{"state-dir"};

const std::array kOptions{
    OptionSpec{.name = "socket",
               .type = "PATH",
               .help = "Unix socket to serve the API on, for operators",
               .check = check_socket,
               .set = set_text<&Options::socket>,
               .get = get_text<&Options::socket>,
               .is_path = true},
    OptionSpec{.name = "operator-group",
               .type = "GROUP",
               .help = "group whose members may use that socket as well, and do everything; if not given: "
                       "pinwarden-admin, where there is such a group",
               .check = check_group,
               .set = set_text<&Options::operator_group>,
               .get = get_operator_group},
    OptionSpec{.name = "reader-socket",
               .type = "PATH",
               .help = "Unix socket to serve the API on where nothing can be changed; if not given: reader.sock beside "
                       "the other one",
               .check = check_socket,
               .set = set_text<&Options::reader_socket>,
               .get = get_reader_socket,
               .is_path = true,
               .excludes = kExcludesNoReaders},
    OptionSpec{.name = "reader-group",
               .type = "GROUP",
               .help = "group whose members may use that socket; if not given: pinwarden, where there is such a group",
               .check = check_group,
               .set = set_text<&Options::reader_group>,
               .get = get_reader_group,
               .excludes = kExcludesNoReaders},
    OptionSpec{.name = "no-reader-socket",
               .kind = OptionKind::kSwitch,
               .help = "serve no socket for readers",
               .set = set_switch<&Options::readers, false>,
               .get = get_switch<&Options::readers, false>,
               .excludes = kExcludesReaders},
    OptionSpec{.name = "tls-address",
               .type = "HOST:PORT",
               .help =
                   "where to serve the API over TCP as well, with TLS and certificates on both sides; if not given: "
                   "nowhere. Wants the three files below, and somebody with a role",
               .check = check_tls_address,
               .set = set_tls_text<&TlsOptions::address>,
               .get = get_tls_text<&TlsOptions::address>},
    OptionSpec{.name = "tls-certificate",
               .type = "FILE",
               .help = "the daemon's certificate, PEM, with those that lead to its authority; this file and the next "
                       "two are read again when they have changed",
               .check = check_pem,
               .set = set_tls_text<&TlsOptions::certificate>,
               .get = get_tls_text<&TlsOptions::certificate>,
               .is_path = true},
    OptionSpec{.name = "tls-key",
               .type = "FILE",
               .help = "the key of that certificate, PEM, without a passphrase",
               .check = check_pem,
               .set = set_tls_text<&TlsOptions::key>,
               .get = get_tls_text<&TlsOptions::key>,
               .is_path = true},
    OptionSpec{.name = "tls-client-ca",
               .type = "FILE",
               .help = "the authorities whose certificates clients must have, PEM",
               .check = check_pem,
               .set = set_tls_text<&TlsOptions::client_ca>,
               .get = get_tls_text<&TlsOptions::client_ca>,
               .is_path = true},
    OptionSpec{.name = "tls-reader",
               .kind = OptionKind::kList,
               .type = "NAME",
               .help =
                   "who may look, over TCP: a DNS name or URI in the client's certificate, or its common name where "
                   "it has no alternative names; may be repeated",
               .check = check_certificate_name,
               .set = set_tls_list<&TlsOptions::readers>,
               .get = get_tls_list<&TlsOptions::readers>},
    OptionSpec{.name = "tls-operator",
               .kind = OptionKind::kList,
               .type = "NAME",
               .help = "who may do everything, over TCP; may be repeated",
               .check = check_certificate_name,
               .set = set_tls_list<&TlsOptions::operators>,
               .get = get_tls_list<&TlsOptions::operators>},
    OptionSpec{.name = "metrics-address",
               .type = "HOST:PORT",
               .help = "where to serve /metrics",
               .check = check_address,
               .set = set_text<&Options::metrics_address>,
               .get = get_text<&Options::metrics_address>},
    OptionSpec{.name = "policy",
               .kind = OptionKind::kList,
               .type = "PATH",
               .help = "policy file, or folder of *.yaml files, besides policies.d; may be repeated",
               .check = check_policy,
               .set = set_list<&Options::policies>,
               .get = get_list<&Options::policies>,
               .at_run_time = true,
               .is_path = true},
    OptionSpec{.name = "watch-config",
               .kind = OptionKind::kSwitch,
               .help = "look every ten seconds whether the files of configuration and policies say something new, and "
                       "do then what SIGHUP does; for containers, whose files are exchanged beneath them",
               .set = set_switch<&Options::watch_config, true>,
               .get = get_switch<&Options::watch_config, true>},
    OptionSpec{.name = "host-root",
               .type = "FOLDER",
               .help = "where this machine's files are seen, for a daemon in a container: policies and answers name "
                       "them without it. Wants to be mounted with all that is mounted below it",
               .check = check_host_root,
               .set = set_text<&Options::host_root>,
               .get = get_text<&Options::host_root>,
               .is_path = true},
    OptionSpec{.name = "ring-size",
               .type = "SIZE",
               .help = "size of the ring buffer the kernel reports through: a power of two",
               .check = check_ring_size,
               .set = set_ring,
               .get = get_ring},
    OptionSpec{.name = "memory-limit",
               .type = "SIZE",
               .help =
                   "how much memory may be used for what is pinned: from there on no more pins are followed, which is "
                   "counted and mended when there is room again",
               .check = check_memory_limit,
               .set = set_memory_limit,
               .get = get_memory_limit,
               .at_run_time = true},
    OptionSpec{.name = "max-files",
               .type = "NUMBER",
               .help = "how many files with pins the kernel side knows of at once: operations on further ones are "
                       "decided by their pages alone. Each takes some 200 bytes of the kernel's memory",
               .check = check_max_files,
               .set = set_max_files,
               .get = get_max_files},
    OptionSpec{.name = "log-level",
               .type = "LEVEL",
               .help = "how much to log: debug, info, warning, error",
               .check = check_log_level,
               .set = set_text<&Options::log_level>,
               .get = get_text<&Options::log_level>,
               .at_run_time = true},
    OptionSpec{.name = "leak-after",
               .type = "DURATION",
               .help = "how long a pin may outlive its owner before it is called a leak: 500ms, 30s, 5m, 1h",
               .check = check_duration,
               .set = set_duration<&Options::leak_after>,
               .get = get_duration<&Options::leak_after>,
               .at_run_time = true},
    OptionSpec{.name = "long-lived-after",
               .type = "DURATION",
               .help = "how long a pin that was not made for long (direct I/O, ...) is held before it is shown like "
                       "one that was",
               .check = check_duration,
               .set = set_duration<&Options::long_lived_after>,
               .get = get_duration<&Options::long_lived_after>,
               .at_run_time = true},
    OptionSpec{.name = "quiet-after",
               .type = "DURATION",
               .help = "how long every pin must have been one that its object (an io_uring buffer, an RDMA region, a "
                       "VFIO mapping, an AF_XDP umem) lets go as a whole, until the functions that release single "
                       "pages are listened to no more, which makes releases cheaper; when another is made they are "
                       "listened to again, and until what was released meanwhile is found, for some milliseconds, the "
                       "ledger is not certain; 0s: always listen",
               .check = check_duration,
               .set = set_duration<&Options::quiet_after>,
               .get = get_duration<&Options::quiet_after>,
               .at_run_time = true},
    OptionSpec{.name = "track-short-term",
               .kind = OptionKind::kSwitch,
               .help = "record every pin that is not made for long, so that those that stay are found, not only where "
                       "memory is pinned for long as well; costs each direct read or write some microseconds and two "
                       "records in the ring, about 500 bytes",
               .set = set_switch<&Options::track_short_term, true>,
               .get = get_switch<&Options::track_short_term, true>},
    OptionSpec{.name = "user-stacks",
               .kind = OptionKind::kSwitch,
               .help = "record what of a program asked for each long-term pin, for `pinctl leaks --user-stack`; costs "
                       "each such pin some microseconds and 1 KiB in the ring, and tells only what is built with frame "
                       "pointers",
               .set = set_switch<&Options::user_stacks, true>,
               .get = get_switch<&Options::user_stacks, true>},
    OptionSpec{.name = "cgroup-metrics",
               .type = "COUNT",
               .help =
                   "for how many cgroups, of those that hold most, metrics tell what they have pinned: 0 to 20; the "
                   "series come and go with the cgroups",
               .check = check_cgroup_metrics,
               .set = set_cgroup_metrics,
               .get = get_cgroup_metrics,
               .at_run_time = true},
    OptionSpec{.name = "no-census",
               .kind = OptionKind::kSwitch,
               .help = "do not look for pins from before the start: on a machine with terabytes of memory that takes a "
                       "while",
               .set = set_switch<&Options::census, false>,
               .get = get_switch<&Options::census, false>},
    OptionSpec{.name = "state-dir",
               .type = "FOLDER",
               .help = "folder of this daemon's own, in which policies that come over the API are kept for the next "
                       "start; made when it is needed",
               .check = check_folder,
               .set = set_text<&Options::state_dir>,
               .get = get_text<&Options::state_dir>,
               .is_path = true,
               .excludes = kExcludesNoState},
    OptionSpec{.name = "no-state",
               .kind = OptionKind::kSwitch,
               .help = "keep no policies",
               .set = set_switch<&Options::state, false>,
               .get = get_switch<&Options::state, false>,
               .excludes = kExcludesStateDir},
    OptionSpec{.name = "audit-log",
               .type = "PATH",
               .help =
                   "where signals, changes of policies and releases of holds are recorded before they are done, and "
                   "denials after; where that cannot be done, none is sent, and nothing more is enforced",
               .check = check_file,
               .set = set_text<&Options::audit_log>,
               .get = get_text<&Options::audit_log>,
               .is_path = true},
    OptionSpec{.name = "event-log",
               .type = "PATH",
               .help =
                   "where conflicts and what was decided about them are written, as lines of JSON for whoever ships "
                   "logs; when it is full it is put aside, and four such files are kept; none if not given",
               .check = check_event_log,
               .set = set_text<&Options::event_log>,
               .get = get_given_text<&Options::event_log>,
               .is_path = true},
    OptionSpec{.name = "event-log-size",
               .type = "SIZE",
               .help = "how large that file may become: 1MiB to 64GiB",
               .check = check_event_log_size,
               .set = set_event_log_size,
               .get = get_event_log_size},
    OptionSpec{.name = "event-journal",
               .kind = OptionKind::kSwitch,
               .help = "write the same to the systemd journal, with the line in the field PINWARDEN_EVENT",
               .set = set_switch<&Options::event_journal, true>,
               .get = get_switch<&Options::event_journal, true>},
    OptionSpec{.name = "protect",
               .kind = OptionKind::kList,
               .type = "NAME_OR_PATH",
               .help = "executable whose processes are never signalled, by path or by name alone, besides those that "
                       "the machine needs; may be repeated",
               .check = check_protected,
               .set = set_list<&Options::protect>,
               .get = get_list<&Options::protect>,
               .at_run_time = true},
};

}  // namespace

std::span<const OptionSpec> option_table()
{
    return kOptions;
}

const OptionSpec* find_option(std::string_view name)
{
    const auto* const found = std::ranges::find(kOptions, name, &OptionSpec::name);
    return found == kOptions.end() ? nullptr : found;
}

const OptionSpec* find_option_by_key(std::string_view key)
{
    const auto* const found = std::ranges::find_if(kOptions, [&](const OptionSpec& one) { return key_of(one) == key; });
    return found == kOptions.end() ? nullptr : found;
}

std::string key_of(const OptionSpec& option)
{
    std::string key(option.name);
    std::ranges::replace(key, '-', '_');
    return key;
}

std::vector<std::string> option_keys()
{
    std::vector<std::string> keys;
    std::ranges::transform(kOptions, std::back_inserter(keys), key_of);
    return keys;
}

}  // namespace pinwarden
