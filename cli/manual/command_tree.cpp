#include "cli/manual/command_tree.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace pinwarden::cli {
namespace {

// What help calls values that are paths.
constexpr std::array<std::string_view, 3> kPaths{"PATH", "FILE", "SUBJECT"};

bool is_path(std::string_view value)
{
    return std::ranges::find(kPaths, value) != kPaths.end();
}

// CLI11 adds what its validators say: "TEXT:{bash,zsh,fish}", "UINT:UINT in [1 - 4294967295]".
std::string value_of(const std::string& type)
{
    const std::size_t end = type.find(':');
    const std::string base = type.substr(0, end);
    if (base == "TEXT" && end != std::string::npos && type.substr(end + 1).starts_with('{') && type.ends_with('}')) {
        std::string words = type.substr(end + 2, type.size() - end - 3);
        std::ranges::replace(words, ',', '|');
        return words;
    }
    return base == "UINT" || base == "INT" ? "NUMBER" : base;
}

OptionWords describe(const CLI::Option& option)
{
    OptionWords words;
    for (const std::string& name : option.get_snames()) {
        words.names.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        words.names.push_back("--" + name);
    }
    const bool positional = option.get_positional() && words.names.empty();
    // A flag takes nothing.
    if (positional || option.get_items_expected_max() > 0) {
        const std::string value = value_of(option.get_type_name());
        words.value = positional && value.find('|') == std::string::npos ? option.get_name(true) : value;
    }
    words.description = option.get_description();
    words.standard = option.get_default_str();
    words.required = option.get_required();
    words.again = option.get_items_expected_max() > 1;
    words.file = is_path(words.value);
    return words;
}

}  // namespace

std::vector<std::string> OptionWords::choices() const
{
    std::vector<std::string> all;
    if (value.find('|') == std::string::npos) {
        return all;
    }
    for (std::size_t from = 0; from <= value.size();) {
        const std::size_t end = std::min(value.find('|', from), value.size());
        all.push_back(value.substr(from, end - from));
        from = end + 1;
    }
    return all;
}

CommandWords describe(const CLI::App& app)
{
    CommandWords words{.name = app.get_name(), .description = app.get_description()};
    for (const CLI::Option* option :
         app.get_options([](const CLI::Option* one) { return !one->get_group().empty(); })) {
        OptionWords described = describe(*option);
        (described.names.empty() ? words.arguments : words.options).push_back(std::move(described));
    }
    for (const CLI::App* command : app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); })) {
        words.commands.push_back(describe(*command));
    }
    return words;
}

}  // namespace pinwarden::cli
