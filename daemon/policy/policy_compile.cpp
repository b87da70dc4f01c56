// From policies to what the kernel's side compares.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "policy/policy_set.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

std::uint64_t bit(std::size_t slot)
{
    return std::uint64_t{1} << slot;
}

std::uint32_t flags_of(const Policy& policy)
{
    std::uint32_t flags = 0;
    const auto set_if = [&flags](bool condition, pw_policy_flags flag) {
        if (condition) {
            flags |= static_cast<std::uint32_t>(flag);
        }
    };
    set_if(policy.mode != Mode::kOff, PW_POLICY_IN_USE);
    set_if(policy.mode == Mode::kEnforce, PW_POLICY_ENFORCE);
    set_if(policy.file.anywhere(), PW_POLICY_ANY_PATH);
    set_if(policy.selects_pins(), PW_POLICY_SELECTS_PINS);
    set_if(policy.unresolved == Unresolved::kDeny, PW_POLICY_UNRESOLVED_DENY);
    set_if(policy.unresolved == Unresolved::kHold, PW_POLICY_UNRESOLVED_HOLD);
    set_if(policy.hold.has_value(), PW_POLICY_HOLD);
    set_if(policy.signal.has_value(), PW_POLICY_SIGNAL);
    set_if(policy.notify, PW_POLICY_NOTIFY);
    set_if(policy.when_unattended == Unattended::kKeep, PW_POLICY_KEEP);
    set_if(policy.hold && policy.hold->on_timeout == Outcome::kAllow, PW_POLICY_TIMEOUT_ALLOW);
    set_if(policy.hold && policy.hold->fallback == Outcome::kAllow, PW_POLICY_FALLBACK_ALLOW);
    return flags;
}

// Invalidations are none of the kernel's side's: nothing could be done about them there.
constexpr std::array kKinds{std::pair(Operation::kTruncate, PW_OPERATION_TRUNCATE),
                            std::pair(Operation::kPunchHole, PW_OPERATION_PUNCH_HOLE),
                            std::pair(Operation::kCollapseRange, PW_OPERATION_COLLAPSE_RANGE),
                            std::pair(Operation::kZeroRange, PW_OPERATION_ZERO_RANGE),
                            std::pair(Operation::kInsertRange, PW_OPERATION_INSERT_RANGE),
                            std::pair(Operation::kMadvRemove, PW_OPERATION_MADV_REMOVE),
                            std::pair(Operation::kUmount, PW_OPERATION_UMOUNT)};

std::uint32_t operations_of(const Policy& policy)
{
    std::uint32_t operations = 0;
    for (const auto& [operation, kind] : kKinds) {
        if (std::ranges::find(policy.operations, operation) != policy.operations.end()) {
            operations |= 1U << static_cast<unsigned>(kind);
        }
    }
    return operations;
}

pw_policy compile_one(const Policy& policy)
{
    pw_policy compiled{};
    compiled.flags = flags_of(policy);
    compiled.error = static_cast<__u32>(policy.deny_errno);
    compiled.operations = operations_of(policy);
    // One that does not hold may do so, too, until all pins are known.
    compiled.hold_nanoseconds = policy.hold.value_or(Hold()).timeout;
    compiled.filesystems = static_cast<__u32>(policy.file.filesystems.size());
    for (std::size_t i = 0; i < policy.file.filesystems.size(); ++i) {
        const std::string& name = policy.file.filesystems[i];
        std::memcpy(compiled.filesystem[i], name.data(), std::min<std::size_t>(name.size(), PW_FILESYSTEM_NAME - 1));
    }
    return compiled;
}

// One policy, while what it selects is looked up.
class Compilation {
public:
    Compilation(const Policy& policy, std::size_t slot, PathResolver& resolver, CompiledPolicies& compiled)
        : policy_(policy), bit_(bit(slot)), slot_(slot), resolver_(resolver), compiled_(compiled)
    {
    }

    Result<void> run()
    {
        if (auto places = find_places(); !places) {
            return places;
        }
        find_plain_callers();
        if (auto programs = find_programs(policy_.caller.binaries, "match.caller.binaries", true); !programs) {
            return programs;
        }
        find_cgroups();
        // Owners are compared by the daemon, but what it compares with is looked at here.
        if (auto programs = find_programs(policy_.owner.binaries, "match.owner.binaries", false); !programs) {
            return programs;
        }
        compiled_.pending[slot_] = join(missing_);
        return {};
    }

private:
    std::unexpected<Error> failed(const Error& error, const std::string& field) const
    {
        return std::unexpected(error.within("policy \"" + policy_.name + "\": " + field));
    }

    // Of what one selector lists, `there` exists.
    void note(bool any_listed, bool any_there)
    {
        if (any_listed && !any_there) {
            compiled_.waiting |= bit_;
        }
    }

    void add_directories(const ResolvedPath& resolved)
    {
        for (const DirectoryId& directory : resolved.directories) {
            compiled_.prefixes[directory] |= bit_;
        }
    }

    Result<void> find_places()
    {
        bool any = !policy_.file.inodes.empty();
        for (const std::string& path : policy_.file.path_prefixes) {
            const auto resolved = resolver_.resolve(path);
            if (!resolved) {
                return failed(resolved.error(), "match.file.path_prefixes");
            }
            if (resolved->directories.empty()) {
                missing_.push_back("path " + path + " does not exist yet");
                continue;
            }
            any = true;
            compiled_.paths[resolved->path] |= bit_;
            add_directories(*resolved);
        }
        for (const std::string& path : policy_.file.mounts) {
            const auto resolved = resolver_.mounted_at(path);
            if (!resolved) {
                return failed(resolved.error(), "match.file.mounts");
            }
            if (resolved->directories.empty()) {
                missing_.push_back("nothing is mounted at " + path + " yet");
                continue;
            }
            any = true;
            compiled_.mounts[{resolved->path, resolved->directories.front().device}] |= bit_;
            add_directories(*resolved);
        }
        for (const InodeId& inode : policy_.file.inodes) {
            compiled_.prefixes[{inode.inode, inode.major << 20U | inode.minor}] |= bit_;
        }
        note(!policy_.file.anywhere(), any);
        return {};
    }

    void add_caller(CallerId caller) { compiled_.callers[std::move(caller)] |= bit_; }

    void any_caller_unless(pw_caller_kind kind, bool selects)
    {
        if (!selects) {
            compiled_.table.any_caller[kind] |= bit_;
        }
    }

    void find_plain_callers()
    {
        const ProcessSelector& caller = policy_.caller;
        for (const std::uint32_t uid : caller.uids) {
            add_caller({.kind = PW_CALLER_UID, .number = uid, .device = 0, .name = ""});
        }
        for (const std::string& comm : caller.comms) {
            add_caller({.kind = PW_CALLER_COMM, .number = 0, .device = 0, .name = comm});
        }
        any_caller_unless(PW_CALLER_UID, !caller.uids.empty());
        any_caller_unless(PW_CALLER_COMM, !caller.comms.empty());
        any_caller_unless(PW_CALLER_BINARY, !caller.binaries.empty());
        any_caller_unless(PW_CALLER_CGROUP, !caller.cgroups.empty());
        any_caller_unless(PW_CALLER_CONTAINER, !caller.containers.empty());
        if (!caller.any()) {
            compiled_.table.selects_callers = 1;
        }
    }

    Result<void> find_programs(const std::vector<std::string>& binaries, const std::string& field, bool callers)
    {
        bool any = false;
        for (const std::string& path : binaries) {
            const auto program = resolver_.program(path);
            if (!program) {
                return failed(program.error(), field);
            }
            if (!*program) {
                missing_.push_back("the folder of program " + path + " does not exist yet");
                continue;
            }
            any = true;
            if (callers) {
                const auto& [folder, name] = **program;
                add_caller({.kind = PW_CALLER_BINARY, .number = folder.inode, .device = folder.device, .name = name});
            }
        }
        note(callers && !binaries.empty(), any);
        return {};
    }

    void find_cgroups()
    {
        const ProcessSelector& caller = policy_.caller;
        bool any = false;
        for (const std::string& path : caller.cgroups) {
            if (const auto id = resolver_.cgroup(path)) {
                any = true;
                add_caller({.kind = PW_CALLER_CGROUP, .number = *id, .device = 0, .name = ""});
            } else {
                missing_.push_back("cgroup " + path + " does not exist yet");
            }
        }
        note(!caller.cgroups.empty(), any);
        any = false;
        for (const std::string& container : caller.containers) {
            const auto ids = resolver_.container(container);
            any = any || !ids.empty();
            for (const std::uint64_t id : ids) {
                add_caller({.kind = PW_CALLER_CONTAINER, .number = id, .device = 0, .name = ""});
            }
            if (ids.empty()) {
                missing_.push_back("container " + container + " does not run yet");
            }
        }
        note(!caller.containers.empty(), any);
        if (!caller.cgroups.empty() || !caller.containers.empty()) {
            compiled_.table.by_cgroup |= bit_;
        }
    }

    const Policy& policy_;
    std::uint64_t bit_;
    std::size_t slot_;
    PathResolver& resolver_;
    CompiledPolicies& compiled_;
    std::vector<std::string> missing_;
};

}  // namespace

// What cannot be normalised stays as it is, for validate() to name.
void normalise(Policy& policy)
{
    for (std::vector<std::string>* paths : {&policy.file.path_prefixes, &policy.file.mounts, &policy.owner.cgroups,
                                            &policy.owner.binaries, &policy.caller.cgroups, &policy.caller.binaries}) {
        for (std::string& path : *paths) {
            if (auto normal = normalise_path_prefix(path)) {
                path = std::move(*normal);
            }
        }
    }
}

Result<CompiledPolicies> compile(const std::vector<Policy>& policies, PathResolver& resolver)
{
    CompiledPolicies compiled;
    compiled.table.count = static_cast<__u32>(policies.size());
    compiled.pending.resize(policies.size());
    for (std::size_t slot = 0; slot < policies.size(); ++slot) {
        const Policy& policy = policies[slot];
        compiled.table.policy[slot] = compile_one(policy);
        if (policy.mode == Mode::kOff) {
            continue;
        }
        if (auto done = Compilation(policy, slot, resolver, compiled).run(); !done) {
            return std::unexpected(done.error());
        }
    }
    return compiled;
}

std::string_view policy_state(const CompiledPolicies& compiled, std::size_t slot)
{
    const std::uint32_t flags = slot < compiled.table.count ? compiled.table.policy[slot].flags : 0;
    if ((flags & PW_POLICY_IN_USE) == 0) {
        return "off";
    }
    if ((compiled.waiting & bit(slot)) != 0) {
        return "pending";
    }
    return (flags & PW_POLICY_ENFORCE) != 0 ? "active" : "monitoring";
}

std::uint64_t policies_covering(const CompiledPolicies& compiled, const FileKey& file, std::string_view path)
{
    const auto itself = compiled.prefixes.find({file.inode, file.device});
    std::uint64_t slots = itself == compiled.prefixes.end() ? 0 : itself->second;
    if (!path.starts_with('/')) {
        return slots;
    }
    for (const auto& [prefix, covering] : compiled.paths) {
        slots |= at_or_below(path, prefix) ? covering : 0;
    }
    for (const auto& [mount, covering] : compiled.mounts) {
        slots |= mount.device == file.device && at_or_below(path, mount.path) ? covering : 0;
    }
    return slots;
}

}  // namespace pinwarden
