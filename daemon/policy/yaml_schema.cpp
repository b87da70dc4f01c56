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

using yaml::Choices;
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
};
constexpr std::array<std::string_view, 6> kInvalidations = {"munmap",        "mmap_fixed", "mremap",
                                                            "madv_dontneed", "madv_guard", "invalidate"};
constexpr std::array kUnresolved = {Named{"deny", Unresolved::kDeny}, Named{"allow", Unresolved::kAllow},
                                    Named{"hold", Unresolved::kHold}};
constexpr std::array kUnattended = {Named{"release", Unattended::kRelease}, Named{"keep", Unattended::kKeep}};
constexpr std::array kOutcomes = {Named{"deny", Outcome::kDeny}, Named{"allow", Outcome::kAllow}};

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
    return read_named(reader, path, node, kUnresolved, reader.policy.unresolved);
}

Result<void> read_unattended(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_named(reader, path, node, kUnattended, reader.policy.when_unattended);
}

Result<void> read_operations(Reader& reader, const std::string& path, const YamlNode& node)
{
    constexpr Choices kStoppable = {.never = kInvalidations,
                                    .why_never =
                                        "cannot be stopped: the kernel has no hook that could fail it. It "
                                        "is always reported as a conflict, without a policy"};
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        return read_named(reader, item_path, item, kOperations, reader.policy.operations.emplace_back(), kStoppable);
    });
}

Result<void> read_path_prefixes(Reader& reader, const std::string& path, const YamlNode& node)
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
        reader.policy.file.path_prefixes.push_back(std::move(*normal));
        return {};
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

Result<void> read_uids(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        const auto uid = read_uid(reader, item_path, item);
        if (!uid) {
            return std::unexpected(uid.error());
        }
        reader.policy.owner.uids.push_back(*uid);
        return {};
    });
}

Result<void> read_comms(Reader& reader, const std::string& path, const YamlNode& node)
{
    return read_texts(reader, path, node, reader.policy.owner.comms);
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

Result<void> read_then(Reader& reader, const std::string& path, const YamlNode& node)
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
    reader.revoke.then = std::move(*steps);
    return {};
}

constexpr std::array kFileFields = {Field{"path_prefixes", read_path_prefixes}, Field{"filesystems", read_filesystems}};
constexpr Schema kFileSchema = {.message = "FileSelector", .fields = kFileFields};

constexpr std::array kPinFields = {Field{"drivers", read_drivers}, Field{"min_bytes", read_min_bytes},
                                   Field{"min_age", read_min_age}};
constexpr Schema kPinSchema = {.message = "PinSelector", .fields = kPinFields};

constexpr std::array kOwnerFields = {Field{"uids", read_uids}, Field{"comms", read_comms}};
constexpr std::array<std::string_view, 2> kLaterOwnerFields = {"cgroups", "binaries"};
constexpr Schema kOwnerSchema = {.message = "OwnerSelector", .fields = kOwnerFields, .later = kLaterOwnerFields};

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

constexpr std::array kMatchFields = {
    Field{"operations", read_operations,
          "without it the policy would match nothing: say which operations, such as operations: [truncate]"},
    Field{"file", read_file},
    Field{"pin", read_pin},
    Field{"owner", read_owner},
};
constexpr std::array<std::string_view, 1> kLaterMatchFields = {"caller"};
constexpr Schema kMatchSchema = {
    .message = "Match", .fields = kMatchFields, .later = kLaterMatchFields, .may_be_empty = true};

constexpr std::array kActionFields = {Field{"deny", read_deny}, Field{"hold", read_hold}};
constexpr std::array<std::string_view, 2> kLaterActionFields = {"signal", "revoke"};
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
    if (const auto problem = find_problem(reader.policy)) {
        return refuse(reader, nearest_place(reader, problem->field, document.place), problem->field, problem->what);
    }
    return std::move(reader.policy);
}

std::vector<KnownFields> known_policy_fields()
{
    std::vector<KnownFields> known;
    for (const Schema* schema : {&kPolicySchema, &kMatchSchema, &kFileSchema, &kPinSchema, &kOwnerSchema,
                                 &kActionSchema, &kDenySchema, &kHoldSchema, &kRevokeSchema}) {
        known.push_back({std::string(schema->message), field_names(*schema)});
    }
    return known;
}

}  // namespace pinwarden
