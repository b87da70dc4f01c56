#include "policy/policy_yaml.h"

#include <algorithm>
#include <array>

#include "policy/units.h"

namespace pinwarden {
namespace {

// Letters that mean themselves anywhere in YAML, and no word that another reader would take for a number or a boolean.
bool is_plain(std::string_view text)
{
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto harmless = [&](char c) {
        return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '/' || c == '.';
    };
    constexpr std::array<std::string_view, 9> kWords = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return !text.empty() && (letter(text.front()) || text.front() == '/') &&
           std::ranges::all_of(text, [&](char c) { return harmless(c) || c == '-'; }) &&
           std::ranges::find(kWords, lower) == kWords.end();
}

std::string scalar(std::string_view text)
{
    if (is_plain(text)) {
        return std::string(text);
    }
    std::string quoted = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') {
            quoted += '\\';
        }
        quoted += letter;
    }
    return quoted + "\"";
}

template <typename Value, typename Format>
std::string flow_list(const std::vector<Value>& values, Format format)
{
    std::string text = "[";
    for (const Value& value : values) {
        text += (text.size() > 1 ? ", " : "") + format(value);
    }
    return text + "]";
}

std::string texts(const std::vector<std::string>& values)
{
    return flow_list(values, [](const std::string& value) { return scalar(value); });
}

// "  NAME:" and its lines, or nothing when there are none.
std::string block(const std::string& name, const std::string& lines)
{
    return lines.empty() ? "" : "  " + name + ":\n" + lines;
}

std::string line(const std::string& name, const std::string& value)
{
    return "    " + name + ": " + value + "\n";
}

std::string inodes_text(const std::vector<InodeId>& inodes)
{
    return flow_list(inodes, [](const InodeId& inode) { return scalar(to_string(inode)); });
}

std::string file_lines(const FileSelector& file)
{
    return (file.path_prefixes.empty() ? "" : line("path_prefixes", texts(file.path_prefixes))) +
           (file.mounts.empty() ? "" : line("mounts", texts(file.mounts))) +
           (file.inodes.empty() ? "" : line("inodes", inodes_text(file.inodes))) +
           (file.filesystems.empty() ? "" : line("filesystems", texts(file.filesystems)));
}

std::string pin_lines(const PinSelector& pin)
{
    return (pin.drivers.empty() ? "" : line("drivers", texts(pin.drivers))) +
           (pin.min_bytes == 0 ? "" : line("min_bytes", format_size(pin.min_bytes))) +
           (pin.min_age == 0 ? "" : line("min_age", format_duration(pin.min_age))) +
           (pin.long_term ? line("long_term", *pin.long_term ? "true" : "false") : "");
}

std::string process_lines(const ProcessSelector& process)
{
    const auto number = [](std::uint32_t uid) { return std::to_string(uid); };
    return (process.uids.empty() ? "" : line("uids", flow_list(process.uids, number))) +
           (process.comms.empty() ? "" : line("comms", texts(process.comms))) +
           (process.cgroups.empty() ? "" : line("cgroups", texts(process.cgroups))) +
           (process.binaries.empty() ? "" : line("binaries", texts(process.binaries))) +
           (process.containers.empty() ? "" : line("containers", texts(process.containers)));
}

// Names of signals and durations mean themselves in YAML.
std::string flow_map(const Revoke& revoke)
{
    const auto plain = [](const std::string& entry) { return entry; };
    return "{" + (revoke.notify ? "notify: " + signal_name(*revoke.notify) + ", " : "") +
           "grace: " + format_duration(revoke.grace) +
           (revoke.then.empty() ? "" : ", then: " + flow_list(format_signal_steps(revoke.then), plain)) + "}";
}

std::string action_lines(const Policy& policy)
{
    if (policy.signal) {
        const auto plain = [](const std::string& entry) { return entry; };
        return block("signal", line("target", std::string(to_string(policy.signal->target))) +
                                   line("signals", flow_list(format_signal_steps(policy.signal->signals), plain)));
    }
    if (policy.notify) {
        return "  notify: {}\n";
    }
    const std::string error = line("errno", errno_name(policy.deny_errno));
    if (!policy.hold) {
        return block("deny", error);
    }
    const Hold& hold = *policy.hold;
    return block("hold", line("timeout", format_duration(hold.timeout)) +
                             (hold.revoke ? line("revoke", flow_map(*hold.revoke)) : "") +
                             line("on_timeout", std::string(to_string(hold.on_timeout))) +
                             line("fallback", std::string(to_string(hold.fallback))) + error);
}

}  // namespace

std::string to_yaml(const Policy& policy)
{
    const auto operation = [](Operation one) { return std::string(to_string(one)); };
    return "name: " + scalar(policy.name) + "\nmode: " + std::string(to_string(policy.mode)) +
           "\nmatch:\n  operations: " + flow_list(policy.operations, operation) + "\n" +
           block("file", file_lines(policy.file)) + block("pin", pin_lines(policy.pin)) +
           block("owner", process_lines(policy.owner)) + block("caller", process_lines(policy.caller)) + "action:\n" +
           action_lines(policy) + "unresolved: " + std::string(to_string(policy.unresolved)) +
           "\nwhen_unattended: " + std::string(to_string(policy.when_unattended)) + "\n";
}

}  // namespace pinwarden
