// Paths and names of a machine where there is everything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/require.h"
#include "policy/policy_set.h"

namespace pinwarden::fuzz {

// Everything there is has a number made of its name, so that what is told apart stays so.
class NamedPlaces final : public PathResolver {
public:
    Result<ResolvedPath> resolve(const std::string& path) override { return ResolvedPath{path, {directory(path)}}; }
    Result<ResolvedPath> mounted_at(const std::string& path) override
    {
        return ResolvedPath{path, {directory("mount" + path)}};
    }
    Result<std::optional<ProgramId>> program(const std::string& path) override
    {
        const std::size_t slash = path.rfind('/');
        require(slash != std::string::npos, "a program is named by a path");
        return ProgramId{directory(path.substr(0, slash)), path.substr(slash + 1)};
    }
    std::optional<std::uint64_t> cgroup(const std::string& path) override { return directory(path).inode; }
    std::vector<std::uint64_t> container(const std::string& id) override { return {directory(id).inode}; }
    std::optional<MountedPath> mounted(std::uint32_t /*device*/, const std::string& /*path*/) override { return {}; }
    void mounts_changed() override {}

private:
    static DirectoryId directory(const std::string& path) { return {std::hash<std::string>()(path), 8U << 20U | 1U}; }
};

}  // namespace pinwarden::fuzz
