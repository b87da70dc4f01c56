// What an engine has around it, out of a struct that holds the stand-ins.
#pragma once

#include <cstdint>
#include <string>

#include "app/engine.h"

namespace pinwarden::test {

// `world` has each of them as a member of the same name, and `warnings`, a vector of what is logged. It must outlive
// the engine.
template <typename World>
Surroundings surroundings_of(World& world, VerdictSink& verdicts, PolicyStore* policies)
{
    return {.clock = world.clock,
            .verdicts = verdicts,
            .holds = world.holds,
            .signals = world.signals,
            .audit_log = world.audit_log,
            .paths = world.paths,
            .truth = world.truth,
            .processes = world.processes,
            .owners = world.owners,
            .names = world.names,
            .cgroups = world.cgroups,
            .fanout = world.fanout,
            .log_warning = [&world](const std::string& text) { world.warnings.push_back(text); },
            .memory_in_use = [&world]() -> std::uint64_t {
                if constexpr (requires { world.memory; }) {
                    return world.memory;
                }
                return 0;
            },
            .policies = policies};
}

}  // namespace pinwarden::test
