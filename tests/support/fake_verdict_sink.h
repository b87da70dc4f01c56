// Stand-ins for what lies beyond the enforcer: the kernel's maps, and its file systems.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "act/verdict_sink.h"

namespace pinwarden {

// Keeps what it is told, as the kernel's maps would, and writes down every call in order.
class FakeVerdictSink final : public VerdictSink {
public:
    struct Ack {
        FileState state;
        std::uint64_t policies = 0;
        std::uint32_t generation = 0;
    };
    // File, slot, half of the double table.
    using VerdictKey = std::tuple<FileKey, std::uint32_t, std::uint32_t>;

    // "install 2", "ack 7", "verdict 7/0 in 2", "clear 7/0 in 2": inode, slot, generation.
    std::vector<std::string> calls;
    std::map<FileKey, Ack> acks;
    std::map<VerdictKey, FileState> verdicts;
    CompiledPolicies installed;
    std::uint32_t generation = 0;
    std::vector<PageRun> untracked;
    std::uint64_t counted_losses = 0;
    std::optional<std::uint64_t> trusted = 0;
    bool by_folio = false;
    std::uint64_t unfollowed_gone = 0;
    std::uint64_t unfollowed = 0;  // pins there ever were that are not followed
    std::uint64_t let_go_unheard = 0;
    bool heard = true;
    std::optional<Error> hear_error;
    // Calls that begin with one of these fail and change nothing.
    std::set<std::string> failing;

    Result<void> install(const CompiledPolicies& policies, std::uint32_t next) override
    {
        return called("install " + std::to_string(next), [&] {
            installed = policies;
            generation = next;
        });
    }

    Result<void> acknowledge(const FileKey& file, const FileState& state, std::uint64_t policies,
                             std::uint32_t of_generation) override
    {
        return called("ack " + std::to_string(file.inode), [&] { acks[file] = {state, policies, of_generation}; });
    }

    Result<void> set_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t of_generation,
                                 const FileState& state) override
    {
        return called("verdict " + key_text(file, slot, of_generation),
                      [&] { verdicts[{file, slot, of_generation & 1U}] = state; });
    }

    Result<void> clear_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t of_generation) override
    {
        return called("clear " + key_text(file, slot, of_generation),
                      [&] { verdicts.erase({file, slot, of_generation & 1U}); });
    }

    std::uint64_t made_cgroups = 0;
    std::uint64_t known_cgroups = 0;
    [[nodiscard]] std::uint64_t cgroups_made() const override { return made_cgroups; }
    void know_cgroups(std::uint64_t made) override { known_cgroups = made; }
    [[nodiscard]] std::uint64_t losses() const override { return counted_losses; }
    void trust_ledger(std::optional<std::uint64_t> after_losses) override
    {
        trusted = after_losses;
        calls.push_back(after_losses ? "trust after " + std::to_string(*after_losses) : "distrust");
    }

    void forget_unfollowed(std::uint64_t pins) override { unfollowed_gone = pins; }
    [[nodiscard]] std::uint64_t unfollowed_made() const override { return unfollowed; }
    [[nodiscard]] std::uint64_t unheard() const override { return let_go_unheard; }
    Result<void> hear_releases(bool on) override
    {
        if (on && hear_error) {
            return std::unexpected(*hear_error);
        }
        heard = on;
        return {};
    }
    void tell_by_folio(bool on) override { by_folio = on; }

    void untrack(const std::vector<PageRun>& pages) override
    {
        untracked.insert(untracked.end(), pages.begin(), pages.end());
    }

    [[nodiscard]] const FileState* verdict(const FileKey& file, std::uint32_t slot, std::uint32_t of_generation) const
    {
        const auto found = verdicts.find({file, slot, of_generation & 1U});
        return found == verdicts.end() ? nullptr : &found->second;
    }

private:
    static std::string key_text(const FileKey& file, std::uint32_t slot, std::uint32_t of_generation)
    {
        return std::to_string(file.inode) + "/" + std::to_string(slot) + " in " + std::to_string(of_generation);
    }

    Result<void> called(const std::string& call, const std::function<void()>& effect)
    {
        calls.push_back(call);
        for (const std::string& prefix : failing) {
            if (call.starts_with(prefix)) {
                return fail(call + ": told to fail", 12);
            }
        }
        effect();
        return {};
    }
};

// Paths that exist, and what is found there.
class FakePathResolver final : public PathResolver {
public:
    std::map<std::string, std::vector<DirectoryId>> directories;
    std::map<std::string, std::string> links;  // path → where it leads
    std::map<std::string, Error> errors;
    std::map<std::uint32_t, std::string> mountpoints;  // of whole file systems, by device

    std::optional<MountedPath> mounted(std::uint32_t device, const std::string& path) override
    {
        const auto found = mountpoints.find(device);
        return found == mountpoints.end() ? std::nullopt : std::optional(MountedPath{found->second, "", path});
    }
    void mounts_changed() override {}
    std::map<std::string, DirectoryId> mount_roots;
    std::map<std::string, ProgramId> programs;
    std::map<std::string, std::uint64_t> cgroups;
    std::map<std::string, std::vector<std::uint64_t>> containers;

    Result<ResolvedPath> mounted_at(const std::string& path) override
    {
        const auto found = mount_roots.find(path);
        return ResolvedPath{
            path, found == mount_roots.end() ? std::vector<DirectoryId>() : std::vector<DirectoryId>{found->second}};
    }
    Result<std::optional<ProgramId>> program(const std::string& path) override
    {
        const auto found = programs.find(path);
        return found == programs.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<std::uint64_t> cgroup(const std::string& path) override
    {
        const auto found = cgroups.find(path);
        return found == cgroups.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<std::uint64_t> container(const std::string& id) override
    {
        const auto found = containers.find(id);
        return found == containers.end() ? std::vector<std::uint64_t>() : found->second;
    }
    Result<ResolvedPath> resolve(const std::string& path) override
    {
        if (const auto error = errors.find(path); error != errors.end()) {
            return std::unexpected(error->second);
        }
        const auto link = links.find(path);
        const std::string real = link == links.end() ? path : link->second;
        const auto found = directories.find(real);
        return ResolvedPath{real, found == directories.end() ? std::vector<DirectoryId>() : found->second};
    }
};

}  // namespace pinwarden
