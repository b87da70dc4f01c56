#include "app/config_check.h"

#include <algorithm>
#include <iterator>

#include "app/configuration.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

std::string show_options(const ConfigView& view)
{
    std::string text;
    for (const OptionView& option : view.options) {
        const auto& [values, origin] = option.in_force;
        constexpr std::size_t kWidth = 18;
        text += option.name + std::string(kWidth - std::min(option.name.size(), kWidth - 1), ' ') +
                (values.empty() ? "-" : join(values)) + "  (" + to_string(origin) + ")\n";
    }
    return text;
}

std::string show_policies(const LoadedPolicies& loaded, const CompiledPolicies& compiled)
{
    std::string text;
    for (std::size_t slot = 0; slot < loaded.placed.size(); ++slot) {
        const auto& [policy, place] = loaded.placed[slot];
        const std::string& pending = compiled.pending.at(slot);
        text += "policy " + policy.name + ": " + std::string(policy_state(compiled, slot)) + " (" +
                to_string(policy.source, place) + ")" + (pending.empty() ? "" : "; " + pending) + "\n";
    }
    return text.empty() ? "no policies of files\n" : text;
}

// One by one, so that each that cannot be compiled is told.
std::vector<std::string> compile_each(const LoadedPolicies& loaded, PathResolver& resolver)
{
    std::vector<std::string> errors;
    for (const auto& [policy, place] : loaded.placed) {
        PolicySet alone;
        auto good = alone.apply({policy});
        if (good) {
            if (const auto compiled = alone.compile(resolver); !compiled) {
                good = std::unexpected(compiled.error());
            }
        }
        if (!good) {
            errors.push_back(to_string(policy.source, place) + ": " + good.error().message);
        }
    }
    return errors;
}

}  // namespace

ConfigCheck check_config(const CommandLine& line, PathResolver& resolver)
{
    const LoadedConfiguration read = load_configuration(line);
    const LoadedPolicies loaded = load_policies(read.configuration);
    ConfigCheck check{.text = {}, .errors = messages_of(read.errors)};
    std::ranges::copy(messages_of(loaded.errors), std::back_inserter(check.errors));
    // Also beside other mistakes: what could be read is looked at to the end.
    std::ranges::copy(compile_each(loaded, resolver), std::back_inserter(check.errors));
    if (!check.errors.empty()) {
        return check;
    }
    PolicySet all;
    auto applied = all.apply(loaded.policies());
    const auto compiled = applied ? all.compile(resolver) : std::unexpected(applied.error());
    if (!compiled) {
        check.errors.push_back(compiled.error().message);
        return check;
    }
    const ConfigView view = view_of(read.configuration);
    check.text = "files: " + (view.files.empty() ? "none" : join(view.files)) + "\n" + show_options(view) +
                 show_policies(loaded, *compiled);
    return check;
}

}  // namespace pinwarden
