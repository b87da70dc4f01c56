// Policies written and read, and the text's fields beside the schema's.
#include <pinwarden/v1/policy.pb.h>

#include <array>
#include <catch2/catch.hpp>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <random>
#include <set>

#include "policy/policy_yaml.h"

namespace pinwarden {

TEST_CASE("a policy survives being written and read", "[policy_yaml]")
{
    const std::vector<std::string> words = {"ext4", "null", "~",     "true",  "Off",      "1e3", "-x",
                                            "a: b", "# c",  "\"q\"", "\\",    "'s'",      "*a",  "&a",
                                            "[x]",  "{y}",  "a b",   " pad ", "\xc3\xa4", "%d"};
    std::mt19937 random(42);
    const auto one_of = [&](auto... values) {
        const std::array all = {values...};
        return all[random() % all.size()];
    };
    const auto some_words = [&](const std::string& prefix) {
        std::set<std::string> chosen;
        for (std::size_t i = random() % 4; i > 0; --i) {
            chosen.insert(prefix + words[random() % words.size()]);
        }
        return std::vector<std::string>(chosen.begin(), chosen.end());
    };
    for (int round = 0; round < 300; ++round) {
        Policy policy;
        policy.name = one_of("p", "a.b-c_d", "123", "null", "-x", "...", "off");
        policy.mode = one_of(Mode::kMonitor, Mode::kEnforce, Mode::kOff);
        policy.operations = {Operation::kTruncate};
        policy.file = {.path_prefixes = some_words("/"),
                       .mounts = some_words("/"),
                       .inodes = round % 4 == 0 ? std::vector<InodeId>{{.major = 8, .minor = 1, .inode = 7}}
                                                : std::vector<InodeId>{},
                       .filesystems = some_words("")};
        policy.pin = {some_words(""), one_of(0ULL, 1ULL, 4096ULL, 3ULL << 30U, ~0ULL),
                      one_of(0ULL, 1ULL, 5'000'000'000ULL)};
        for (ProcessSelector* who : {&policy.owner, &policy.caller}) {
            *who = {.uids = round % 2 == 0 ? std::vector<std::uint32_t>{} : std::vector<std::uint32_t>{0, 4294967294U},
                    .comms = some_words(""),
                    .cgroups = some_words("/"),
                    .binaries = some_words("/"),
                    .containers = some_words("")};
        }
        policy.deny_errno = one_of(EBUSY, EPERM, 133, EAGAIN);
        if (round % 3 == 0) {
            policy.hold = Hold{.timeout = one_of(100'000'000ULL, 10'000'000'000ULL, 3'600'000'000'000ULL),
                               .on_timeout = one_of(Outcome::kDeny, Outcome::kAllow),
                               .fallback = one_of(Outcome::kDeny, Outcome::kAllow)};
        }
        if (round % 6 == 0) {
            policy.hold->timeout = kMaxHoldTimeout;
            const std::vector<SignalStep> steps = {
                {.signal = SIGTERM, .wait = one_of(100'000'000ULL, 90'000'000'000ULL)},
                {.signal = one_of(SIGKILL, SIGRTMAX, SIGIO)}};
            policy.hold->revoke = Revoke{.notify = one_of(SIGUSR1, SIGRTMIN, SIGRTMIN + 2),
                                         .grace = one_of(100'000'000ULL, 5'000'000'000ULL),
                                         .then = round % 18 == 0 ? std::vector<SignalStep>{} : steps};
        }
        if (round % 12 == 0) {
            policy.hold->revoke = Revoke{.notify = std::nullopt, .grace = 0, .then = {{.signal = SIGKILL}}};
        }
        policy.unresolved = one_of(Unresolved::kDeny, Unresolved::kAllow, Unresolved::kHold);
        policy.when_unattended = one_of(Unattended::kRelease, Unattended::kKeep);
        if (round % 5 == 0) {
            policy.deny_errno = 0;
            policy.hold.reset();
            policy.when_unattended = Unattended::kRelease;
            policy.unresolved = one_of(Unresolved::kAllow, Unresolved::kHold);
            policy.operations.push_back(Operation::kMunmap);
            policy.notify = round % 10 == 0;
            if (!policy.notify) {
                policy.signal =
                    SignalAction{.target = one_of(SignalTarget::kOwners, SignalTarget::kCaller),
                                 .signals = {{.signal = SIGTERM, .wait = 100'000'000}, {.signal = SIGKILL}}};
            }
        }
        policy.source = "x.yaml";
        const std::string text = to_yaml(policy);
        INFO(text);
        REQUIRE(validate(policy));
        const auto back = parse_policies(text, "x.yaml");
        INFO((back ? "" : back.error().message));
        REQUIRE(back);
        CHECK(back->front() == policy);
        CHECK(to_yaml(back->front()) == text);
    }
}

TEST_CASE("policy text and protobuf schema have the same fields and values", "[policy_yaml]")
{
    const google::protobuf::FileDescriptor& schema = *v1::Policy::descriptor()->file();
    const std::vector<KnownFields> known = known_policy_fields();
    CHECK(known.size() == static_cast<std::size_t>(schema.message_type_count()));
    for (const auto& [message, fields] : known) {
        INFO(message);
        const auto* descriptor = schema.FindMessageTypeByName(message);
        REQUIRE(descriptor != nullptr);
        std::set<std::string> in_schema;
        for (int i = 0; i < descriptor->field_count(); ++i) {
            const auto& field = *descriptor->field(i);
            in_schema.insert(field.has_json_name() ? field.json_name() : field.name());
        }
        CHECK(std::set<std::string>(fields.begin(), fields.end()) == in_schema);
    }

    // Every value of an enum but the unspecified one, in lower case and without its prefix.
    const std::string head = "name: p\nmode: off\nmatch: {operations: [truncate]}\n";
    const std::vector<std::pair<std::string, std::string>> enums = {
        {"Mode", "name: p\nmode: VALUE\nmatch: {operations: [truncate]}\naction: {deny: {}}\n"},
        {"Operation", "name: p\nmode: off\nmatch: {operations: [VALUE]}\naction: {notify: {}}\n"},
        {"SignalTarget", head + "action: {signal: {target: VALUE, signals: [SIGTERM]}}\n"},
        {"Unresolved", head + "action: {deny: {}}\nunresolved: VALUE\n"},
        {"WhenUnattended", head + "action: {deny: {}}\nwhen_unattended: VALUE\n"},
        {"Outcome", head + "action: {hold: {on_timeout: VALUE}}\n"},
        {"Outcome", head + "action: {hold: {fallback: VALUE}}\n"},
    };
    for (const auto& [name, text] : enums) {
        const auto* descriptor = schema.FindEnumTypeByName(name);
        REQUIRE(descriptor != nullptr);
        const std::size_t prefix = descriptor->value(0)->name().size() - std::string("UNSPECIFIED").size();
        for (int i = 1; i < descriptor->value_count(); ++i) {
            std::string value = descriptor->value(i)->name().substr(prefix);
            for (char& letter : value) {
                letter = static_cast<char>(std::tolower(letter));
            }
            std::string policy = text;
            policy.replace(policy.find("VALUE"), 5, value);
            INFO(policy);
            CHECK(parse_policies(policy, "x.yaml"));
        }
    }
}

}  // namespace pinwarden
