// The command line of pinctl as plain data.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pinwarden::cli {

inline constexpr std::string_view kDefaultSocket = "/run/pinwarden/operator.sock";
// Used in place of the default one by who may not open that, and told of no other.
inline constexpr std::string_view kDefaultReaderSocket = "/run/pinwarden/reader.sock";

struct StatusCommand {};

struct PinsCommand {
    v1::PinFilter filter = {};
    v1::PinOrder order = v1::PIN_ORDER_UNSPECIFIED;
    std::optional<v1::PinGrouping> by = {};  // add up
    std::uint64_t limit = 0;                 // 0: all
    std::uint64_t id = 0;                    // only this one, unless 0
    bool stack = false;
    std::optional<std::uint64_t> again = {};  // show them again and again, after so many nanoseconds each time
};

// What is outstanding, added up.
struct LeaksCommand {
    bool user_stack = false;  // group and show by what of the program asked for the pins as well
    v1::PinFilter filter = {};
    v1::PinGrouping by = v1::PIN_GROUPING_STACK;
    v1::PinGroupOrder order = v1::PIN_GROUP_ORDER_UNSPECIFIED;
    std::uint32_t top = 0;
    bool folded = false;
    std::optional<std::uint64_t> again = {};  // nanoseconds
    std::uint64_t count = 0;                  // 0: until interrupted
};

struct FailuresCommand {
    bool stack = false;
};

enum class Kind { kPin, kRelease, kConflict, kVerdict, kFailure, kOrphan, kLeak, kHold, kSignal, kRevocation };

struct NotifiersCommand {};

struct WatchCommand {
    std::vector<Kind> kinds;  // empty: all
    std::uint64_t count = 0;  // 0: until interrupted
    v1::PinFilter filter = {};
};

struct HoldsCommand {};

struct HoldReleaseCommand {
    std::uint64_t id = 0;
    bool allow = false;  // else: deny
};

struct AuditCommand {
    bool ledger_only = false;
    bool repair = false;
};

struct CensusCommand {
    bool look_only = false;
};

struct PolicyApplyCommand {
    std::vector<std::string> files;  // "-" is standard input
    bool validate_only = false;
    std::optional<std::uint64_t> if_generation = {};  // only while this one is in force
};

struct PolicyListCommand {};

struct PolicyDeleteCommand {
    std::string name;
    std::optional<std::uint64_t> if_generation = {};
};

struct AuditLogCommand {
    bool follow = false;
    std::uint64_t last = 0;                   // 0: all
    std::optional<std::uint64_t> since = {};  // nanoseconds ago
    std::string policy = {};                  // empty: any
};

struct ConflictsCommand {
    std::uint32_t last = 20;                 // the newest
    std::string file = {};                   // path prefix, made absolute; empty: any
    std::vector<std::string> verdicts = {};  // empty: any
    std::string policy = {};                 // empty: any
    std::uint32_t pid = 0;                   // 0: any
};

struct DoctorCommand {
    bool repair = false;
};

struct ExplainCommand {
    std::string subject;  // a path, DEVICE:INODE, or a pid
};

struct SupportCommand {
    std::string output = {};  // path of the archive; empty: named by the time, here
    std::string metrics_address = "127.0.0.1:9877";
    std::string log = {};  // path; empty: none
};
struct ConfigShowCommand {};

enum class PolicyMode { kMonitor, kEnforce, kOff };

struct PolicyModeCommand {
    std::string name;
    PolicyMode mode = PolicyMode::kMonitor;
    std::optional<std::uint64_t> if_generation = {};
};

struct PolicyTestCommand {
    std::string file;  // made absolute; empty: by inode
    std::uint64_t inode = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::string operation;                   // "truncate:0"
    std::vector<std::string> policies = {};  // files; "-" is standard input
    std::optional<std::uint32_t> uid = {};
    std::string comm = {};
};

struct RecordCommand {
    std::string output;
    std::optional<std::uint64_t> lasting = {};  // nanoseconds; nothing: until interrupted
    bool replace = false;                       // a file that is there
};

// Of a recording: what was pinned at its end, added up.
struct ReportCommand {
    std::string recording;
    LeaksCommand groups = {};
};

struct DiffCommand {
    std::string before;
    std::string after;
    LeaksCommand groups = {};
};

struct TopCommand {
    v1::PinFilter filter = {};
    std::uint64_t every = 2'000'000'000;  // nanoseconds
    bool once = false;                    // as text, without a terminal
};

using Command = std::variant<StatusCommand, PinsCommand, LeaksCommand, TopCommand, FailuresCommand, NotifiersCommand,
                             WatchCommand, HoldsCommand, HoldReleaseCommand, AuditCommand, CensusCommand,
                             PolicyApplyCommand, PolicyListCommand, PolicyDeleteCommand, PolicyModeCommand,
                             PolicyTestCommand, AuditLogCommand, ConflictsCommand, DoctorCommand, ExplainCommand,
                             SupportCommand, ConfigShowCommand, RecordCommand, ReportCommand, DiffCommand>;

// The API over TCP. Without an address: over the Unix socket.
struct TlsArguments {
    std::string address;      // HOST:PORT
    std::string ca;           // files, PEM
    std::string certificate;  // the user's own
    std::string key;
};

struct Arguments {
    std::string socket;
    bool socket_given = false;  // else it is the default one
    TlsArguments tls = {};
    std::string recording = {};  // to ask in place of a daemon; empty: none
    bool json = false;
    bool wide = false;  // lines as long as they need to be
    Command command;
};

// pinctl is done before it began: help or version asked for (0), or wrong usage (2).
struct Early {
    int exit_code = 0;
    std::string text;  // to standard output when exit_code is 0, else to standard error
};

// `arguments` without the program's name; `environment_socket` is the value of PINWARDEN_SOCKET, or empty;
// `environment_tls` those of PINWARDEN_ADDRESS, PINWARDEN_TLS_CA, PINWARDEN_TLS_CERTIFICATE and PINWARDEN_TLS_KEY.
std::variant<Arguments, Early> parse_arguments(std::vector<std::string> arguments,
                                               const std::string& environment_socket,
                                               const TlsArguments& environment_tls = {});

// "4096", "64K", "64KiB", "1M", "2GiB" → bytes, with units of 1024. Nothing when it is none of these, or too large.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "500ms", "30s", "5m", "2h", "7d" → nanoseconds. Nothing when it is none of these, or longer than a hundred years.
std::optional<std::uint64_t> parse_duration(std::string_view text);
// What is wrong with it, and what is right; empty when nothing is.
std::string check_duration(const std::string& text);

}  // namespace pinwarden::cli
