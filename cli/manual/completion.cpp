#include "cli/manual/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace pinwarden::cli {
namespace {

// One line; what ends a quoted text in a shell is left out.
std::string in_quotes(std::string_view text)
{
    std::string out = "'";
    for (const char letter : text) {
        out += letter == '\'' ? std::string("'\\''") : std::string(1, letter == '\n' ? ' ' : letter);
    }
    return out + "'";
}

// Calls `visit` with every command and the words that lead to it: "" for the program, "policy apply".
void each_command(const CommandWords& command, const std::string& path,
                  const std::function<void(const CommandWords&, const std::string&)>& visit)
{
    visit(command, path);
    for (const CommandWords& one : command.commands) {
        each_command(one, path.empty() ? one.name : path + " " + one.name, visit);
    }
}

// Options of the program may be given after its commands as well.
std::vector<OptionWords> options_of(const CommandWords& program, const CommandWords& command)
{
    std::vector<OptionWords> all = command.options;
    if (&program != &command) {
        std::ranges::copy_if(program.options, std::back_inserter(all), [](const OptionWords& option) {
            return option.names.back() != "--help" && option.names.back() != "--version";
        });
    }
    return all;
}

std::string joined(const std::vector<std::string>& words, std::string_view between)
{
    std::string text;
    for (const std::string& word : words) {
        text += text.empty() ? word : std::string(between) + word;
    }
    return text;
}

// Both shells find out in the same way which command it is, and in which place what is to be completed.
std::string walk(const CommandWords& program)
{
    // A word that an option takes is no command.
    std::set<std::string> valued;
    each_command(program, "", [&](const CommandWords& command, const std::string& /*path*/) {
        for (const OptionWords& option : command.options) {
            if (!option.value.empty()) {
                valued.insert(option.names.begin(), option.names.end());
            }
        }
    });
    std::string text = "        case \"$word\" in " + joined({valued.begin(), valued.end()}, "|") +
                       ") ((i++)); continue;; esac\n        case \"$at $word\" in\n";
    each_command(program, "", [&](const CommandWords& /*command*/, const std::string& path) {
        if (!path.empty()) {
            text += "            " + in_quotes(path.find(' ') == std::string::npos ? " " + path : path) +
                    ") at=" + in_quotes(path) + ";;\n";
        }
    });
    return text + "        esac\n";
}

struct Offer {
    std::string path;
    std::vector<std::string> words;
    bool files = false;
};

std::vector<Offer> offers(const CommandWords& program)
{
    std::vector<Offer> all;
    each_command(program, "", [&](const CommandWords& command, const std::string& path) {
        Offer offer{.path = path, .words = {}, .files = false};
        for (const CommandWords& one : command.commands) {
            offer.words.push_back(one.name);
        }
        for (const OptionWords& option : options_of(program, command)) {
            offer.words.insert(offer.words.end(), option.names.begin(), option.names.end());
        }
        for (const OptionWords& argument : command.arguments) {
            const auto choices = argument.choices();
            offer.words.insert(offer.words.end(), choices.begin(), choices.end());
            offer.files = offer.files || argument.file;
        }
        all.push_back(std::move(offer));
    });
    return all;
}

// Cases "PATH OPTION" of what an option takes. `values` makes a command of the words, or of none for paths.
std::string value_cases(const CommandWords& program, const std::function<std::string(const OptionWords&)>& values)
{
    std::string text;
    each_command(program, "", [&](const CommandWords& command, const std::string& path) {
        for (const OptionWords& option : options_of(program, command)) {
            if (option.value.empty()) {
                continue;
            }
            std::vector<std::string> cases;
            std::ranges::transform(option.names, std::back_inserter(cases), [&](const std::string& name) {
                return in_quotes(fmt::format("{} {}", path, name));
            });
            text += "        " + joined(cases, "|") + ") " + values(option) + "return;;\n";
        }
    });
    return text;
}

std::string bash(const CommandWords& program)
{
    const std::string name = program.name;
    std::string text = "# bash completion for " + name + "\n_" + name +
                       "() {\n    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} at='' "
                       "word i\n    COMPREPLY=()\n    for ((i = 1; i < COMP_CWORD; i++)); do\n        "
                       "word=${COMP_WORDS[i]}\n" +
                       walk(program) + "    done\n    case \"$at $previous\" in\n";
    text += value_cases(program, [](const OptionWords& option) {
        const auto choices = option.choices();
        if (!choices.empty()) {
            return "COMPREPLY=($(compgen -W " + in_quotes(joined(choices, " ")) + " -- \"$current\")); ";
        }
        return std::string(option.file ? "COMPREPLY=($(compgen -f -- \"$current\")); " : "");
    });
    text += "    esac\n    case \"$at\" in\n";
    for (const Offer& offer : offers(program)) {
        text += "        " + in_quotes(offer.path) + ") COMPREPLY=($(compgen " + (offer.files ? "-f " : "") + "-W " +
                in_quotes(joined(offer.words, " ")) + " -- \"$current\"));;\n";
    }
    return text + "    esac\n}\ncomplete -o filenames -F _" + name + " " + name + "\n";
}

std::string zsh(const CommandWords& program)
{
    const std::string name = program.name;
    std::string text =
        "#compdef " + name + "\n_" + name +
        "() {\n    local previous=${words[CURRENT-1]} at='' word i\n    for ((i = 2; i < CURRENT; i++)); "
        "do\n        word=${words[i]}\n" +
        walk(program) + "    done\n    case \"$at $previous\" in\n";
    text += value_cases(program, [](const OptionWords& option) {
        const auto choices = option.choices();
        if (!choices.empty()) {
            return "compadd -- " + joined(choices, " ") + "; ";
        }
        return option.file ? std::string("_files; ") : "_message " + in_quotes(option.value) + "; ";
    });
    text += "    esac\n    case \"$at\" in\n";
    for (const Offer& offer : offers(program)) {
        text += "        " + in_quotes(offer.path) + ") " + (offer.files ? "_files; " : "") + "compadd -- " +
                joined(offer.words, " ") + ";;\n";
    }
    return text + "    esac\n}\n_" + name + " \"$@\"\n";
}

std::string fish_condition(const CommandWords& command, const std::string& path)
{
    if (path.empty()) {
        return "__fish_use_subcommand";
    }
    std::string text;
    for (std::size_t from = 0; from < path.size();) {
        const std::size_t end = std::min(path.find(' ', from), path.size());
        text += (text.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + path.substr(from, end - from));
        from = end + 1;
    }
    std::vector<std::string> below;
    std::ranges::transform(command.commands, std::back_inserter(below), &CommandWords::name);
    return below.empty() ? text : text + "; and not __fish_seen_subcommand_from " + joined(below, " ");
}

std::string fish_option(const OptionWords& option)
{
    std::string text;
    for (const std::string& name : option.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (!option.value.empty()) {
        const auto choices = option.choices();
        text += option.file ? " -r -F" : " -x";
        text += choices.empty() ? "" : " -a " + in_quotes(joined(choices, " "));
    }
    return text + " -d " + in_quotes(option.description);
}

std::string fish(const CommandWords& program)
{
    std::string text = "# fish completion for " + program.name + "\ncomplete -c " + program.name + " -f\n";
    for (const OptionWords& option : program.options) {
        text += "complete -c " + program.name + fish_option(option) + "\n";
    }
    each_command(program, "", [&](const CommandWords& command, const std::string& path) {
        const std::string when = "complete -c " + program.name + " -n " + in_quotes(fish_condition(command, path));
        for (const CommandWords& one : command.commands) {
            text += when + " -a " + one.name + " -d " + in_quotes(one.description) + "\n";
        }
        if (std::ranges::any_of(command.arguments, &OptionWords::file)) {
            text += when + " -F\n";
        }
        for (const OptionWords& argument : command.arguments) {
            if (const auto choices = argument.choices(); !choices.empty()) {
                text += when + " -a " + in_quotes(joined(choices, " ")) + "\n";
            }
        }
        for (const OptionWords& option : path.empty() ? std::vector<OptionWords>{} : command.options) {
            text += when + fish_option(option) + "\n";
        }
    });
    return text;
}

}  // namespace

std::string completion(const CommandWords& program, Shell shell)
{
    switch (shell) {
        case Shell::kBash: return bash(program);
        case Shell::kZsh: return zsh(program);
        case Shell::kFish: break;
    }
    return fish(program);
}

}  // namespace pinwarden::cli
