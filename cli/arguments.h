// The command line of pinctl as plain data.
#pragma once

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
    std::uint32_t pid = 0;  // 0: any
    std::string driver;     // empty: any
    std::uint64_t min_bytes = 0;
    bool stack = false;
    bool orphans = false;
};

struct LeaksCommand {
    bool stack = false;
};

struct FailuresCommand {
    bool stack = false;
};

enum class Kind { kPin, kRelease, kConflict, kVerdict, kFailure, kOrphan, kLeak, kHold, kSignal, kRevocation };

struct NotifiersCommand {};

struct WatchCommand {
    std::vector<Kind> kinds;  // empty: all
    std::uint64_t count = 0;  // 0: until interrupted
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
};

struct PolicyListCommand {};

struct PolicyDeleteCommand {
    std::string name;
};

struct AuditLogCommand {
    bool follow = false;
    std::uint64_t last = 0;                   // 0: all
    std::optional<std::uint64_t> since = {};  // nanoseconds ago
    std::string policy = {};                  // empty: any
};

enum class PolicyMode { kMonitor, kEnforce, kOff };

struct PolicyModeCommand {
    std::string name;
    PolicyMode mode = PolicyMode::kMonitor;
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

using Command =
    std::variant<StatusCommand, PinsCommand, LeaksCommand, FailuresCommand, NotifiersCommand, WatchCommand,
                 HoldsCommand, HoldReleaseCommand, AuditCommand, CensusCommand, PolicyApplyCommand, PolicyListCommand,
                 PolicyDeleteCommand, PolicyModeCommand, PolicyTestCommand, AuditLogCommand>;

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
    bool json = false;
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

}  // namespace pinwarden::cli
