#include "policy/policy_yaml.h"

#include <fcntl.h>
#include <pinwarden/abi.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "policy/units.h"
#include "policy/yaml_schema.h"
#include "policy/yaml_tree.h"

namespace pinwarden {
namespace {

struct PlacedPolicy {
    Policy policy;
    YamlPlace place;  // of its name
};

Result<std::vector<PlacedPolicy>> read_documents(std::string_view text, const std::string& source)
{
    const auto documents = parse_yaml(text, source);
    if (!documents) {
        return std::unexpected(documents.error());
    }
    std::vector<PlacedPolicy> placed;
    for (const YamlNode& document : *documents) {
        auto policy = read_policy(document, source);
        if (!policy) {
            return std::unexpected(policy.error());
        }
        placed.push_back({std::move(*policy), document.find("name")->place});
    }
    return placed;
}

Result<void> refuse_duplicates(const std::vector<PlacedPolicy>& placed)
{
    std::map<std::string, std::string> seen;
    for (const auto& [policy, place] : placed) {
        const std::string here = to_string(policy.source, place);
        const auto [first, fresh] = seen.emplace(policy.name, here);
        if (!fresh) {
            return fail(
                here + ": name: \"" + policy.name + "\" is taken by the policy at " + first->second + "; rename one",
                EINVAL);
        }
    }
    return {};
}

Result<std::vector<Policy>> without_places(std::vector<PlacedPolicy> placed)
{
    if (auto unique = refuse_duplicates(placed); !unique) {
        return std::unexpected(unique.error());
    }
    std::vector<Policy> policies;
    policies.reserve(placed.size());
    for (PlacedPolicy& one : placed) {
        policies.push_back(std::move(one.policy));
    }
    return policies;
}

// At most one byte more than a policy text may have: enough to see that it is too long.
Result<std::string> read_text(int fd, const std::string& path)
{
    std::string text(kMaxPolicyTextBytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return std::unexpected(system_error(path + ": cannot read policy", errno));
        }
        if (got == 0) {
            break;
        }
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

Result<std::vector<PlacedPolicy>> read_file(const std::string& path)
{
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) {
        return std::unexpected(system_error(path + ": cannot open policy", errno));
    }
    struct stat status = {};
    if (::fstat(fd.get(), &status) != 0) {
        return std::unexpected(system_error(path + ": cannot open policy", errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(path + ": is not a regular file; policies are read from files", EINVAL);
    }
    const auto text = read_text(fd.get(), path);
    if (!text) {
        return std::unexpected(text.error());
    }
    return read_documents(*text, path);
}

Result<std::vector<std::string>> list_folder(const std::string& path)
{
    std::error_code error;
    std::vector<std::string> files;
    std::filesystem::directory_iterator entry(path, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.starts_with('.')) {
            continue;
        }
        if (name.ends_with(".yml")) {
            return fail(entry->path().string() + ": would be overlooked, only *.yaml is read; rename it to .yaml",
                        EINVAL);
        }
        if (name.ends_with(".yaml")) {
            files.push_back(entry->path().string());
        }
    }
    if (error) {
        return std::unexpected(system_error(path + ": cannot read policy folder", error.value()));
    }
    std::ranges::sort(files);
    return files;
}

Result<std::vector<PlacedPolicy>> read_folder(const std::string& path)
{
    const auto files = list_folder(path);
    if (!files) {
        return std::unexpected(files.error());
    }
    std::vector<PlacedPolicy> placed;
    for (const std::string& file : *files) {
        auto more = read_file(file);
        if (!more) {
            return std::unexpected(more.error());
        }
        std::ranges::move(*more, std::back_inserter(placed));
        if (placed.size() > PW_POLICIES) {
            return fail(file + ": with this file the folder has " + std::to_string(placed.size()) +
                            " policies; at most " + std::to_string(PW_POLICIES) + " are possible",
                        EINVAL);
        }
    }
    return placed;
}

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

Result<std::vector<Policy>> parse_policies(std::string_view text, const std::string& source)
{
    auto placed = read_documents(text, source);
    if (!placed) {
        return std::unexpected(placed.error());
    }
    return without_places(std::move(*placed));
}

Result<std::vector<Policy>> load_policies(const std::string& path)
{
    std::error_code error;
    const bool folder = std::filesystem::is_directory(path, error);
    auto placed = folder ? read_folder(path) : read_file(path);
    if (!placed) {
        return std::unexpected(placed.error());
    }
    return without_places(std::move(*placed));
}

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
