#include "policy/yaml_schema.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>
#include <string_view>
#include <utility>

#include "policy/suggest.h"
#include "policy/units.h"
#include "policy/yaml_reader.h"

namespace pinwarden {
namespace {

using yaml::Field;
using yaml::field_names;
using yaml::Named;
using yaml::nearest_place;
using yaml::read_list;
using yaml::read_map;
using yaml::read_named;
using yaml::read_text;
using yaml::read_texts;
using yaml::read_value;
using yaml::Reader;
using yaml::refuse;
using yaml::Schema;

Result<std::uint32_t> read_uid(const Reader& reader, const std::string& path, const YamlNode& node)
{
    const auto text = read_text(reader, path, node);
    if (!text) {
        return std::unexpected(text.error());
    }
    std::uint32_t uid = 0;
    const char* const end = text->data() + text->size();
    const auto parsed = std::from_chars(text->data(), end, uid);
    if (parsed.ec != std::errc{} || parsed.ptr != end) {
        return refuse(reader, node.place, path,
                      "\"" + shorten(*text) +
                          "\" is no user id (write a number from 0 to 4294967294; names are not "
                          "looked up)");
    }
    return uid;
}

constexpr std::array kModes = {Named{"monitor", Mode::kMonitor}, Named{"enforce", Mode::kEnforce},
                               Named{"off", Mode::kOff}};
constexpr std::array kOperations = {
    Named{"truncate", Operation::kTruncate},
    Named{"punch_hole", Operation::kPunchHole},
    Named{"collapse_range", Operation::kCollapseRange},
    Named{"zero_range", Operation::kZeroRange},
    Named{"insert_range", Operation::kInsertRange},
    Named{"madv_remove", Operation::kMadvRemove},
    Named{"umount", Operation::kUmount},
    Named{"munmap", Operation::kMunmap},
    Named{"mmap_fixed", Operation::kMmapFixed},
    Named{"mremap", Operation::kMremap},
    Named{"madv_dontneed", Operation::kMadvDontneed},
    Named{"madv_guard", Operation::kMadvGuard},
    Named{"invalidate", Operation::kInvalidate},
};
constexpr std::array kUnresolved = {Named{"deny", Unresolved::kDeny}, Named{"allow", Unresolved::kAllow},
                                    Named{"hold", Unresolved::kHold}};
constexpr std::array kUnattended = {Named{"release", Unattended::kRelease}, Named{"keep", Unattended::kKeep}};
constexpr std::array kOutcomes = {Named{"deny", Outcome::kDeny}, Named{"allow", Outcome::kAllow}};
constexpr std::array kTargets = {Named{"owners", SignalTarget::kOwners}, Named{"caller", SignalTarget::kCaller}};
constexpr std::array kBooleans = {Named{"true", true}, Named{"false", false}};

Result<void> read_name(Reader& reader, const std::string& path, const YamlNode& node)
{
    auto name = read_text(reader, path, node);
    if (!name) {
        return std::unexpected(name.error());
    }
    reader.policy.name = std::move(*name);
    return {};
}

Result<void> read_mode(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kModes, reader.policy.mode);
}

Result<void> read_unresolved(Reader& reader, const std::string& path, const YamlNode& node)
{
    reader.unresolved_given = true;
    return read_named(reader, path, node, kUnresolved, reader.policy.unresolved);
}

Result<void> read_unattended(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kUnattended, reader.policy.when_unattended);
}

Result<void> read_operations(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        return read_named(reader, item_path, item, kOperations, reader.policy.operations.emplace_back());
    });
}

Result<void> read_paths(Reader& reader, const std::string& path, const YamlNode& node, std::vector<std::string>& into)
{
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        const auto text = read_text(reader, item_path, item);
        if (!text) {
            return std::unexpected(text.error());
        }
        auto normal = normalise_path_prefix(*text);
        if (!normal) {
            return refuse(reader, item.place, item_path, normal.error().message);
        }
        into.push_back(std::move(*normal));
        return {};
    });
}

Result<void> read_path_prefixes(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_paths(reader, path, node, reader.policy.file.path_prefixes);
}

Result<void> read_mounts(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_paths(reader, path, node, reader.policy.file.mounts);
}

Result<void> read_inodes(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        return read_value(reader, item_path, item, parse_inode, reader.policy.file.inodes.emplace_back());
    });
}

Result<void> read_filesystems(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_texts(reader, path, node, reader.policy.file.filesystems);
}

Result<void> read_drivers(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_texts(reader, path, node, reader.policy.pin.drivers);
}

Result<void> read_min_bytes(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_value(reader, path, node, parse_size, reader.policy.pin.min_bytes);
}

Result<void> read_min_age(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_value(reader, path, node, parse_duration, reader.policy.pin.min_age);
}

Result<void> read_long_term(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kBooleans, reader.policy.pin.long_term.emplace());
}

// `Who`: the owner of pins, or the caller of the operation.
using Who = ProcessSelector Policy::*;

template <Who Whose>
Result<void> read_uids(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        const auto uid = read_uid(reader, item_path, item);
        if (!uid) {
            return std::unexpected(uid.error());
        }
        (reader.policy.*Whose).uids.push_back(*uid);
        return {};
    });
}

template <Who Whose>
Result<void> read_comms(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_texts(reader, path, node, (reader.policy.*Whose).comms);
}

template <Who Whose>
Result<void> read_cgroups(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_paths(reader, path, node, (reader.policy.*Whose).cgroups);
}

template <Who Whose>
Result<void> read_binaries(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_paths(reader, path, node, (reader.policy.*Whose).binaries);
}

template <Who Whose>
Result<void> read_containers(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_texts(reader, path, node, (reader.policy.*Whose).containers);
}

Result<void> read_errno(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_value(reader, path, node, errno_from_name, reader.policy.deny_errno);
}

Result<void> read_timeout(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_value(reader, path, node, parse_duration, reader.hold.timeout);
}

Result<void> read_on_timeout(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kOutcomes, reader.hold.on_timeout);
}

Result<void> read_fallback(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kOutcomes, reader.hold.fallback);
}

Result<void> read_notify(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_value(reader, path, node, signal_from_name, reader.revoke.notify);
}

Result<void> read_grace(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_value(reader, path, node, parse_duration, reader.revoke.grace);
}

Result<void> read_steps(Reader& reader, const std::string& path, const YamlNode& node, std::vector<SignalStep>& into)
{
    std::vector<std::string> entries;
    // What is wrong with an empty list, parse_signal_steps() says better: this one would match nothing anyway.
    if (node.kind != YamlNode::Kind::kList || !node.children.empty()) {
        if (auto read = read_texts(reader, path, node, entries); !read) {
            return read;
        }
    }
    auto steps = parse_signal_steps(entries);
    if (!steps) {
        const std::string field = path + steps.error().field;
        return refuse(reader, nearest_place(reader, field, node.place), field, steps.error().what);
    }
    into = std::move(*steps);
    return {};
}

Result<void> read_then(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_steps(reader, path, node, reader.revoke.then);
}

Result<void> read_signals(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_steps(reader, path, node, reader.signal.signals);
}

Result<void> read_target(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kTargets, reader.signal.target);
}

constexpr std::array kFileFields = {Field{"path_prefixes", read_path_prefixes}, Field{"mounts", read_mounts},
                                    Field{"inodes", read_inodes}, Field{"filesystems", read_filesystems}};
constexpr Schema kFileSchema = {.message = "FileSelector", .fields = kFileFields};

constexpr std::array kPinFields = {Field{"drivers", read_drivers}, Field{"min_bytes", read_min_bytes},
                                   Field{"min_age", read_min_age}, Field{"long_term", read_long_term}};
constexpr Schema kPinSchema = {.message = "PinSelector", .fields = kPinFields};

template <Who Whose>
constexpr std::array kProcessFields = {Field{"uids", read_uids<Whose>}, Field{"comms", read_comms<Whose>},
                                       Field{"cgroups", read_cgroups<Whose>}, Field{"binaries", read_binaries<Whose>},
                                       Field{"containers", read_containers<Whose>}};
constexpr Schema kOwnerSchema = {.message = "ProcessSelector", .fields = kProcessFields<&Policy::owner>};
constexpr Schema kCallerSchema = {.message = "ProcessSelector", .fields = kProcessFields<&Policy::caller>};

constexpr std::array kDenyFields = {Field{"errno", read_errno}};
constexpr Schema kDenySchema = {.message = "Deny", .fields = kDenyFields, .may_be_empty = true};

constexpr std::array kRevokeFields = {Field{"notify", read_notify}, Field{"grace", read_grace},
                                      Field{"then", read_then}};
constexpr Schema kRevokeSchema = {.message = "Revoke", .fields = kRevokeFields};

Result<void> read_revoke(Reader& reader, const std::string& path, const YamlNode& node)
{
    if (auto read = read_map(reader, path, node, kRevokeSchema); !read) {
        return read;
    }
    reader.hold.revoke = reader.revoke;
    return {};
}

constexpr std::array kHoldFields = {Field{"timeout", read_timeout}, Field{"revoke", read_revoke},
                                    Field{"on_timeout", read_on_timeout}, Field{"fallback", read_fallback},
                                    Field{"errno", read_errno}};
constexpr Schema kHoldSchema = {.message = "Hold", .fields = kHoldFields, .may_be_empty = true};

Result<void> read_file(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_map(reader, path, node, kFileSchema);
}

Result<void> read_pin(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_map(reader, path, node, kPinSchema);
}

Result<void> read_owner(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_map(reader, path, node, kOwnerSchema);
}

Result<void> read_caller(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_map(reader, path, node, kCallerSchema);
}

Result<void> read_deny(Reader& reader, const std::string& path, const YamlNode& node)
{
    reader.policy.deny_errno = EBUSY;
    return read_map(reader, path, node, kDenySchema);
}

Result<void> read_hold(Reader& reader, const std::string& path, const YamlNode& node)
{
    reader.policy.deny_errno = EBUSY;
    if (auto read = read_map(reader, path, node, kHoldSchema); !read) {
        return read;
    }
    reader.policy.hold = reader.hold;
    return {};
}

constexpr std::array kSignalFields = {
    Field{"target", read_target},
    Field{"signals", read_signals, "say which signals are sent, such as signals: [SIGTERM, 5s, SIGKILL]"}};
constexpr Schema kSignalSchema = {.message = "SignalAction", .fields = kSignalFields};

constexpr Schema kNotifySchema = {.message = "NotifyAction", .fields = {}, .may_be_empty = true};

Result<void> read_signal(Reader& reader, const std::string& path, const YamlNode& node)
{
    if (auto read = read_map(reader, path, node, kSignalSchema); !read) {
        return read;
    }
    reader.policy.signal = reader.signal;
    return {};
}

Result<void> read_notify_action(Reader& reader, const std::string& path, const YamlNode& node)
{
    reader.policy.notify = true;
    return read_map(reader, path, node, kNotifySchema);
}

constexpr std::array kMatchFields = {
    Field{"operations", read_operations,
          "without it the policy would match nothing: say which operations, such as operations: [truncate]"},
    Field{"file", read_file},
    Field{"pin", read_pin},
    Field{"owner", read_owner},
    Field{"caller", read_caller},
};
constexpr Schema kMatchSchema = {.message = "Match", .fields = kMatchFields, .may_be_empty = true};

constexpr std::array kActionFields = {Field{"deny", read_deny}, Field{"hold", read_hold}, Field{"signal", read_signal},
                                      Field{"notify", read_notify_action}};
constexpr std::array<std::string_view, 1> kLaterActionFields = {"revoke"};
constexpr Schema kActionSchema = {.message = "Action", .fields = kActionFields, .later = kLaterActionFields};

Result<void> read_match(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_map(reader, path, node, kMatchSchema);
}

Result<void> read_action(Reader& reader, const std::string& path, const YamlNode& node)
{
    if (node.kind == YamlNode::Kind::kMap && node.children.size() > 1) {
        std::vector<std::string> given;
        given.reserve(node.children.size());
        for (const YamlNode& child : node.children) {
            given.push_back(shorten(child.key));
        }
        return refuse(reader, node.place, path, "must be exactly one, not " + join(given) + "; remove the others");
    }
    return read_map(reader, path, node, kActionSchema);
}

constexpr std::array kPolicyFields = {
    Field{"name", read_name, "give the policy a name, such as name: protect-datasets"},
    Field{"mode", read_mode, "choose monitor, enforce or off, such as mode: monitor"},
    Field{
        "match", read_match,
        "without it the policy would match everything: say which operations, such as match: {operations: [truncate]}"},
    Field{"action", read_action, "say what to do, such as action: {deny: {errno: EBUSY}}"},
    Field{"unresolved", read_unresolved},
    Field{"when_unattended", read_unattended},
};
constexpr Schema kPolicySchema = {.message = "Policy", .fields = kPolicyFields};

}  // namespace

Result<Policy> read_policy(const YamlNode& document, const std::string& source)
{
    Reader reader;
    reader.source = source;
    reader.policy.source = source;
    if (auto read = read_map(reader, "", document, kPolicySchema); !read) {
        return std::unexpected(read.error());
    }
    if (!reader.unresolved_given) {
        reader.policy.unresolved = default_unresolved(reader.policy);
    }
    if (const auto problem = find_problem(reader.policy)) {
        return refuse(reader, nearest_place(reader, problem->field, document.place), problem->field, problem->what);
    }
    return std::move(reader.policy);
}

std::vector<KnownFields> known_policy_fields()
{
    std::vector<KnownFields> known;
    for (const Schema* schema :
         {&kPolicySchema, &kMatchSchema, &kFileSchema, &kPinSchema, &kOwnerSchema, &kActionSchema, &kDenySchema,
          &kHoldSchema, &kRevokeSchema, &kSignalSchema, &kNotifySchema}) {
        known.push_back({std::string(schema->message), field_names(*schema)});
    }
    return known;
}

}  // namespace pinwarden
