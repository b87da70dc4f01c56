#include "cli/render_config.h"

#include <algorithm>

#include "cli/fit.h"
#include "cli/table.h"

namespace pinwarden::cli {
namespace {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

std::string listed(const Texts& texts, const std::string& when_empty)
{
    std::string text;
    for (const std::string& one : texts) {
        text += (text.empty() ? "" : ", ") + visible(one);
    }
    return text.empty() ? when_empty : text;
}

std::string origin_text(const v1::ConfigOrigin& origin)
{
    switch (origin.source()) {
        case v1::CONFIG_SOURCE_DEFAULT: return "default";
        case v1::CONFIG_SOURCE_FLAG: return "flag";
        case v1::CONFIG_SOURCE_FILE: return visible(origin.file()) + ":" + std::to_string(origin.line());
        default: return "?";
    }
}

std::string reload_text(const v1::GetConfigResponse& config, std::int64_t now, const Style& style)
{
    if (!config.has_last_reload()) {
        return "Last reload: none since the start\n";
    }
    const v1::ConfigReload& reload = config.last_reload();
    const std::int64_t age = std::max<std::int64_t>(now - reload.time().seconds(), 0);
    std::string text = "Last reload: " + human_age(age) + " ago, " +
                       (reload.applied() ? style.paint("applied", Colour::kGreen)
                                         : style.paint("refused", Colour::kRed) + "; what was in force before stays") +
                       "\n";
    for (const std::string& message : reload.messages()) {
        text += "  " + visible(message) + "\n";
    }
    return text;
}

}  // namespace

std::string render_config(const v1::GetConfigResponse& config, std::int64_t now, const Style& style)
{
    Table table({{"OPTION"}, prose_column("VALUE", 16), path_column("FROM")});
    for (const v1::ConfigOption& option : config.options()) {
        table.add_row({{option.name()}, {listed(option.values(), "-")}, {origin_text(option.origin())}});
        if (option.has_after_restart()) {
            const v1::ConfigPending& pending = option.after_restart();
            table.add_line("    after a restart: " + listed(pending.values(), "-") + " (" +
                           origin_text(pending.origin()) + ")");
        }
    }
    constexpr std::size_t kLabel = 13;
    const std::string rest = "\nFiles:       " + listed(config.files(), "none") +
                             "\nPolicies:    " + listed(config.policy_paths(), "none of files") + "\n" +
                             reload_text(config, now, style);
    return table.text(style) + wrapped(rest, style.columns, kLabel);
}

}  // namespace pinwarden::cli
